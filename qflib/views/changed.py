"""What a record changed."""

from __future__ import annotations

from typing import NamedTuple

from qflib.views.books import BookState, Trades
from qflib.views.executions import Executions
from qflib.views.report import Report


class Changed(NamedTuple):
    """What a record changed; what a listener of `Views` is told.

    `anew`: nothing that was told before holds any more; the views begin at the first record of other topics.
    """

    books: tuple[BookState, ...] = ()
    trades: tuple[Trades, ...] = ()
    executions: tuple[Executions, ...] = ()
    report: Report | None = None
    anew: bool = False
