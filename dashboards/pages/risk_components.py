"""Who causes the shortfall: rows of the Risk page's two bar pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_EACH = 4  # the largest contributors, and the largest hedgers, that have a bar of their own


def position_rows(components: pd.DataFrame) -> list[list[Any]]:
    """Largest contributors, largest hedgers, all others as one, and the shortfall that they sum to; [] of none."""
    mine = components[components["by"] == "position"]
    if mine.empty:
        return []
    held = mine[mine["name"] != "rest"]
    worst = held.sort_values("contribution", ascending=False, kind="stable")
    causes = worst[worst["contribution"] > 0].iloc[:_EACH]
    hedges = worst[worst["contribution"] < 0].iloc[-_EACH:]
    rows = [
        [_named(r.instrument, r.book), r.contribution, "part"] for part in (causes, hedges) for r in part.itertuples()
    ]
    others = len(held) - len(rows)
    shown = sum(v for _, v, _ in rows)
    es = float(mine["es"].iloc[0])
    return [*rows, [f"{others} others" if others else "rest", es - shown, "rest"], ["ES", es, "total"]]


def greek_rows(components: pd.DataFrame) -> list[list[Any]]:
    """Each Greek over all underlyings and books, then the shortfall that they sum to; [] of none."""
    mine = components[components["by"] == "greek"]
    if mine.empty:
        return []
    added = mine.groupby("name", sort=False)["contribution"].sum()
    higher = float(added.get("higher_order", 0.0) + added.get("rest", 0.0))
    rows = [[n, float(v), "part"] for n, v in added.items() if n not in ("higher_order", "rest")]
    return [*rows, ["higher order", higher, "rest"], ["ES", float(mine["es"].iloc[0]), "total"]]


def _named(instrument: str, book: str) -> str:
    return f"{instrument} hedge" if book == "HEDGE" else instrument
