"""What a risk report says of its instant, as a portfolio and a market: its figures can be asked further questions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from qflib.hedging import Portfolio
from qflib.pricing import Market
from qflib.records import Batch, Book, Instrument, Instruments


class Closing(NamedTuple):
    """Positions and market of a report.

    Parameters
    ----------
    portfolio
        Client positions and hedges together; None where nothing is held.
    client
        Client positions alone; None where there are none.
    market
        Forwards, marks and vols that the report was made of.
    left_out
        Symbols that a portfolio does not revalue: American, or quoted in another currency.
    hedge
        Hedges alone; None where there are none.
    """

    portfolio: Portfolio | None
    client: Portfolio | None
    market: Market
    left_out: tuple[str, ...]
    hedge: Portfolio | None = None


def closing(report: Batch, instruments: Instruments, currency: str = "USD") -> Closing:
    """The portfolio and the market of a risk report.

    Parameters
    ----------
    report
        A "risk" batch with positions and Greeks.
    instruments
        The table that its numbers refer to.
    currency
        The reporting currency.

    Returns
    -------
    Closing
        Greeks and scenario P&L of it are those of the report: the same marks, forwards and vols. But options that the
        report values at a future of their own expiry (`own_forward`) are here at their underlying's forward.

    Raises
    ------
    UnknownInstrumentError
        If a number is not in the table.

    Examples
    --------
    >>> import qflib as qf
    >>> from qflib.desk.closing import closing
    >>> feed = qf.datasets.load("sim", seed=7, duration="2s")
    >>> run = qf.Desk(feed).run()
    >>> made = closing(run.recorder.latest["risk"], feed.instruments)
    >>> len(made.portfolio) == len(run.positions), made.left_out
    (True, ())
    """
    p, g = report.positions, report.greeks
    rows = [instruments[int(i)] for i in p.instrument]
    at = pd.Timestamp(int(report.risk.time_ns[0]), unit="ns", tz="UTC")
    market = Market(
        at,
        instruments,
        {u.decode(): float(f) for u, f in zip(g.underlying.tolist(), g.forward.tolist(), strict=True)},
        {r.symbol: float(m) for r, m in zip(rows, p.mark, strict=True)},
        {r.symbol: float(v) for r, v in zip(rows, p.implied_vol, strict=True) if np.isfinite(v)},
        dynamics=report.risk.dynamics[0].decode(),
    )
    name = report.risk.portfolio[0].decode()
    frame = pd.DataFrame(
        {
            "instrument": [r.symbol for r in rows],
            "qty": instruments.to_qty(p.instrument.astype(np.int64), p.qty),
            "avg_price": p.avg_price,
            "client": p.book == int(Book.CLIENT),
        }
    )
    able = np.array([_able(r, currency) for r in rows], bool)
    held = frame["qty"].to_numpy() != 0
    left_out = tuple(dict.fromkeys(frame.loc[held & ~able, "instrument"]))
    frame = frame[held & able]
    whole, client, hedge = (
        _portfolio(part, name, currency) for part in (frame, frame[frame["client"]], frame[~frame["client"]])
    )
    return Closing(whole, client, market, left_out, hedge)


def _portfolio(frame: pd.DataFrame, name: str, currency: str) -> Portfolio | None:
    return Portfolio.from_frame(frame, name=name, currency=currency) if len(frame) else None


def _able(r: Instrument, currency: str) -> bool:
    return r.style != "american" and r.quote_currency == currency
