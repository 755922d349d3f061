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


def pcapng(
    capture: bytes, kind: int = 6, little: bool = True, resolution: int | None = None, offset_s: int = 0
) -> bytes:
    """A little-endian pcap as pcapng: blocks of enhanced (6), simple (3) or obsolete (2) packets, and one of names."""
    order = "<" if little else ">"

    def block(number: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = struct.pack(order + "I", 12 + len(body))
        return struct.pack(order + "I", number) + size + body + size

    def option(code: int, value: bytes) -> bytes:
        return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)

    magic, link = struct.unpack_from("<I", capture)[0], struct.unpack_from("<I", capture, 20)[0]
    options = option(2, b"eth0") + (option(9, bytes([resolution])) if resolution is not None else b"")
    options += option(14, struct.pack(order + "q", offset_s)) + option(0, b"")
    out = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += block(1, struct.pack(order + "HHI", link, 0, 65535) + options) + block(4, option(0, b""))
    unit = 6 if resolution is None else resolution
    at = 24
    while at < len(capture):
        seconds, part, kept, size = struct.unpack_from("<IIII", capture, at)
        ns = (seconds - offset_s) * 10**9 + part * (1 if magic == 0xA1B23C4D else 1000)
        time = ns * (2 ** (unit & 0x7F) if unit & 0x80 else 10**unit) // 10**9
        head = struct.pack(order + ("I" if kind == 6 else "HH"), *([0] if kind == 6 else [0, 0]))
        head += struct.pack(order + "IIII", time >> 32, time & 0xFFFFFFFF, kept, size)
        data = capture[at + 16 : at + 16 + kept]
        out += block(kind, (struct.pack(order + "I", size) if kind == 3 else head) + data)
        at += 16 + kept
    return out
