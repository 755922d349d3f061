"""What the matching engine told: events as rows of its own dtype, and as people read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.kernels import engine_codes as c
from qflib.kernels.engine_state import EVENT
from qflib.orderbook.engine_codes import Kind, Refusal
from qflib.orderbook.engine_rules import Rules
from qflib.records import Instruments

_SIDES = {0: "", 1: "buy", 2: "sell"}


@dataclass(frozen=True, slots=True)
class EngineEvents:
    """Events in the order they happened.

    Parameters
    ----------
    rows
        (n,) of the kernels' EVENT: ticks, lots, nanoseconds.
    instruments, rules
        The engine's.
    """

    rows: NDArray[Any]
    instruments: Instruments
    rules: tuple[Rules, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, kind: str) -> EngineEvents:
        """Those of a kind, as "traded"."""
        return EngineEvents(self.rows[self.rows["kind"] == Kind[kind.upper()]], self.instruments, self.rules)

    def to_frame(self) -> pd.DataFrame:
        """A row an event; index the time (UTC). An order at market has no price."""
        rows = self.rows
        k = np.minimum(rows["instrument"].astype(np.int64), len(self.instruments) - 1)
        known = rows["instrument"] < len(self.instruments)
        symbols = np.array([r.symbol for r in self.instruments], object)
        price = np.asarray(self.instruments.to_price(k, rows["price_ticks"]), np.float64)
        unpriced = (np.abs(rows["price_ticks"]) == c.AT_MARKET) | (rows["kind"] == c.SESSION_CHANGED)
        made = {
            "kind": [Kind(v).name.lower() for v in rows["kind"].tolist()],
            "symbol": np.where(known, symbols[k], ""),
            "side": [_SIDES.get(v, "") for v in rows["side"].tolist()],
            "order_id": rows["order_id"],
            "contra_id": rows["contra_id"],
            "price": np.where(unpriced, np.nan, price),
            "qty": np.asarray(self.instruments.to_qty(k, rows["qty"])),
            "leaves": np.asarray(self.instruments.to_qty(k, rows["leaves"])),
            "reason": [Refusal(v).name.lower() if v else "" for v in rows["reason"].tolist()],
            "hidden": (rows["marks"] & c.HIDDEN) != 0,
            "stop": (rows["marks"] & c.STOP_WAITS) != 0,
            "for_close": (rows["marks"] & c.FOR_CLOSE) != 0,
            "auction": (rows["marks"] & c.AUCTION) != 0,
        }
        return pd.DataFrame(made, index=_utc(rows["time_ns"]))

    def fills(self) -> pd.DataFrame:
        """Both sides of every trade, who rested first, with liquidity and fee: quantity times the instrument's rate.

        In an auction both rested.
        """
        rows = self.rows[self.rows["kind"] == c.TRADED]
        n, k = len(rows), rows["instrument"].astype(np.int64)
        auction = (rows["marks"] & c.AUCTION) != 0
        symbols = np.array([r.symbol for r in self.instruments], object)
        maker = np.array([r.maker_fee for r in self.rules])
        taker = np.array([r.taker_fee for r in self.rules])
        qty = np.asarray(self.instruments.to_qty(k, rows["qty"]), np.float64)
        price = np.asarray(self.instruments.to_price(k, rows["price_ticks"]), np.float64)
        first = rows["side"].astype(np.int64)
        made = {
            "symbol": np.repeat(symbols[k], 2),
            "order_id": _pairs(rows["order_id"], rows["contra_id"]),
            "contra_id": _pairs(rows["contra_id"], rows["order_id"]),
            "side": np.array(["", "buy", "sell"], object)[_pairs(first, 3 - first)],
            "price": np.repeat(price, 2),
            "qty": np.repeat(qty, 2),
            "leaves": np.asarray(
                self.instruments.to_qty(np.repeat(k, 2), _pairs(rows["leaves"], rows["contra_leaves"])), np.float64
            ),
            "liquidity": _pairs(np.full(n, "maker", object), np.where(auction, "maker", "taker").astype(object)),
            "fee": _pairs(qty * maker[k], qty * np.where(auction, maker[k], taker[k])),
        }
        return pd.DataFrame(made, index=_utc(np.repeat(rows["time_ns"], 2)))

    def plot(self) -> Any:
        """Trades through time: price, sized by quantity."""
        import hvplot.pandas  # noqa: F401

        trades = self.of("traded").to_frame().rename_axis("time").reset_index()
        return trades.hvplot.scatter(x="time", y="price", size="qty", by="symbol")

    def __repr__(self) -> str:
        counts = np.bincount(self.rows["kind"], minlength=len(Kind) + 1)
        told = ", ".join(f"{counts[k]:,} {k.name.lower()}" for k in Kind if counts[k])
        return f"<EngineEvents: {told or 'none'}>"

    def _repr_html_(self) -> str:
        return f"<p>{repr(self)[1:-1]}</p>" + str(self.to_frame().tail(20).to_html())


def none_of(instruments: Instruments, rules: tuple[Rules, ...]) -> EngineEvents:
    """No events."""
    return EngineEvents(np.zeros(0, EVENT), instruments, rules)


def _pairs(a: Any, b: Any) -> Any:
    return np.column_stack([a, b]).ravel()


def _utc(ns: Any) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.asarray(ns), tz="UTC")
