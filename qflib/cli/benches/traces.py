"""What tracing costs a stage: a record that belongs to no trace, one that begins a trace, one that belongs to one."""

from __future__ import annotations

import time
from collections.abc import Iterator

from qflib.cli.bench import Row, timed

_CALLS = 5_000


def rows(peers: bool) -> Iterator[Row]:
    """Microseconds a record; spans end in this process's memory, in place of a collector."""
    from qflib.errors import MissingPartError

    try:
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    except ImportError:
        raise MissingPartError("bench traces needs OpenTelemetry; `pip install 'qflib[traces]'`") from None
    from qflib.stream.traces import Traces, parent_of

    plain = [("sent_ns", b"1")]
    seen = InMemorySpanExporter()
    never, always = Traces("bench", 0, 0.0, seen), Traces("bench", 0, 1.0, seen)
    begun = always.begin(time.time_ns())
    assert begun is not None
    told = {"topic": "market.data.raw", "partition": 0, "offset": 1, "events": 1_000}

    def taken() -> None:
        at = time.time_ns()
        always.take(begun[1], at, at + 1_000, told)

    yield timed("not_chosen", lambda: never.begin(0), times=_CALLS, of="record")
    yield timed("no_trace", lambda: parent_of(plain), times=_CALLS, of="record")
    for name, work in (("begins_a_trace", lambda: always.begin(time.time_ns())), ("of_a_trace", taken)):
        yield timed(name, work, times=_CALLS, of="record")
        seen.clear()
    never.end()
    always.end()
