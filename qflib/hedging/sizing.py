"""The hedge that is worth its cost: least expected shortfall after trades and the cost of walking the live books."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging.decaying_impact import DecayingImpact
from qflib.hedging.legs import Leg, decay_of, legs_of
from qflib.hedging.lot_search import Lots, descend
from qflib.hedging.plan import HedgePlan
from qflib.hedging.portfolio import Portfolio
from qflib.hedging.quoted_book import HedgeBook
from qflib.hedging.shortfall_programme import least_cost, least_shortfall
from qflib.kernels.expected_shortfall import es_var
from qflib.records.schema import frozen
from qflib.shortfall.inputs import levels_of

if TYPE_CHECKING:
    from qflib.pricing import Market
    from qflib.shortfall.scenarios import ScenarioSet

F8 = NDArray[np.float64]

CURVE_POINTS = 41
#: Of cost, for each unit of ES beyond its bound: more than any ES that trades buy.
_TOO_MUCH = 1e6


def hedge(
    pf: Portfolio,
    market: Market,
    scen: ScenarioSet,
    *,
    instruments: Sequence[str],
    books: Sequence[HedgeBook],
    objective: Literal["es"] = "es",
    level: float = 0.975,
    cost_weight: float = 1.0,
    max_es: float | None = None,
    impact: Mapping[str, DecayingImpact] | None = None,
    recent: pd.DataFrame | None = None,
) -> HedgePlan:
    """Whole lots of futures, spot or options that minimise ES after the trades plus the cost of making them now.

    Or, with `max_es`, the cheapest whole lots that bring ES down to it.

    Both are convex: ES in the quantities (Rockafellar and Uryasev 2000), the
    cost since a book's levels get worse. ES is exact on the scenario vectors, never approximated by Greeks.

    Parameters
    ----------
    pf, market, scen
        What is hedged, at which market, against which joint scenarios (with decay).
    instruments
        What to hedge with: futures, perpetuals, spot, options that the market can price.
    books
        The live book of each, with `symbol` and `cost_to_trade` (`OrderBook`, or `QuotedBook` for a bid and an ask); no
        more is traded than a book holds. Costs are against a book's mid: no gain is seen in a mid beside the model.
    objective
        "es".
    level
        Confidence.
    cost_weight
        lambda: what is minimised is ES + lambda * cost.
    max_es
        Bound of ES after the trades with their cost in it (`plan.es_target`): what is minimised is then cost alone, and
        nothing is traded where the bound holds already.
    impact
        By symbol, how the impact G of own trades decays (`qflib.hedging.decaying_impact`). A trade of q contracts pays
        q^2 (G(0) - G(horizon)) / 2 beside the walk, `plan.impact_cost`. A `size` fitted to all that the price moves by,
        the walk in it, would count that twice.
    recent
        Own trades whose impact still stands in today's mid: instrument, seconds_ago, qty. What of it decays over the
        scenarios' horizon is lost by all that is held of the instrument after the trade: it is in every ES, and no
        cost.

    Returns
    -------
    HedgePlan
        For one instrument the exact optimum over lots. For several the linear programme over fractions of lots
        (`qflib.hedging.shortfall_programme`), its best corner of whole lots, and a descent from there and from no trade
        (`qflib.hedging.lot_search`); `plan.gap` is how far that can be from the optimum at most.

    Raises
    ------
    InputError
        If there is no instrument, one has no book or stands twice, or objective, level, cost_weight or max_es is out of
        range; or if no whole lots come to max_es.
    UnknownInstrumentError, DataError
        As `Portfolio.scenario_pnl`.

    Notes
    -----
    One revaluation, then O(n) an evaluation and some 2 log2(lots) evaluations a line search.

    A trade of q and its unwinding at the horizon h pay q^2 G(0) / 2 each for their own impact, less q^2 G(h) that still
    stands when unwinding (`DecayingImpact.cost`): q^2 (G(0) - G(h)), of which each trade bears half. So who has just
    sold, and would gain by the price's recovery, is not led to buy more than back.
    Source: Rockafellar and Uryasev 2000, "Optimization of conditional value-at-risk", Journal of Risk 2(3).

    Examples
    --------
    >>> import pandas as pd, qflib as qf
    >>> feed = qf.datasets.load("sim", seed=7, duration="2s")
    >>> book = qf.OrderBook("ACME.F")
    >>> _ = book.replay(feed, sample="1s")
    >>> held = pd.DataFrame({"instrument": ["ACME.F"], "qty": [-20.0], "avg_price": [100.0]})
    >>> scen = qf.scenarios.historical(feed.history, n=500)
    >>> plan = qf.hedge(qf.Portfolio.from_frame(held), feed.market(), scen, instruments=["ACME.F"], books=[book])
    >>> plan.trades["qty"].tolist(), plan.es_target < 0.01 * plan.es_current
    ([20.0], True)
    """
    if objective != "es":
        raise InputError(f"objective is {objective!r}; expected 'es'")
    if not (math.isfinite(cost_weight) and cost_weight >= 0):
        raise InputError(f"cost_weight is {cost_weight}; expected a number from 0")
    if max_es is not None and not (math.isfinite(max_es) and cost_weight == 1.0):
        raise InputError(f"max_es is {max_es} and cost_weight {cost_weight}; give a finite bound, and no cost_weight")
    confidence = frozen(levels_of(level)[:1])
    _check_impact(impact)
    legs = legs_of(pf, market, scen, instruments, books, impact, recent)
    base: F8 = np.asarray(pf.scenario_pnl(market, scen), np.float64) - decay_of(pf, market, scen, impact, recent)
    work, out = np.empty(scen.n), np.empty((1, 2))

    def parts(lots: Lots) -> tuple[float, float]:
        cost = 0.0
        pnl = base.copy()
        for leg, n in zip(legs, lots, strict=True):
            cost += leg.cost(n)
            if n:
                pnl += n * leg.pnl
        if not math.isfinite(cost):
            return math.inf, cost
        es_var(frozen(pnl), confidence, out, work)
        return float(out[0, 0]), cost

    def target(lots: Lots) -> float:
        es, cost = parts(lots)
        return es + cost_weight * cost

    def told(lots: Lots) -> float:
        es, cost = parts(lots)
        return es + cost

    if max_es is None:
        best, bound, ideal = _best(target, base, legs, float(confidence[0]), cost_weight)
        gap = target(best) - bound
    else:
        best, bound, ideal = _within(told, lambda n: parts(n)[1], base, legs, float(confidence[0]), max_es)
        gap = parts(best)[1] - bound
    trades = pd.DataFrame(
        {
            "instrument": [leg.symbol for leg in legs],
            "qty": [n * leg.lot for leg, n in zip(legs, best, strict=True)],
            "avg_price": [leg.trade(n)[1] for leg, n in zip(legs, best, strict=True)],
            "cost": [leg.trade(n)[0] for leg, n in zip(legs, best, strict=True)],
        }
    )
    trades = trades[trades["qty"] != 0].reset_index(drop=True)
    after = pf.traded(trades)
    return HedgePlan(
        trades=trades,
        es_current=told((0,) * len(legs)),
        es_target=told(best),
        delta_before=pf.greeks(market)["delta"],
        delta_after=after.greeks(market)["delta"],
        level=float(confidence[0]),
        currency=pf.currency,
        curve=pd.concat([_curve(leg, i, best, told) for i, leg in enumerate(legs)], ignore_index=True),
        gap=max(gap, 0.0),
        ideal=pd.Series([y * leg.lot for leg, y in zip(legs, ideal, strict=True)], list(instruments), name="qty"),
        lots=pd.Series([leg.lot for leg in legs], list(instruments), name="lot"),
        impact_cost=sum(leg.cost(n) - leg.trade(n)[0] for leg, n in zip(legs, best, strict=True)),
    )


def _check_impact(impact: Mapping[str, DecayingImpact] | None) -> None:
    """Refuse what is no mapping of decays before it is asked for figures."""
    if impact is None:
        return
    if not isinstance(impact, Mapping):
        raise InputError(f"impact is {impact!r}; expected a mapping of symbols to decays, as ExponentialDecay(...)")
    for symbol, decay in impact.items():
        if not isinstance(decay, DecayingImpact):
            raise InputError(f"impact of {symbol} is {decay!r}; expected a decay, as ExponentialDecay or PowerDecay")


def _best(
    target: Callable[[Lots], float], base: F8, legs: list[Leg], level: float, cost_weight: float
) -> tuple[Lots, float, tuple[float, ...]]:
    """Whole lots, what no lots are below, and the quantities that the bound is of."""
    if len(legs) == 1:  # a line search over whole lots is exact
        best = descend(target, 1)
        return best, target(best), (float(best[0]),)
    free = least_shortfall(base, legs, level, cost_weight)
    ideal = tuple(free.lots.tolist())
    corners = itertools.product(*((math.floor(y), math.ceil(y)) for y in ideal))
    starts = [min(corners, key=target), (0,) * len(legs)] if len(legs) <= 8 else [tuple(round(y) for y in ideal)]
    found = min((descend(target, len(legs), start=s) for s in starts), key=target)
    return found, free.bound, ideal


def _within(
    told: Callable[[Lots], float], cost: Callable[[Lots], float], base: F8, legs: list[Leg], level: float, most: float
) -> tuple[Lots, float, tuple[float, ...]]:
    """The cheapest whole lots whose ES and cost are `most` at most; and as `_best`, of the cost."""
    none: Lots = (0,) * len(legs)
    if told(none) <= most:
        return none, 0.0, (0.0,) * len(legs)
    if len(legs) == 1:  # cost rises away from none, and ES with it falls until its least: the first lots that do
        enough = descend(told, 1)[0]
        if told((enough,)) <= most:
            too_few, sign = 0, int(math.copysign(1, enough))
            while abs(enough) - abs(too_few) > 1:
                middle = sign * ((abs(enough) + abs(too_few)) // 2)
                too_few, enough = (too_few, middle) if told((middle,)) <= most else (middle, enough)
            return (enough,), cost((enough,)), (float(enough),)
        best: Lots = (enough,)
    else:
        free = least_cost(base, legs, level, most)

        def penalised(lots: Lots) -> float:
            return cost(lots) + _TOO_MUCH * max(told(lots) - most, 0.0)

        corners = itertools.product(*((math.floor(y), math.ceil(y)) for y in free.lots.tolist()))
        rounded: Lots = tuple(round(y) for y in free.lots.tolist())
        starts = [min(corners, key=penalised) if len(legs) <= 8 else rounded, none]
        best = min((descend(penalised, len(legs), start=s) for s in starts), key=penalised)
        if told(best) <= most:
            return best, free.bound, tuple(free.lots.tolist())
    raise InputError(
        f"the least ES with cost that was found is {told(best):,.6g}, at {best} lots, and max_es {most:,.6g}; give a "
        f"higher one"
    )


def _curve(leg: Leg, i: int, best: Lots, target: Callable[[Lots], float]) -> pd.DataFrame:
    span = max(2 * abs(best[i]), (CURVE_POINTS - 1) // 2)
    lots = np.unique(np.rint(np.linspace(-span, span, CURVE_POINTS)).astype(np.int64))
    es = np.array([target((*best[:i], int(n), *best[i + 1 :])) for n in lots])
    shown = np.isfinite(es)
    return pd.DataFrame({"instrument": leg.symbol, "qty": lots[shown] * leg.lot, "es": es[shown]})
