"""Hedges of the running desk as frames, and their frontier as the library gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from qflib.api.client import asking
from qflib.api.client.asking import Asking, in_path
from qflib.errors import InputError

if TYPE_CHECKING:
    from qflib.hedging.frontier import HedgeFrontier

_EFFECTIVENESS = ("effectiveness", "es_before", "es_after", "slope", "slope_se", "r2", "n", "passes")
_TEXT = ("underlying", "instrument")


def bands_frame(told: Mapping[str, Any]) -> pd.DataFrame:
    """A row an underlying, indexed by it; the two trades' figures as neutral_qty, …, edge_qty, …"""
    rows = []
    for item in told["items"]:
        row = {k: v for k, v in item.items() if not isinstance(v, dict)}
        for name in ("neutral", "edge"):
            row |= {f"to_{name}_{k}": v for k, v in item[f"to_{name}"].items()}
        rows.append(row)
    frame = pd.DataFrame(rows)
    numbers = [c for c in frame.columns if c not in _TEXT]
    return frame.astype(dict.fromkeys(numbers, np.float64)).set_index("underlying")


def bands(which: str) -> Asking[pd.DataFrame]:
    """Where each hedge stands."""
    return bands_frame((yield from asking.get(f"/v1/portfolios/{in_path(which)}/hedge")))


def effectiveness(which: str) -> Asking[pd.DataFrame]:
    """How much the hedges took away; a row the whole ("") and each underlying."""
    told = yield from asking.get(f"/v1/portfolios/{in_path(which)}/hedge")
    rows = [{k: r[k] for k in ("underlying", *_EFFECTIVENESS)} for r in told["effectiveness"]]
    frame = pd.DataFrame(rows, columns=["underlying", *_EFFECTIVENESS])
    return frame.assign(underlying=frame["underlying"].fillna("")).set_index("underlying")


def frontier(which: str, underlying: str | None) -> Asking[HedgeFrontier]:
    """ES against cost for every size of a hedge."""
    from qflib.hedging.frontier import HedgeFrontier

    if underlying is None:
        items = (yield from asking.get(f"/v1/portfolios/{in_path(which)}/hedge"))["items"]
        underlying = next((r["underlying"] for r in items if r["instrument"]), None)
        if underlying is None:
            raise InputError(f"{which} holds nothing that a future or perpetual hedges; name an underlying")
    told = yield from asking.get(f"/v1/portfolios/{in_path(which)}/hedge/frontier", underlying=underlying)
    points = pd.DataFrame(told["points"]).astype(np.float64)
    figures = (told[k] for k in ("held", "neutral", "best", "level", "currency"))
    return HedgeFrontier(told["instrument"], points, *figures)
