"""Logs: structured events on stderr, JSON for machines, columns for people."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import structlog

from qflib.settings import LogSettings

#: Loggers of Kafka's clients: ours, and Quix Streams' consumer and producer, which librdkafka writes to.
_KAFKA = ("qflib.kafka", "quixstreams.kafka.consumer", "quixstreams.kafka.producer")

#: Events written since the start, by level: what `qflib_log_events_total` tells.
counts: dict[str, int] = dict.fromkeys(("info", "warning", "error", "critical"), 0)

_AGAIN_S = 5.0
_MOST = 256  # events remembered


def set_up(settings: LogSettings | None = None) -> None:
    """Send logs to stderr as the settings say; stdout is left to results.

    Examples
    --------
    >>> from qflib import logs
    >>> logs.set_up()
    """
    settings = settings or LogSettings()
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    # without local variables, which hold passwords: a client's settings, a repository's address
    traces = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    plain = structlog.dev.plain_traceback
    shown: list[Any] = (
        [structlog.processors.ExceptionRenderer(traces), structlog.processors.JSONRenderer()]
        if as_json
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _counted,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.level.upper())),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # what stderr is at the time of writing
        cache_logger_on_first_use=False,
    )
    taken_up = _TakenUp()
    for name in (*_KAFKA, "quixstreams"):
        logging.getLogger(name).handlers = [taken_up]
        logging.getLogger(name).propagate = False
    for name in _KAFKA:
        logging.getLogger(name).setLevel(logging.WARNING)


def _counted(_: object, __: str, event: Any) -> Any:
    counts[event["level"]] = counts.get(event["level"], 0) + 1
    return event


class _TakenUp(logging.Handler):
    """What Kafka's clients and Quix Streams log in their own way, as events like ours.

    librdkafka's errors are a connection cut and what follows of it: it goes on by itself, so they count one less. It
    says so at every try, some ten a second: the same is written down again after five seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        event, now = (record.name, record.getMessage()), time.monotonic()
        if record.name in _KAFKA:
            if now - self._said.get(event, -_AGAIN_S) < _AGAIN_S:
                return
            if len(self._said) >= _MOST:
                self._said.clear()
            self._said[event] = now
        level = record.levelno - (10 if record.name in _KAFKA else 0)
        structlog.get_logger(record.name).log(level, event[1], logger=record.name, exc_info=record.exc_info)
