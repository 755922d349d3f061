"""Captured packets (pcap) to the payloads of their UDP datagrams: IPv4 and IPv6 over Ethernet, VLAN tags or none.

Source of the layouts: draft-ietf-opsawg-pcap, IEEE 802.1Q, RFC 791, RFC 8200, RFC 768.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.itch_frames import be16, be32
from qflib.kernels.jit import lean_kernel

ETHERNET, RAW, RAW_BSD, LINUX_COOKED = 1, 101, 12, 113  # link types
RECORD = 16  # bytes of a packet's own header
LONGEST = 1 << 18  # of a packet: tcpdump's greatest snap length
_UDP = 17


@lean_kernel
def udp_payloads(
    data: NDArray[np.uint8], little: bool, unit_ns: int, link: int, position: int, receipt: int,
    payload: NDArray[np.uint8], length: NDArray[np.uint32], receipt_ns: NDArray[np.int64], at: NDArray[np.uint64],
) -> tuple[int, int, int, int]:  # fmt: skip
    """Copy the UDP payloads of a capture's packets, one after the other.

    Parameters
    ----------
    data
        A piece of the capture that begins with a packet's header.
    little, unit_ns, link
        Byte order, the fraction's unit (1000 or 1) and link type, as the capture's own header has them.
    position, receipt
        Where the piece begins in the capture, and the time of the packet before.
    payload
        Written; as long as `data`.
    length, receipt_ns, at
        Written, a row a payload: its bytes, its time, which never falls, and its packet's place in the capture.

    Returns
    -------
    count, used, end, ok
        Payloads, their bytes, where the last whole packet ends, and 0 where the packet there is longer than any.
    """
    n, used, size = 0, 0, len(data)
    p: Any = 0
    while n < len(length) and p + RECORD <= size:
        seconds, part = _word(data, p, little), _word(data, p + 4, little)
        kept = _word(data, p + 8, little)
        if kept > LONGEST:
            return n, used, p, 0
        start, end = p + RECORD, p + RECORD + kept
        if end > size:
            break
        receipt = max(receipt, seconds * 1_000_000_000 + part * unit_ns)
        first, stop = _datagram(data, start, end, link)
        if stop > first:
            for k in range(stop - first):
                payload[used + k] = data[first + k]
            length[n], receipt_ns[n], at[n] = stop - first, receipt, position + p
            used += stop - first
            n += 1
        p = end
    return n, used, p, 1


@lean_kernel
def _word(data: NDArray[np.uint8], at: Any, little: bool) -> Any:
    if little:
        return (be16(data, at + 2) >> 8 | (be16(data, at + 2) & 0xFF) << 8) << 16 | (
            be16(data, at) >> 8 | (be16(data, at) & 0xFF) << 8
        )
    return be32(data, at)


@lean_kernel
def _datagram(data: NDArray[np.uint8], start: Any, end: Any, link: int) -> tuple[Any, Any]:
    """Where a packet's UDP payload lies; nowhere (0, 0) for other packets, fragments and torn ones."""
    p, protocol = start, 0
    if link == ETHERNET:
        p = start + 14
        if p > end:
            return 0, 0
        protocol = be16(data, p - 2)
        while protocol in (0x8100, 0x88A8, 0x9100):
            p += 4
            if p > end:
                return 0, 0
            protocol = be16(data, p - 2)
    elif link == LINUX_COOKED:
        p = start + 16
        if p > end:
            return 0, 0
        protocol = be16(data, p - 2)
    elif p < end:
        protocol = 0x86DD if data[p] >> 4 == 6 else 0x0800
    if protocol == 0x0800:
        if p + 20 > end or data[p] >> 4 != 4 or data[p + 9] != _UDP or be16(data, p + 6) & 0x3FFF != 0:
            return 0, 0
        header = 4 * np.int64(data[p] & 0x0F)
        if header < 20:
            return 0, 0
        p += header
    elif protocol == 0x86DD:
        if p + 40 > end or data[p + 6] != _UDP:
            return 0, 0
        p += 40
    else:
        return 0, 0
    if p + 8 > end:
        return 0, 0
    told = be16(data, p + 4)
    if told < 8 or p + told > end:
        return 0, 0
    return p + 8, p + told
