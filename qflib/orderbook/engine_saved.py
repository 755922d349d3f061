"""What a matching engine's saved state must be before an engine goes on from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import DataError
from qflib.kernels import engine_codes as c
from qflib.kernels.engine_content import STANDING
from qflib.kernels.engine_state import RULES
from qflib.kernels.engine_types import TIMES, TYPES, tif_of, type_of
from qflib.orderbook.engine_codes import Session
from qflib.orderbook.engine_rules import SET_BY_RULES, Rules
from qflib.records import Instruments

#: Ids that an engine gives stay below.
LAST_ID = 2**63
_ONE = (1,)
_SESSIONS = np.array([int(s) for s in Session])


def made_for(instruments: Instruments, rules: Sequence[Rules]) -> NDArray[Any]:
    """SHA-256 of the instrument table, and of the rules with their fees."""
    told = json.dumps([asdict(r) for r in rules])
    return np.array([instruments.digest.encode(), hashlib.sha256(told.encode()).hexdigest().encode()], "S64")


def check(
    state: Mapping[str, NDArray[Any]], instruments: Instruments, rules: Sequence[Rules], own: NDArray[Any]
) -> None:
    """Refuse a state that the engine with this table and these rules cannot have saved. O(orders log orders).

    Parameters
    ----------
    state
        To be loaded.
    instruments, rules
        The engine's.
    own
        Its RULES.

    Raises
    ------
    DataError
        If an array is missing, of another shape or dtype, of another table or rules, or holds what cannot be.
    """
    n = len(own)
    if "rules" in state and state["rules"].dtype == RULES and state["rules"].shape != (n,):
        raise DataError(
            f"the state is of {len(state['rules'])} instruments, the engine has {n}; make it with the same table"
        )
    for name, (dtype, shape) in _shapes(n).items():
        if name not in state:
            raise DataError(f"the state has no array {name!r}; give what MatchingEngine.state() returned")
        rows = np.asarray(state[name])
        if rows.dtype != dtype or (rows.shape != shape if shape else rows.ndim != 1):
            raise DataError(
                f"{name} of the state is {rows.dtype} of shape {rows.shape}, expected {dtype} of shape "
                f"{shape or '(n,)'}; give what MatchingEngine.state() of this version returned"
            )
    _same_engine(state, instruments, rules, own)
    _possible(state, n)


def _shapes(n: int) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    """Dtype and shape by name; no shape: any number of rows."""
    ticks = np.dtype(np.int64)
    return {
        "rules": (RULES, (n,)),
        "orders": (STANDING, ()),
        "killed": (ticks, ()),
        "now": (ticks, _ONE),
        "info.last_ticks": (ticks, (n,)),
        "info.last_qty": (ticks, (n,)),
        "next_id": (np.dtype(np.uint64), _ONE),
        "made_for": (np.dtype("S64"), (2,)),
    }


def same_content(state: Mapping[str, NDArray[Any]], made: Mapping[str, NDArray[Any]]) -> None:
    """Refuse a state that is not, to the last bit, what was made of it. O(orders).

    Raises
    ------
    DataError
        If an array differs.
    """
    for name, rows in made.items():
        if np.asarray(state[name]).tobytes() != rows.tobytes():
            raise DataError(f"{name} of the state contradicts the rest of it; {_TORN}")


def _same_engine(
    state: Mapping[str, NDArray[Any]], instruments: Instruments, rules: Sequence[Rules], own: NDArray[Any]
) -> None:
    expected = made_for(instruments, rules)
    if state["made_for"][0] != expected[0]:
        raise DataError(
            f"the state is of instrument table {state['made_for'][0].decode(errors='replace')[:12]}, the engine has "
            f"{expected[0].decode()[:12]}; make it with the same table"
        )
    for name in SET_BY_RULES:
        if len(other := np.flatnonzero(state["rules"][name] != own[name])):
            k = int(other[0])
            raise DataError(
                f"{name} of {instruments[k].symbol} is {state['rules'][name][k]} in the state, {own[name][k]} in the "
                "engine; make it with the same rules"
            )
    if state["made_for"][1] != expected[1]:
        raise DataError("the state was made with other rules or fees than the engine's; make it with the same rules")


def _possible(state: Mapping[str, NDArray[Any]], n: int) -> None:
    """What the kernels rely on, which check nothing."""
    o, rules, killed = state["orders"], state["rules"], state["killed"]
    kinds, which = np.unique(o["bits"].astype(np.int64), return_inverse=True)
    known = np.array([TYPES["known"][type_of(v)] and TIMES["known"][tif_of(v)] for v in kinds], bool)[which]
    _all("instrument", o["instrument"] < n, o, f"below {n}")
    _all("place", o["place"] < c.N_PLACES, o, f"below {c.N_PLACES}")
    _all("side", (o["side"] == c.BUY) | (o["side"] == c.SELL), o, "1 or 2")
    _all("account", o["account"] < c.MAX_ACCOUNTS, o, f"below {c.MAX_ACCOUNTS}")
    _all("bits", known, o, "of a known type and time in force")
    _all("qty", (o["qty"] > 0) & (o["qty"] <= c.MAX_LOTS), o, f"from 1 to {c.MAX_LOTS}")
    _all("leaves", (o["leaves"] >= o["qty"]) & (o["leaves"] <= c.MAX_LOTS), o, f"from its qty to {c.MAX_LOTS}")
    _all("leaves", (o["leaves"] == o["qty"]) | (o["display"] > 0), o, "its qty, as it has no display")
    _all("display", (o["display"] >= 0) & (o["display"] <= c.MAX_LOTS), o, f"from 0 to {c.MAX_LOTS}")
    for name in ("at", "limit"):  # an order that slid is a tick further than it may come in
        told = np.abs(o[name])
        _all(name, (told <= c.MAX_TICKS + 1) | (told == c.AT_MARKET), o, f"within {c.MAX_TICKS} ticks, or at market")
    ids = np.unique(o[["instrument", "order_id"]])
    if len(ids) != len(o):
        raise DataError(f"{len(o) - len(ids)} orders of the state have an id that another has; {_TORN}")
    if not np.isin(rules["killed"], (0, 1, 2, 3)).all() or not np.isin(rules["session"], _SESSIONS).all():
        raise DataError(f"the state has a session or a kill switch that there is not; {_TORN}")
    if len(killed) and (killed[0] < 0 or killed[-1] >= c.MAX_ACCOUNTS or (np.diff(killed) <= 0).any()):
        raise DataError(f"killed of the state must rise from 0 to below {c.MAX_ACCOUNTS}; {_TORN}")
    if not 1 <= int(state["next_id"][0]) <= LAST_ID:
        raise DataError(f"next_id of the state is {state['next_id'][0]}, expected 1 to 2**63; {_TORN}")


def _all(name: str, good: Any, orders: NDArray[Any], expected: str) -> None:
    if len(bad := np.flatnonzero(~good)):
        row = int(bad[0])
        raise DataError(f"{name} of order row {row} is {orders[name][row]} in the state, expected {expected}; {_TORN}")


_TORN = "it is torn or was changed: give what MatchingEngine.state() returned"
