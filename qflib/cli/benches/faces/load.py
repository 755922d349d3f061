"""The load: plain sockets, so that the machine's time goes to the server."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import sys
import time
from typing import Any

import numpy as np

_SOCKETS = 32  # of requests, each with one under way


class StreamClient(asyncio.Protocol):
    """A WebSocket client that only reads: chain, gaps, delay of each change, and whether its socket was lost."""

    def __init__(self, request: bytes, ask: bytes, delays: list[int]) -> None:
        self._request, self._ask, self._delays = request, ask, delays
        self._held, self._open, self.seq = b"", False, -1
        self.silent = self.told = self.left_out = self.snapshots = self.changes = 0
        self.lost = self.ending = False
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = not self.ending

    def data_received(self, data: bytes) -> None:
        now = time.time_ns()
        data = self._held + data
        at = 0
        if not self._open:
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._held = data
                return
            if not data.startswith(b"HTTP/1.1 101"):
                raise SystemExit(f"unexpected answer: {data[:400]!r}")
            self._open = True
            self.transport.write(self._ask)
        end = len(data)
        while end - at >= 2:
            length, head = data[at + 1] & 127, 2
            if length == 126:
                length, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
            elif length == 127:
                length, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
            if end - at < head + length:
                break
            self._take(data[at + head : at + head + length], now)
            at += head + length
        self._held = data[at:]

    def _take(self, text: bytes, now: int) -> None:
        if text.startswith(b'{"type":"delta"'):
            if _number(text, b'"prev_seq":') != self.seq:
                self.silent += 1
            self.changes += 1
            self._delays.append(now - _number(text, b'"time_ns":'))
        elif text.startswith(b'{"type":"gap"'):
            self.told += 1
            self.left_out += _number(text, b'"to":') - _number(text, b'"from":')
            return
        elif text.startswith(b'{"type":"snapshot"'):
            self.snapshots += 1
        else:
            return
        self.seq = _number(text, b'"seq":')


class Asker(asyncio.Protocol):
    """Sends the next request when the answer to the last is there."""

    def __init__(self, make: Any, status: bytes) -> None:
        self._make, self._status = make, status
        self.done, self._held = 0, b""
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self._make())

    def data_received(self, data: bytes) -> None:
        data = self._held + data
        head = data.find(b"\r\n\r\n")
        if head < 0 or len(data) < head + 4 + _number(data[:head].lower(), b"content-length: "):
            self._held = data
            return
        if not data.startswith(self._status):
            raise SystemExit(f"unexpected answer: {data[:400]!r}")
        self._held = b""
        self.done += 1
        self.transport.write(self._make())


def _number(text: bytes, name: bytes) -> int:
    at = text.find(name) + len(name)
    end = at
    while text[end : end + 1].isdigit() or text[end : end + 1] == b"-":
        end += 1
    return int(text[at:end])


async def stream(server: dict[str, Any], clients: int, windows: int, window_s: float) -> dict[str, Any]:
    """So many clients of one book; delays a window, first while all read, then while one more reads no longer."""
    loop = asyncio.get_running_loop()
    ask = json.dumps({"op": "subscribe", "channel": "book", "subject": server["symbol"]}).encode()
    frame = bytes([0x81, 0x80 | len(ask), 0, 0, 0, 0]) + ask
    delays: list[int] = []
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = "\r\n".join(
        (
            "GET /v1/stream HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", f"Authorization: Bearer {server['key']}", "", "",
        )
    ).encode()  # fmt: skip
    every = []
    for k in range(clients + 1):
        sock = socket.socket()
        if k == clients:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)  # it stalls soon
        sock.connect(("127.0.0.1", server["port"]))
        _, one = await loop.create_connection(lambda: StreamClient(upgrade, frame, delays), sock=sock)
        every.append(one)
    await asyncio.sleep(2.0)
    readers, stalled = every[:-1], every[-1]
    together = [await _window(readers, delays, window_s) for _ in range(windows)]
    stalled.transport.pause_reading()
    before = _rss_mb(server["pid"])
    made = [await _window(readers, delays, window_s) for _ in range(windows)]
    grown = _rss_mb(server["pid"]) - before
    seen = together + made
    for one in every:
        one.ending = True
        one.transport.abort()
    return {
        "together": together,
        "windows": made,
        "grown_mb": grown,
        "silent_gaps": sum(c.silent for c in every),
        "told_gaps": sum(c.told for c in readers),
        "left_out": sum(c.left_out for c in readers),
        "late_snapshots": sum(max(c.snapshots - 1, 0) for c in readers),
        "lost": sum(c.lost for c in readers),
        "quiet": max(w["quiet"] for w in seen),
    }


async def _window(readers: list[StreamClient], delays: list[int], seconds: float) -> dict[str, Any]:
    """Delays of the changes of a while, and how many readers got none."""
    delays.clear()
    had = [c.changes for c in readers]
    await asyncio.sleep(seconds)
    ms = np.array(delays) / 1e6 if delays else np.array([np.nan])
    quiet = sum(c.changes == n for c, n in zip(readers, had, strict=True))
    p50, p99 = (float(np.quantile(ms, q)) for q in (0.5, 0.99))
    return {"p50": p50, "p99": p99, "messages": len(delays), "quiet": quiet}


async def rate(server: dict[str, Any], what: str, seconds: float) -> dict[str, Any]:
    """Requests a second."""
    head = f"Host: x\r\nAuthorization: Bearer {server['key']}\r\n"
    n, run = 0, os.urandom(4).hex()
    line = "POST /v1/orders HTTP/1.1\r\n"
    told = {"account": "A", "portfolio": "DESK1", "instrument": server["symbol"], "side": "buy", "ord_type": "limit",
            "time_in_force": "gtc", "price": server["price"], "qty": "1"}  # fmt: skip
    order = json.dumps(told, separators=(",", ":"))[1:]
    books = "kept" if what == "get_kept" else "books"
    get = f"GET /v1/{books}/{server['symbol']} HTTP/1.1\r\n{head}\r\n".encode()

    def post() -> bytes:
        nonlocal n
        n += 1
        body = f'{{"client_order_id":"{run}-{n}",{order}'
        return f"{line}{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    make, status = (lambda: get, b"HTTP/1.1 200") if what != "post" else (post, b"HTTP/1.1 202")
    loop = asyncio.get_running_loop()
    askers = [
        (await loop.create_connection(lambda: Asker(make, status), "127.0.0.1", server["port"]))[1]
        for _ in range(_SOCKETS)
    ]
    await asyncio.sleep(0.3)
    before, start, spent = sum(a.done for a in askers), time.perf_counter(), _cpu_s(server["pid"])
    await asyncio.sleep(seconds)
    done, took = sum(a.done for a in askers) - before, time.perf_counter() - start
    spent = _cpu_s(server["pid"]) - spent
    for a in askers:
        a.transport.abort()
    return {"rate": done / took, "cpu_us": 1e6 * spent / max(done, 1)}


def _rss_mb(pid: int) -> float:
    import psutil

    return float(psutil.Process(pid).memory_info().rss / 2**20)


def _cpu_s(pid: int) -> float:
    import psutil

    told = psutil.Process(pid).cpu_times()
    return float(told.user + told.system)


def main(what: str, server: str, *arguments: str) -> None:
    """Load a server, and tell what was seen."""
    told = json.loads(server)
    if what == "stream":
        clients, windows, window_s = arguments
        made = asyncio.run(stream(told, int(clients), int(windows), float(window_s)))
    else:
        made = asyncio.run(rate(told, what, float(arguments[0])))
    print(json.dumps(made), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
