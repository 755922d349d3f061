"""Logs: structured events on stderr, JSON for machines, columns for people."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from qflib.settings import LogSettings


def set_up(settings: LogSettings | None = None) -> None:
    """Send logs to stderr as the settings say; stdout is left to results.

    Examples
    --------
    >>> from qflib import logs
    >>> logs.set_up()
    """
    settings = settings or LogSettings()
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    shown: list[Any] = (
        [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
        if as_json
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.level.upper())),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # what stderr is at the time of writing
        cache_logger_on_first_use=False,
    )
