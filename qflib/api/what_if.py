"""Greeks, ES and component ES before and after trades: the library's own, on what the risk report was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from msgspec import Struct

from qflib.api.admission import refused
from qflib.api.problems import ProblemError
from qflib.api.requests import WhatIfBody
from qflib.api.shapes import rfc3339
from qflib.errors import InputError
from qflib.records import Reason
from qflib.views.valuation import closing_of

if TYPE_CHECKING:
    from qflib.hedging import Portfolio
    from qflib.views import Views
    from qflib.views.report import Report

GREEKS = ("value", "delta", "gamma", "vega", "theta", "rho", "vanna", "volga")


class GreeksOf(Struct, frozen=True):
    """Greeks of an underlying, a year and per 1.00."""

    underlying: str
    value: float | None
    delta: float | None
    gamma: float | None
    vega: float | None
    theta: float | None
    rho: float | None
    vanna: float | None
    volga: float | None


class Component(Struct, frozen=True):
    """What a part of the portfolio gives to the ES: components sum to it."""

    name: str
    component_es: float | None


class Side(Struct, frozen=True):
    """A portfolio at a moment: positive losses at the level."""

    es: float | None
    var: float | None
    greeks: list[GreeksOf]
    components: list[Component]


class WhatIfForm(Struct, frozen=True):
    """A portfolio before and after trades; ES and VaR after bear their cost, components do not.

    `before` is the risk report's: its positions, marks, vols and scenario set at its time. `left_out` names positions
    that are not revalued: American options, and what is quoted in another currency.
    """

    portfolio: str
    level: float
    by: str
    set_id: str
    time: str
    time_ns: int
    cost: float
    before: Side
    after: Side
    left_out: list[str]


def weigh(views: Views, report: Report, body: WhatIfBody) -> WhatIfForm:
    """Revalue with and without trades; O(options · scenarios), for a thread.

    Raises
    ------
    ProblemError
        422 where a trade names what is not there, 503 where the desk has no market or scenario set yet.
    """
    table, set_id = views.instruments, report.batch.risk.set_id[0].decode()
    scenarios = views.shortfall.scenario_set(set_id) or views.shortfall.scenarios
    if scenarios is None:
        raise ProblemError(503, "no_scenarios", "the desk has no scenario set yet", headers={"retry-after": "1"})
    for t in body.trades:
        if t.instrument not in table:
            raise refused(Reason.UNKNOWN_INSTRUMENT, f"instrument {t.instrument!r} is not in the table")
        _whole(views, t.instrument, t.qty)
    closing = closing_of(report, views.deployment.config.currency, views.books)
    market = closing.market
    portfolio = {"client": closing.client, "hedge": closing.hedge}.get(body.book, closing.portfolio)
    if portfolio is None:
        detail = f"portfolio {report.portfolio} holds nothing in book {body.book}"
        if closing.left_out:
            detail += f" that is revalued; left out: {', '.join(closing.left_out[:8])}"
        raise ProblemError(422, "no_positions", detail)
    trades = pd.DataFrame(
        [(t.instrument, float(t.qty), t.cost) for t in body.trades], columns=["instrument", "qty", "cost"]
    )
    told = portfolio.what_if(trades, market, scenarios, body.level)
    after = portfolio.traded(trades)

    def side(es: float, var: float, greeks: pd.DataFrame, of: Portfolio) -> Side:
        rows = zip(greeks.index, *(greeks[g].tolist() for g in GREEKS), strict=True)
        parts = of.component_es(market, scenarios, body.level, body.by)
        return Side(es, var, [GreeksOf(str(n), *figures) for n, *figures in rows], [
            Component(name, x) for name, x in zip(parts.names, parts.contribution.tolist(), strict=True)
        ])  # fmt: skip

    at = report.stamp.time_ns
    return WhatIfForm(
        report.portfolio, body.level, body.by, scenarios.set_id, rfc3339(at), at, told.cost,
        side(told.es_before, told.var_before, told.greeks_before, portfolio),
        side(told.es_after, told.var_after, told.greeks_after, after),
        list(closing.left_out),
    )  # fmt: skip


def _whole(views: Views, instrument: str, qty: str) -> None:
    try:
        views.instruments.decimals.lots(views.instruments.id(instrument), qty)
    except InputError as e:
        raise refused(Reason.BAD_QUANTITY, str(e)) from None
