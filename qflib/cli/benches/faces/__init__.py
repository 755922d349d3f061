"""The faces under load: 300 clients of the stream, and GET and POST beside bare Starlette with msgspec.

Servers and load run in processes of their own, under granian; books come 20 times a second. The delay is from before
the record is read by the views to the client's socket, by one clock. It is that of changes; what a reader got late, as
a gap and a snapshot, has none and is counted beside. A lost socket, or a reader that gets nothing, ends the bench.
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
_PEER = "starlette msgspec, encoded each time"
_KEPT = "starlette msgspec, kept bytes"


def rows(peers: bool) -> Iterator[Row]:
    """Milliseconds of delay, requests a second, megabytes."""
    with _process("server", "qflib") as server:
        told = _load("stream", server, str(CLIENTS), str(_WINDOWS), str(_WINDOW_S))
    check(told)
    for q in ("p50", "p99"):
        for windows, name in (("windows", q), ("together", f"{q}_none_stalled")):
            figures = [w[q] for w in told[windows]]
            yield Row(f"stream_{CLIENTS}_{name}", median(figures), min(figures), "ms")
    counts = [w["messages"] / _WINDOW_S for w in told["windows"]]
    yield Row(f"stream_{CLIENTS}_messages", median(counts), min(counts), "messages/s")
    for name, unit in (("told_gaps", "gaps"), ("left_out", "changes"), ("late_snapshots", "snapshots")):
        yield Row(f"stream_{name}", told[name], told[name], unit)
    yield Row("stream_memory_growth", told["grown_mb"], told["grown_mb"], "MB")
    yield from _rates(peers and find_spec("starlette") is not None)


def check(told: dict[str, Any]) -> None:
    """What was seen of a stream counts only if every reader read on.

    Raises
    ------
    DataError
        If messages were left out without a word, sockets were lost, or readers got nothing.
    """
    if told["silent_gaps"]:
        raise DataError(f"{told['silent_gaps']} messages were left out without a word; a stream may not do that")
    if told["lost"] or told["quiet"]:
        raise DataError(
            f"{told['lost']} clients lost their socket and {told['quiet']} got nothing for a window; delays of the "
            "others say nothing"
        )


def _rates(peers: bool) -> Iterator[Row]:
    """Both servers up at once, asked in turns: what else the machine does falls on both."""
    with ExitStack() as stack:
        servers = {"qflib": stack.enter_context(_process("server", "qflib"))}
        if peers:
            servers[_PEER] = stack.enter_context(_process("server", "starlette"))
        for what, name in (("get", "get_book"), ("post", "post_order")):
            asked = {who: (what, s) for who, s in servers.items()}
            if peers and what == "get":
                asked[_KEPT] = "get_kept", servers[_PEER]
            runs = [{who: _load(w, s, str(_RATE_S)) for who, (w, s) in asked.items()} for _ in range(_WINDOWS + 1)][1:]
            others = [who for who in asked if who != "qflib"]
            for figure, row, unit in (("rate", name, "requests/s"), ("cpu_us", f"{name}_cpu", "us/request")):
                mine = [r["qflib"][figure] for r in runs]
                beside = {who: median(r[who][figure] for r in runs) for who in others}
                yield Row(row, median(mine), min(mine), unit, beside)
            for who in others:
                share = [100 * r["qflib"]["rate"] / r[who]["rate"] for r in runs]
                yield Row(f"{name}_of_peer{'_kept' if who == _KEPT else ''}", median(share), min(share), "%")


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
