"""From views to the domain's own objects: what a report was made of, the market now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from qflib.errors import DataError

if TYPE_CHECKING:
    from qflib.desk.closing import Closing
    from qflib.pricing import Market
    from qflib.views.books import BookView
    from qflib.views.report import Report


def closing_of(report: Report, currency: str = "USD", books: BookView | None = None) -> Closing:
    """The portfolio and the market that a report was made of: what is computed of them agrees with its figures.

    Parameters
    ----------
    report
        The last word on a portfolio.
    currency
        The reporting currency.
    books
        The view of the books: prices what the portfolio does not hold, for trades that are not made yet.

    Returns
    -------
    Closing
        Greeks and scenario P&L of it are the report's; `left_out` names what it does not revalue.

    Notes
    -----
    O(positions), and O(instruments) with books.
    """
    from qflib.desk.closing import closing

    made = closing(report.batch, report.instruments, currency)
    if books is None or not books.every():
        return made
    own, now = made.market, market_of(books)
    held = {report.instruments[i].symbol for i in report.batch.positions.instrument.tolist()}
    market = replace(
        own,
        forwards={**now.forwards, **own.forwards},
        marks={s: m for s, m in now.marks.items() if s not in held} | dict(own.marks),
        vols={s: v for s, v in now.vols.items() if s not in held} | dict(own.vols),
    )
    return made._replace(market=market)


def market_of(books: BookView) -> Market:
    """The market that the newest tops show; vols are implied from the options' mids.

    Parameters
    ----------
    books
        The view of the books.

    Raises
    ------
    DataError
        If nothing has been told of any book yet.

    Notes
    -----
    O(instruments).
    """
    from qflib.pricing import Market

    tops = books.tops_frame()
    if tops.empty:
        raise DataError("the desk has published no book yet; wait until its market has begun")
    at = pd.Timestamp(books.market_time_ns(), unit="ns", tz="UTC")
    return Market.from_quotes(books.instruments, tops, at)
