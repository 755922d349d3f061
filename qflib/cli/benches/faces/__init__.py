"""The faces under load: 300 clients of the stream, and GET and POST beside bare Starlette with msgspec.

Servers and load run in processes of their own, under granian; books come 20 times a second. The delay is from before
the record is read by the views to the client's socket, by one clock.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from statistics import median
from typing import Any

from qflib.cli.bench import Row
from qflib.errors import DataError

CLIENTS = 300
_WINDOWS, _WINDOW_S = 5, 3
_RATE_S = 2.0
_PEER = "starlette msgspec"


def rows(peers: bool) -> Iterator[Row]:
    """Milliseconds of delay, requests a second, megabytes."""
    with _process("server", "qflib") as server:
        told = _load("stream", server, str(CLIENTS), str(_WINDOWS), str(_WINDOW_S))
    if told["silent_gaps"]:
        raise DataError(f"{told['silent_gaps']} messages were left out without a word; a stream may not do that")
    for q in ("p50", "p99"):
        figures = [w[q] for w in told["windows"]]
        yield Row(f"stream_{CLIENTS}_{q}", median(figures), min(figures), "ms")
    counts = [w["messages"] / _WINDOW_S for w in told["windows"]]
    yield Row(f"stream_{CLIENTS}_messages", median(counts), min(counts), "messages/s")
    yield Row("stream_told_gaps", told["told_gaps"], told["told_gaps"], "gaps")
    yield Row("stream_memory_growth", told["grown_mb"], told["grown_mb"], "MB")
    yield from _rates(peers and find_spec("starlette") is not None)


def _rates(peers: bool) -> Iterator[Row]:
    """Both servers up at once, asked in turns: what else the machine does falls on both."""
    with ExitStack() as stack:
        servers = {"qflib": stack.enter_context(_process("server", "qflib"))}
        if peers:
            servers[_PEER] = stack.enter_context(_process("server", "starlette"))
        for what, name in (("get", "get_book"), ("post", "post_order")):
            runs = [{who: _load(what, s, str(_RATE_S)) for who, s in servers.items()} for _ in range(_WINDOWS + 1)][1:]
            for figure, row, unit in (("rate", name, "requests/s"), ("cpu_us", f"{name}_cpu", "us/request")):
                mine = [r["qflib"][figure] for r in runs]
                beside = {_PEER: median(r[_PEER][figure] for r in runs)} if peers else {}
                yield Row(row, median(mine), min(mine), unit, beside)
            if peers:
                share = [100 * r["qflib"]["rate"] / r[_PEER]["rate"] for r in runs]
                yield Row(f"{name}_of_peer", median(share), min(share), "%")


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[dict[str, Any]]:
    """A process that tells one line of JSON when it is ready, and ends when its stdin does."""
    command = [sys.executable, "-m", f"{__name__}.{module}", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise DataError(f"the process of the bench ended with exit code {process.wait()}; its errors stand above")
        try:
            yield json.loads(line)
        finally:
            process.communicate(timeout=20)


def _load(what: str, server: dict[str, Any], *arguments: str) -> dict[str, Any]:
    with _process("load", what, json.dumps(server), *arguments) as told:
        return told
