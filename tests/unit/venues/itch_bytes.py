"""ITCH messages made here: a message is a head and fields, a file is messages behind their lengths."""

from __future__ import annotations

import struct

from qflib.venues.itch_messages import MESSAGES, SHAPES

#: 9:30 on 30 January 2019 in New York.
MIDNIGHT_NS = 1_548_824_400_000_000_000
OPEN_NS = 34_200_000_000_000


def message(kind: str, *fields: int | bytes, locate: int = 1, time_ns: int = OPEN_NS) -> bytes:
    """One message; integers and padded bytes fill its fields in order."""
    dtype = MESSAGES[kind].dtype
    out = kind.encode() + struct.pack(">HH", locate, 0) + time_ns.to_bytes(6)
    names = list(dtype.names or ())[5:]
    assert len(names) == len(fields), names
    for name, value in zip(names, fields, strict=True):
        size = dtype[name].itemsize
        out += value.to_bytes(size) if isinstance(value, int) else value.ljust(size)
    assert len(out) == SHAPES[0, ord(kind)]
    return out


def framed(*messages: bytes, told: bool = True) -> list[bytes]:
    """Messages behind their lengths, or behind a length of 0."""
    return [struct.pack(">H", len(m) if told else 0) + m for m in messages]


def packet(seq: int, *messages: bytes, session: bytes = b"000010059B", count: int | None = None) -> bytes:
    """A MoldUDP64 packet."""
    head = session + struct.pack(">QH", seq, len(messages) if count is None else count)
    return head + b"".join(framed(*messages))


def directory(symbol: str, locate: int) -> bytes:
    return message("R", symbol.encode(), b"Q", b"N", 100, b"N", b"C", b"Z", b"P", b"N", b"N", b"1", b"N", 0, b"N",
                   locate=locate)  # fmt: skip


def pcap(*payloads: bytes, vlan: int = 0, nano: bool = True, little: bool = True, time_ns: int = 0) -> bytes:
    """A capture of UDP datagrams in IPv4 over Ethernet."""
    order = "<" if little else ">"
    out = struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for i, payload in enumerate(payloads):
        udp = struct.pack(">HHHH", 1, 2, 8 + len(payload), 0) + payload
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(udp), 0, 0x4000, 20, 17, 0, 1, 2) + udp
        frame = bytes(12) + b"\x81\x00\x00\x8d" * vlan + b"\x08\x00" + ip
        seconds, part = divmod(time_ns + i, 10**9)
        out += struct.pack(order + "IIII", seconds, part if nano else part // 1000, len(frame), len(frame)) + frame
    return out
