"""What a record changed."""

from __future__ import annotations

from typing import NamedTuple

from qflib.views.books import BookState, Trades
from qflib.views.executions import Executions
from qflib.views.report import Report


class Changed(NamedTuple):
    """What a record changed; what a listener of `Views` is told."""

    books: tuple[BookState, ...] = ()
    trades: tuple[Trades, ...] = ()
    executions: tuple[Executions, ...] = ()
    report: Report | None = None
