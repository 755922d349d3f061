"""Spans of sampled records, for OpenTelemetry: a record that ingest has chosen says so in a header.

Quix Streams passes the header on to every output, so that all that a record causes, in every stage, belongs to one
trace (W3C Trace Context: `traceparent`). A record that was not chosen costs a look at its headers; where tracing is off
there is not even that. Spans are sent by a thread.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

HEADER = "traceparent"
_CHANCE = random.SystemRandom()  # not the generator that a user may have seeded, nor one that a fork doubles

Headers = Sequence[tuple[str, bytes]]


class Traces:
    """What one process tells of sampled records.

    Parameters
    ----------
    process
        Its name, as "exchange".
    ordinal
        Which worker of it.
    share
        Of the records, that which begins a trace.
    exporter
        Where spans go; None: OTLP over HTTP to where OTEL_EXPORTER_OTLP_ENDPOINT says.

    Raises
    ------
    MissingPartError
        If OpenTelemetry is not installed.

    Examples
    --------
    >>> from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    >>> seen = InMemorySpanExporter()
    >>> begun = Traces("ingest", 0, 1.0, seen)
    >>> [begun.begin(time_ns=7)[0] for _ in range(2)]
    ['traceparent', 'traceparent']
    >>> begun.end()
    >>> [s.name for s in seen.get_finished_spans()]
    ['ingest', 'ingest']
    """

    def __init__(self, process: str, ordinal: int, share: float, exporter: SpanExporter | None = None) -> None:
        self._name, self._share = process, share
        self._provider = _provider(process, ordinal, exporter)
        self._tracer = self._provider.get_tracer("qflib")

    def begin(self, time_ns: int) -> tuple[str, bytes] | None:
        """The header of a record that begins a trace; None of the others."""
        if _CHANCE.random() >= self._share:  # by chance: every tenth may never be a clock, and clocks cause reports
            return None
        span = self._tracer.start_span(self._name, start_time=time_ns)
        span.end(time_ns)
        c = span.get_span_context()
        return HEADER, b"00-%032x-%016x-01" % (c.trace_id, c.span_id)

    def take(self, parent: bytes, began_ns: int, ended_ns: int, told: dict[str, Any]) -> None:
        """A span of a record that belongs to a trace; a header that is none is passed over."""
        from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context

        try:
            _, trace_id, span_id, _ = parent.decode("ascii").split("-")
            c = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(1))
        except ValueError:
            return
        around = set_span_in_context(NonRecordingSpan(c))
        kind = SpanKind.CONSUMER
        span = self._tracer.start_span(self._name, around, kind=kind, attributes=told, start_time=began_ns)
        span.end(ended_ns)

    def end(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def parent_of(headers: Headers | None) -> bytes | None:
    """The trace that a record belongs to; None of most."""
    for name, value in headers or ():
        if name == HEADER:
            return value
    return None


def trace_id_of(parent: bytes | None) -> str:
    """The trace's id, as logs tell it; empty of none."""
    return parent.decode("ascii", "replace").split("-")[1] if parent and parent.count(b"-") == 3 else ""


def traces_of(process: str, ordinal: int, share: float) -> Traces | None:
    """What the setting `stream.traces` asks for; None where it is 0."""
    return Traces(process, ordinal, share) if share else None


def _provider(process: str, ordinal: int, exporter: SpanExporter | None) -> TracerProvider:
    from qflib.errors import MissingPartError

    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise MissingPartError(
            "stream.traces is set and OpenTelemetry is not installed; `uv sync --extra traces`, or set it to 0"
        ) from None
    made = TracerProvider(resource=Resource({"service.name": f"qflib.{process}", "service.instance.id": str(ordinal)}))
    made.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    return made
