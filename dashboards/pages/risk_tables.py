"""Rows of the Risk page's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dashboards.components.heatmap import digits

if TYPE_CHECKING:
    from qflib.views import Views
    from qflib.views.report import Report

GREEKS = [
    {"k": "name", "label": "underlying, expiry"},
    {"k": "cash_delta", "label": "cash delta", "f": "signed"},
    {"k": "cash_gamma", "label": "cash gamma", "f": "signed", "title": "change of cash delta by a move of 1 %"},
    {"k": "vega", "label": "vega", "f": "signed", "title": "of one vol point"},
    {"k": "theta", "label": "theta", "f": "signed", "title": "of a calendar day"},
    {"k": "delta", "label": "delta", "f": "num", "cls": "mid"},
    {"k": "gamma", "label": "gamma", "f": "num", "d": 1, "cls": "mid"},
    {"k": "value", "label": "value", "f": "num", "cls": "mid"},
    {"k": "pnl", "label": "P&L", "f": "signed"},
]
HEDGES = [
    {"k": "time", "label": "time", "f": "time", "align": "left"},
    {"k": "symbol", "label": "instrument"},
    {"k": "qty", "label": "qty", "f": "signed"},
    {"k": "price", "label": "price", "f": "each"},
    {"k": "cost", "label": "cost", "f": "num", "d": 2, "title": "against the mid at its decision"},
]
_FILLS = 200


def greek_rows(report: Report) -> list[dict[str, Any]]:
    """The whole, each underlying, and each of its expiries; client and hedges together."""
    g = report.greeks
    g = g.assign(pnl=g["realised"] + g["unrealised"], cash_gamma=0.01 * g["gamma"] * g["forward"] ** 2)
    added = ["value", "delta", "gamma", "vega", "theta", "pnl", "cash_delta", "cash_gamma"]
    by = g.groupby("underlying", sort=False)[added].sum()
    forward = g.groupby("underlying", sort=False)["forward"].last()
    expiries = report.by_expiry.assign(pnl=lambda f: f["realised"] + f["unrealised"])
    rows = [_row("all", "all", by.sum(), "sum") | {"delta": None, "gamma": None}]
    for underlying, figures in by.iterrows():
        rows.append(_row(str(underlying), str(underlying), figures, "sum"))
        f = float(forward[underlying])
        for expiry, r in expiries.loc[[underlying]].droplevel(0).iterrows():
            at = r.copy()
            at["cash_delta"], at["cash_gamma"] = r["delta"] * f, 0.01 * r["gamma"] * f * f
            name = "no expiry" if pd.isna(expiry) else f"{expiry:%d %b %Y}"
            rows.append(_row(f"{underlying} {name}", name, at, "sub"))
    return rows


def hedge_rows(views: Views) -> list[dict[str, Any]]:
    """The hedger's last fills, newest first."""
    table, rows = views.instruments, []
    for n, h in enumerate(views.risk.hedge_fills(_FILLS)):
        rows.append(
            {
                "id": f"{h.time_ns} {h.instrument} {n}",
                "time": h.time_ns / 1e6,
                "symbol": table[h.instrument].symbol,
                "qty": float(np.sign(h.qty)) * float(table.to_qty(h.instrument, abs(h.qty))),
                "price": [float(table.to_price(h.instrument, h.price_ticks)), digits(table.to_price(h.instrument, 1))],
                "cost": None if np.isnan(h.cost) else h.cost,
            }
        )
    return rows


def _row(row_id: str, name: str, f: Any, cls: str) -> dict[str, Any]:
    told = {k: _number(f[k]) for k in ("value", "delta", "gamma", "cash_delta", "cash_gamma", "pnl")}
    return {
        "id": row_id,
        "name": name,
        "cls": cls,
        **told,
        "vega": _number(0.01 * f["vega"]),
        "theta": _number(f["theta"] / 365.0),
    }


def _number(v: float) -> float | None:
    return float(v) if np.isfinite(v) else None
