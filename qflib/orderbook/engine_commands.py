"""Commands of the matching engine as people write them: names and prices to rows of codes, ticks and lots."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.kernels import engine_codes as c
from qflib.kernels.engine_state import COMMAND
from qflib.orderbook.asked import SIDES, number, order_id, whole
from qflib.orderbook.engine_codes import Action, OrderType, SelfTrade, TimeInForce
from qflib.records import Instruments

_NAMES = (
    "order_id", "side", "qty", "price", "account", "time_in_force", "stop", "display", "hidden", "post_only",
    "self_trade", "expire", "time", "lots",
)  # fmt: skip


def command(instruments: Instruments, symbol: str | None, action: str, told: Mapping[str, Any]) -> NDArray[Any]:
    """One command as a row of COMMAND.

    Parameters
    ----------
    instruments
        The table.
    symbol
        Which instrument; None: all.
    action
        A name of `Action`.
    told
        Values by the names that `MatchingEngine.submit` takes; None: not told.

    Raises
    ------
    InputError, UnknownInstrumentError
        If a name or code is unknown, or a number not finite, off the tick or off the lot.
    """
    given = {n: v for n, v in told.items() if v is not None}
    if unknown := [n for n in given if n not in _NAMES]:
        raise InputError(f"an order has no {unknown[0]!r}; it has {', '.join(_NAMES[:-1])}")
    row = np.zeros(1, COMMAND)
    k = c.ALL if symbol is None else instruments.id(symbol)
    row["instrument"], row["action"] = k, Action[action.upper()]
    row["order_id"] = order_id(given.get("order_id", 0))
    row["account"] = whole(given.get("account", 0), "account", int(c.MAX_ACCOUNTS) - 1, 0)
    if "side" in given:
        row["side"] = _named(SIDES, given["side"], "side")
    if "qty" in given:
        row["qty"] = instruments.to_lots(k, number(given["qty"], "qty"))
    elif "lots" in given:
        row["qty"] = given["lots"]
    for name, column in (("price", "price_ticks"), ("stop", "stop_ticks")):
        if name in given:
            row[column] = _ticks(instruments, k, number(given[name], name), name)
        elif action == "replace":
            row[column] = c.KEEP
    display = number(given.get("display", 0.0), "display")
    row["display_qty"] = instruments.to_lots(k, display) if symbol is not None else 0
    for name in ("time", "expire"):
        row[f"{name}_ns"] = _ns(given[name], name) if name in given else 0
    if action == "new":
        _kind(row, given)
    return row


def _kind(row: NDArray[Any], given: Mapping[str, Any]) -> None:
    kinds = {(False, False): OrderType.MARKET, (True, False): OrderType.LIMIT, (False, True): OrderType.STOP}
    row["ord_type"] = kinds.get(("price" in given, "stop" in given), OrderType.STOP_LIMIT)
    row["time_in_force"] = _named(TimeInForce.__members__, given.get("time_in_force", "gtc"), "time_in_force")
    row["self_trade"] = _named(SelfTrade.__members__, given.get("self_trade", "none"), "self_trade")
    post_only = given.get("post_only", False)
    if post_only not in (False, True, "slide"):
        raise InputError(f"post_only {post_only!r} is unknown; give True, False or 'slide'")
    row["options"] = (
        c.POST_ONLY * bool(post_only) | c.SLIDE * (post_only == "slide") | c.HIDDEN * bool(given.get("hidden", False))
    )


def as_commands(commands: Any, instruments: Instruments, next_id: int) -> NDArray[Any]:
    """Rows of COMMAND from such rows or a DataFrame.

    Parameters
    ----------
    commands
        An array of COMMAND, or a DataFrame with the names of `command` as columns, `action` and `symbol`, empty where
        not told; a tz-aware index is the time.
    instruments
        The table.
    next_id
        The id of the first new order of a DataFrame that has none; the others follow.

    Raises
    ------
    InputError
        If it is neither, or a row cannot be read: the sentence has its number.
    """
    if isinstance(commands, np.ndarray) and commands.dtype == COMMAND:
        return np.ascontiguousarray(commands).copy()
    if not isinstance(commands, pd.DataFrame):
        raise InputError(
            f"commands are {type(commands).__name__}; give an array of qflib.kernels.engine_state.COMMAND or a "
            f"DataFrame with columns action, symbol, {', '.join(_NAMES[:-1])}"
        )
    if missing := [n for n in ("action", "symbol") if n not in commands]:
        raise InputError(f"the frame has no column {missing[0]!r}; it needs action and symbol")
    times = commands.index if isinstance(commands.index, pd.DatetimeIndex) else None
    rows = []
    for i, told in enumerate(commands.to_dict("records")):
        kept = {str(n): v for n, v in told.items() if n not in ("action", "symbol") and not _empty(v)}
        if times is not None:
            kept["time"] = times[i]
        try:
            action = _named(Action.__members__, told["action"], "action").name.lower()
            if action == "new":
                kept["order_id"] = order_id(kept.get("order_id", next_id))
                next_id = max(next_id, kept["order_id"] + 1)
            rows.append(command(instruments, None if _empty(told["symbol"]) else told["symbol"], action, kept))
        except InputError as e:
            raise InputError(f"row {i}: {e}") from None
    return np.concatenate(rows) if rows else np.zeros(0, COMMAND)


def _empty(value: Any) -> bool:
    return value is None or value is pd.NaT or value == "" or (isinstance(value, float) and math.isnan(value))


def _named(names: Mapping[str, Any], value: Any, what: str) -> Any:
    found = names.get(value) or names.get(value.upper()) if isinstance(value, str) else None
    if found is None and not (isinstance(value, str) and value.upper() in names):
        raise InputError(f"{what} {value!r} is unknown; expected one of {', '.join(n.lower() for n in names)}")
    return names[value.upper()] if found is None else found


def _ticks(instruments: Instruments, k: Any, price: float, what: str) -> int:
    ticks = int(instruments.to_ticks(k, price))
    if abs(float(instruments.to_price(k, ticks)) - price) > 1e-6 * (1 + abs(price)):
        unit = float(instruments.to_price(k, 1))
        raise InputError(
            f"{what} {price} is not on the tick of {instruments[int(k)].symbol}; give a multiple of {unit:g}"
        )
    return ticks


def _ns(value: Any, what: str) -> int:
    time = pd.Timestamp(value)
    if time.tz is None:
        raise InputError(f"{what} {value} has no time zone; give it in UTC, as pd.Timestamp(..., tz='UTC')")
    return int(time.tz_convert("UTC").as_unit("ns").value)
