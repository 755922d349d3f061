"""What hedging buys: expected shortfall of the hedged book against the cost of the hedge, size by size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging.lot_search import along
from qflib.hedging.portfolio import Portfolio
from qflib.hedging.quoted_book import HedgeBook
from qflib.kernels.expected_shortfall import es_var
from qflib.records.schema import frozen
from qflib.shortfall.inputs import levels_of

if TYPE_CHECKING:
    from qflib.pricing import Market
    from qflib.shortfall.scenarios import ScenarioSet

F8 = NDArray[np.float64]
_COLUMNS = ("qty", "ratio", "es", "cost", "cost_now")


@dataclass(frozen=True, eq=False)
class HedgeFrontier:
    """Hedges of all sizes in one instrument.

    Parameters
    ----------
    instrument
        What is hedged with.
    points
        A row a size, from none to over-hedged: qty (signed contracts held), ratio (of the delta-neutral quantity), es
        (of the hedged book, costs not in it), cost (of taking the whole hedge off the live book) and cost_now (of going
        there from what is held); NaN: the book has not so much.
    held, neutral, best
        Contracts held; at which delta is neutral (no whole lots); at which ES and the cost of going there are least.
    level, currency
        Confidence; of ES and cost.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.hedging.frontier import HedgeFrontier
    >>> points = pd.DataFrame({"qty": [0.0, 9.0], "ratio": [0.0, 0.9], "es": [9.0, 4.0], "cost": [0.0, 1.0]})
    >>> float(HedgeFrontier("ACME.F", points, 0.0, 10.0, 9.0, 0.975, "USD").at(9.0)["es"])
    4.0
    """

    instrument: str
    points: pd.DataFrame
    held: float
    neutral: float
    best: float
    level: float
    currency: str

    def at(self, qty: float) -> pd.Series[float]:
        """The point of the size that is nearest."""
        nearest = int(np.abs(self.points["qty"].to_numpy() - qty).argmin())
        return self.points.iloc[nearest]

    def to_frame(self) -> pd.DataFrame:
        """The points."""
        return self.points

    def plot(self) -> Any:
        """ES over the cost of the whole hedge; dots: held, nearest to neutral, best."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        curve = self.points.dropna(subset=["cost"])
        line = curve.hvplot.line(
            x="cost", y="es", xlabel=f"cost of the hedge, {self.currency}",
            ylabel=f"ES {self.level:.1%}, {self.currency}", title=self._title(), width=720, height=380,
        )  # fmt: skip
        dots = pd.DataFrame([self.at(q) for q in (self.held, self.neutral, self.best)])
        return line * dots.assign(what=["held", "neutral", "best"]).hvplot.scatter(x="cost", y="es", by="what", size=60)

    def _title(self) -> str:
        return f"{self.held:+g} {self.instrument} held, {self.neutral:+.4g} neutral, {self.best:+g} best"

    def _repr_html_(self) -> str:
        return f"<p>{self._title()}</p>" + str(self.points.round(4).to_html(index=False, max_rows=12))


def hedge_frontier(
    pf: Portfolio,
    market: Market,
    scen: ScenarioSet,
    *,
    instrument: str,
    book: HedgeBook,
    held: float = 0.0,
    over: float = 1.5,
    points: int = 41,
    level: float = 0.975,
    fee: float = 0.0,
) -> HedgeFrontier:
    """Expected shortfall and cost of every size of a hedge, from none to over-hedged.

    ES of a linear hedge is convex in its size, and so is the cost of walking a book: the best size is found exactly. ES
    is of the scenario vectors, never approximated by Greeks.

    Parameters
    ----------
    pf, market, scen
        What is held, the hedge too; at which market; against which joint scenarios, with decay.
    instrument
        A future, perpetual or spot.
    book
        Its live book, with `cost_to_trade` in quote currency.
    held
        Contracts of it that are the hedge.
    over
        The largest size, in units of the delta-neutral one; above 0.
    points
        Sizes, evenly between none and the largest; fewer where lots are whole.
    level
        Confidence.
    fee
        A contract, in the portfolio's currency.

    Returns
    -------
    HedgeFrontier
        Among its sizes are none, what is held, the one nearest to neutral, and the best.

    Raises
    ------
    InputError
        If the instrument is an option or its book another's, `over` is not positive, points are fewer than 2, or
        the level is none.
    UnknownInstrumentError, DataError
        As `Portfolio.scenario_pnl`.

    Notes
    -----
    One revaluation, then O(n) a size. Source: Rockafellar and Uryasev 2000, "Optimization of conditional
    value-at-risk", Journal of Risk 2.

    Examples
    --------
    >>> import pandas as pd, qflib as qf
    >>> from qflib.hedging import hedge_frontier
    >>> feed = qf.datasets.load("sim", seed=7, duration="2s")
    >>> book = qf.OrderBook("ACME.F")
    >>> _ = book.replay(feed, sample="1s")
    >>> scen = qf.scenarios.historical(feed.history, n=500)
    >>> held = qf.Portfolio.from_frame(pd.DataFrame({"instrument": ["ACME.F"], "qty": [-20.0], "avg_price": [100.0]}))
    >>> made = hedge_frontier(held, feed.market(), scen, instrument="ACME.F", book=book, points=4)
    >>> made.points["qty"].tolist(), round(made.neutral, 9), made.best
    ([0.0, 10.0, 20.0, 30.0], 20.0, 20.0)
    """
    row, table = market.instruments[instrument], market.instruments
    if row.kind == "option" or str(book.symbol) != instrument:
        raise InputError(f"{instrument!r} is {row.kind}, the book is of {book.symbol!r}; give a future and its book")
    if not (math.isfinite(over) and over > 0 and points >= 2 and math.isfinite(held)):
        raise InputError(f"over is {over}, points {points}, held {held}; expected a positive size and 2 points or more")
    confidence = frozen(levels_of(level)[:1])
    lot = float(table.to_qty(table.id(instrument), 1))
    one = Portfolio(pf.name, pf.currency, (instrument,), np.array([lot]), np.zeros(1))
    lot_pnl: F8 = np.asarray(one.scenario_pnl(market, scen), np.float64)
    now, here = np.asarray(pf.scenario_pnl(market, scen), np.float64), round(held / lot)
    net = float(pf.greeks(market)["delta"].get(row.underlying, 0.0))
    neutral = here - net / float(one.greeks(market)["delta"].iloc[0])
    fx = market.fx_rate(row.quote_currency, pf.currency)
    work, out = np.empty(scen.n), np.empty((1, 2))

    def es(lots: int) -> float:
        es_var(frozen(now + (lots - here) * lot_pnl), confidence, out, work)
        return float(out[0, 0])

    def cost(lots: int) -> float:
        if lots == 0:
            return 0.0
        qty = abs(lots) * lot
        told = book.cost_to_trade("buy" if lots > 0 else "sell", qty)
        return float(told.cost) * fx + fee * qty if told.filled > qty * (1 - 1e-12) else math.inf

    best = here + along(lambda t: es(here + t) + cost(t))
    spread = np.rint(np.linspace(0.0, over * neutral, points)).astype(np.int64)
    sizes = np.unique([*spread, 0, here, round(neutral), best])
    rows = [(n * lot, n / neutral if neutral else math.nan, es(n), cost(n), cost(n - here)) for n in sizes.tolist()]
    frame = pd.DataFrame(rows, columns=list(_COLUMNS)).replace(math.inf, math.nan)
    return HedgeFrontier(instrument, frame, here * lot, neutral * lot, best * lot, float(confidence[0]), pf.currency)
