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
    """A WebSocket client that only reads: chain, gaps, delay of each message."""

    def __init__(self, request: bytes, ask: bytes, delays: list[int]) -> None:
        self._request, self._ask, self._delays = request, ask, delays
        self._held, self._open, self.seq = b"", False, -1
        self.silent = self.told = 0
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.time_ns()
        data = self._held + data
        at = 0
        if not self._open:
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._held = data
                return
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
            self._delays.append(now - _number(text, b'"time_ns":'))
        elif text.startswith(b'{"type":"gap"'):
            self.told += 1
            return
        elif not text.startswith(b'{"type":"snapshot"'):
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
    """So many clients of one book, and one that stalls; delays a window."""
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
    every[-1].transport.pause_reading()
    before, made = _rss_mb(server["pid"]), []
    for _ in range(windows):
        delays.clear()
        await asyncio.sleep(window_s)
        ms = np.array(delays) / 1e6
        made.append({"p50": float(np.quantile(ms, 0.5)), "p99": float(np.quantile(ms, 0.99)), "messages": len(ms)})
    grown = _rss_mb(server["pid"]) - before
    for one in every:
        one.transport.abort()
    silent, told = sum(c.silent for c in every), sum(c.told for c in every)
    return {"windows": made, "silent_gaps": silent, "told_gaps": told, "grown_mb": grown}


async def rate(server: dict[str, Any], what: str, seconds: float) -> dict[str, Any]:
    """Requests a second."""
    head = f"Host: x\r\nAuthorization: Bearer {server['key']}\r\n"
    n, run = 0, os.urandom(4).hex()
    line = "POST /v1/orders HTTP/1.1\r\n"
    told = {"account": "A", "portfolio": "DESK1", "instrument": server["symbol"], "side": "buy", "ord_type": "limit",
            "time_in_force": "gtc", "price": server["price"], "qty": "1"}  # fmt: skip
    order = json.dumps(told, separators=(",", ":"))[1:]
    get = f"GET /v1/books/{server['symbol']} HTTP/1.1\r\n{head}\r\n".encode()

    def post() -> bytes:
        nonlocal n
        n += 1
        body = f'{{"client_order_id":"{run}-{n}",{order}'
        return f"{line}{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    make, status = (lambda: get, b"HTTP/1.1 200") if what == "get" else (post, b"HTTP/1.1 202")
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
