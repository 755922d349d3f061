"""Limits and kill switches in force, and the ids of controls and bookings that have been applied."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from qflib.records import ALL_INSTRUMENTS
from qflib.steps.state import State

MAX_ORDER_QTY = b"max_order_qty"
PRICE_BAND = b"price_band"
MAX_POSITION = b"max_position"
KILL = b"kill_switch"
ENFORCED = (MAX_ORDER_QTY, PRICE_BAND, MAX_POSITION)


class Controls:
    """Bounds by (name, portfolio, instrument); an empty portfolio and ALL_INSTRUMENTS stand for all."""

    def __init__(self) -> None:
        self._bounds: dict[tuple[bytes, bytes, int], float] = {}
        self._applied: dict[str, dict[bytes, None]] = {"control": {}, "booking": {}}

    def first_time(self, kind: Literal["control", "booking"], id_: bytes) -> bool:
        """Whether an id has not been applied yet; it is from now on."""
        if id_ in self._applied[kind]:
            return False
        self._applied[kind][id_] = None
        return True

    def set(self, name: bytes, portfolio: bytes, instrument: int, value: float) -> None:
        """Put a bound in force; the same key again replaces it."""
        self._bounds[name, portfolio, instrument] = value

    def tightest(self, name: bytes, portfolio: bytes, instrument: int) -> float:
        """The least of the bounds that apply; infinite where there is none."""
        return min(self._applying(name, portfolio, instrument), default=math.inf)

    def killed(self, portfolio: bytes, instrument: int) -> bool:
        """Whether a kill switch stops new orders."""
        return any(v != 0 for v in self._applying(KILL, portfolio, instrument))

    def _applying(self, name: bytes, portfolio: bytes, instrument: int) -> list[float]:
        if not self._bounds:
            return []
        keys = ((name, p, i) for p in {portfolio, b""} for i in (instrument, ALL_INSTRUMENTS))
        return [self._bounds[k] for k in keys if k in self._bounds]

    def state(self) -> State:
        """Bounds and applied ids, in order of arrival."""
        keys = list(self._bounds)
        return {
            "controls.name": np.array([k[0] for k in keys], "S64"),
            "controls.portfolio": np.array([k[1] for k in keys], "S64"),
            "controls.instrument": np.array([k[2] for k in keys], np.int64),
            "controls.value": np.array(list(self._bounds.values()), np.float64),
            **{f"controls.applied.{kind}": np.array(list(ids), "S64") for kind, ids in self._applied.items()},
        }

    def load(self, state: State) -> None:
        """Go on from a state. O(bounds + ids)."""
        columns = (state[f"controls.{c}"].tolist() for c in ("name", "portfolio", "instrument", "value"))
        self._bounds = {(n, p, i): v for n, p, i, v in zip(*columns, strict=True)}
        self._applied = {kind: dict.fromkeys(state[f"controls.applied.{kind}"].tolist()) for kind in self._applied}
