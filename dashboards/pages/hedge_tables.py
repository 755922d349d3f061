"""Rows of the Hedge page's tables and figures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dashboards.components.heatmap import digits
from qflib.desk.explain import COLUMNS

if TYPE_CHECKING:
    from dashboards.shared_hedges import Hedges
    from qflib.records import Instruments
    from qflib.views.rehedging import HedgeState
    from qflib.views.report import Report

REHEDGE = [
    {"k": "name", "label": "hedge"},
    {"k": "ratio", "label": "hedged", "f": "percent", "title": "of the clients' delta"},
    {"k": "net", "label": "net", "f": "signed", "d": 2, "title": "net delta, contracts"},
    {"k": "band", "label": "± band", "f": "num", "d": 2, "title": "half-width of the no-trade band, contracts"},
    {"k": "inside", "label": "short · in its band · long", "f": "bar", "align": "center"},
    {"k": "below", "label": "next below", "f": "each", "title": "price at which the next hedge order falls"},
    {"k": "above", "label": "next above", "f": "each", "title": "price at which the next hedge order falls"},
    {"k": "qty", "label": "to neutral", "f": "signed", "title": "contracts, off the live book"},
    {"k": "price", "label": "at", "f": "each", "title": "average price of the levels that would be taken"},
    {"k": "cost", "label": "cost", "f": "each", "title": "against the mid"},
    {"k": "fees", "label": "fees", "f": "each", "cls": "mid"},
    {"k": "due", "label": "to the edge", "f": "signed", "title": "contracts that the hedger's rule asks for now"},
    {"k": "due_cost", "label": "cost", "f": "each", "title": "against the mid, fees in it"},
]


def rehedge_rows(hedges: Hedges, table: Instruments, chosen: str) -> list[dict[str, Any]]:
    """A row an underlying."""
    return [_row(s, table, chosen) for s in hedges.states.values()]


def tab_rows(hedges: Hedges) -> list[list[str]]:
    """Name, hedged share and tone of each underlying."""
    return [
        [u, f"{_percent(s.ratio)} due" if s.to_edge.qty else _percent(s.ratio), "warn" if s.to_edge.qty else ""]
        for u, s in hedges.states.items()
    ]


def effect_figures(hedges: Hedges, underlying: str, period_ns: int, currency: str) -> list[list[str]]:
    """What hedging has done so far: label, text, tone, note."""
    mine, whole = hedges.effectiveness.get(underlying), hedges.effectiveness.get("")
    report, paid = hedges.report, hedges.cost + hedges.fees
    before, now = report.figure("es_unhedged"), report.figure("es_current")
    each = f"{period_ns / 1e9:g} s"
    told = f"{mine.n} × {each}; all {_share(whole)}" if mine else f"after 3 periods of {each}"
    test = f"R² {mine.r2:.2f}, {'passes' if mine.passes else 'fails'} 80–125" if mine else "of the regression"
    return [
        [f"1 − SSE ratio, {underlying}", _share(mine), "", told],
        ["Slope", f"{mine.slope:.2f} ± {mine.slope_se:.2f}" if mine else "–", "", test],
        ["ES cut", f"{1 - now / before:.0%}" if before > 0 else "–", "", f"{_num(before)} → {_num(now)}"],
        [
            f"ES cut a {currency} of cost", _num((before - now) / paid) if paid > 0 else "–", "",
            f"cost {_num(hedges.cost)}, fees {_num(hedges.fees)}",
        ],
    ]  # fmt: skip


def explain_rows(report: Report, underlying: str) -> list[list[Any]]:
    """The waterfall of one underlying, clients and hedges together; [] where the report has none."""
    e = report.explain
    mine = e[e["underlying"] == underlying]
    if not len(mine):
        return []
    kinds = {"unexplained": "rest", "total": "total"}
    return [[n, float(mine[n].sum()), kinds.get(n, "part")] for n in COLUMNS]


def explain_note(report: Report, underlying: str) -> str:
    """Since when an underlying's P&L is explained: with the date, where that is another than the report's."""
    e = report.explain
    begun = e["from"][e["underlying"] == underlying].tolist()
    if not begun:
        return ""
    first = min(begun)
    same = first.date() == pd.Timestamp(report.stamp.time_ns, unit="ns", tz="UTC").date()
    return f"since {first:%H:%M:%S}" if same else f"since {first:%Y-%m-%d %H:%M:%S}"


def _row(s: HedgeState, table: Instruments, chosen: str) -> dict[str, Any]:
    d = digits(table.to_price(table.id(s.instrument), 1)) if s.instrument else 2
    edge = max(s.halfwidth, 1.0)  # a contract or less is left alone
    return {
        "id": s.underlying,
        "name": s.instrument or s.underlying,
        "cls": "at" if s.underlying == chosen else "",
        "ratio": _known(s.ratio),
        "net": _known(s.net),
        "band": _known(s.halfwidth),
        "inside": _known(s.net / edge),
        "below": _price(s.next_below, d),
        "above": _price(s.next_above, d),
        "qty": s.to_neutral.qty,
        "price": _price(s.to_neutral.avg_price, d + 1),
        "cost": _money(s.to_neutral.cost),
        "fees": _money(s.to_neutral.fees),
        "due": s.to_edge.qty,
        "due_cost": _money(s.to_edge.cost + s.to_edge.fees),
    }


def _known(v: float) -> float | None:
    return float(v) if np.isfinite(v) else None


def _price(v: float, d: int) -> list[float] | None:
    return [float(v), d] if np.isfinite(v) else None


def _percent(v: float) -> str:
    return f"{100 * v:.0f}%" if np.isfinite(v) else "–"


def _share(e: Any) -> str:
    return "–" if e is None else f"{e.effectiveness:.1%}".replace("-", "−")


def _num(v: float) -> str:
    return f"{v:,.{places(v)}f}".replace("-", "−") if np.isfinite(v) else "–"


def _money(v: float) -> list[float] | None:
    return _price(v, max(places(v), 1)) if np.isfinite(v) else None


def places(v: float) -> int:
    """Decimals of a figure with three digits that tell, 0 from 100 on; 8 at most: a desk may count in coin."""
    return min(max(2 - math.floor(math.log10(abs(v))), 0), 8) if v else 0
