"""What the views knew before somebody listened, as the beginning of logs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from qflib.api.stream.log import ChannelLog
from qflib.views.books import Trades
from qflib.views.executions import Executions
from qflib.views.stamp import Stamp

if TYPE_CHECKING:
    from qflib.api.stream.channels import Channel
    from qflib.views import Views

_ROWS = 100  # trades or executions of a subject


def seed(views: Views, log_of: Callable[[Channel, str], ChannelLog[Any] | None]) -> None:
    """Give each log what stands in the views; O(subjects · rows of a snapshot).

    Parameters
    ----------
    views
        What is known.
    log_of
        The log of a channel and subject.
    """

    def put(channel: Channel, subject: str, seq: int, told: Any) -> None:
        if (log := log_of(channel, subject)) is not None:
            log.seed(seq, told)

    table = views.instruments
    for b in views.books.every():
        put("book", b.symbol, b.stamp.seq, b)
        rows = views.books.trades(b.instrument, _ROWS)
        for part in np.split(rows, np.flatnonzero(np.diff(rows["seq"])) + 1) if len(rows) else ():
            seq = int(part["seq"][0])
            put("trades", b.symbol, seq, Trades(b.instrument, Stamp(seq, -1, int(part["receipt_ns"][-1])), part))
    told = views.orders.executions(limit=_ROWS * len(table.underlyings))[::-1]
    for (partition_seq), rows_of in groupby(told, key=lambda x: (x.cursor[:3], _underlying(views, x.instrument))):
        ((append_ms, _, seq), underlying), of = partition_seq, list(rows_of)
        if underlying is not None:
            stamp = Stamp(seq, -1, of[-1].time_ns, append_ms * 1_000_000)
            put("executions", underlying, seq, Executions(underlying, stamp, of))
    for name in views.risk.portfolios():
        if (report := views.risk.latest(name)) is not None:
            put("risk", name, report.stamp.seq, report)


def _underlying(views: Views, instrument: int) -> str | None:
    table = views.instruments
    return table[instrument].underlying if 0 <= instrument < len(table) else None
