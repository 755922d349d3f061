"""What every function of the room asks of its inputs: signs, levels, finite values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from qflib.errors import InputError

F8 = NDArray[np.float64]
Kind: TypeAlias = Literal["pnl", "loss", "return"]
KINDS = ("pnl", "loss", "return")


def pnl_of(x: ArrayLike | pd.Series[Any] | pd.DataFrame, kind: str, what: str = "x", ndim: int = 1) -> F8:
    """The values as P&L, gains positive: finite float64, contiguous and read-only.

    Raises
    ------
    InputError
        If `kind` is unknown, or the values are empty, of another dimension, not numbers or not finite.
    """
    if kind not in KINDS:
        raise InputError(f"kind is {kind!r}; expected 'pnl' or 'return' (gains positive) or 'loss' (losses positive)")
    a = _floats(x, what)
    if a.ndim != ndim:
        raise InputError(f"{what} is {a.ndim}-dimensional; expected {ndim}")
    if a.size == 0:
        raise InputError(f"{what} is empty; give one value at least")
    bad = ~np.isfinite(a)
    if bad.any():
        raise InputError(
            f"{what} holds {int(bad.sum())} values that are NaN or infinite, the first at "
            f"{tuple(int(i) for i in np.argwhere(bad)[0])}; drop or mend them: an expected shortfall would hide them"
        )
    made = np.ascontiguousarray(-a if kind == "loss" else a).view()
    made.setflags(write=False)
    return made


def outcomes_of(x: ArrayLike, what: str = "pnl", ndim: int = 1) -> F8:
    """P&L of a stream as `pnl_of` makes it, but that a NaN is no outcome, and none may be given.

    Raises
    ------
    InputError
        If they are of another dimension, not numbers or infinite.
    """
    a = _floats(x, what)
    if a.ndim != ndim:
        raise InputError(f"{what} is {a.ndim}-dimensional; expected {ndim}")
    if np.isinf(a).any():
        raise InputError(f"{what} holds an infinite value; give finite ones, or NaN where there is no outcome")
    made = np.ascontiguousarray(a).view()
    made.setflags(write=False)  # one compiled form of the kernels, whatever was given
    return made


def _floats(x: Any, what: str) -> F8:
    try:
        given = np.asarray(x)
        if given.dtype.kind not in "cmM":  # NumPy would take times for nanoseconds, and drop imaginary parts
            return np.asarray(given, np.float64)
    except (TypeError, ValueError):
        pass
    raise InputError(f"{what} holds values that are no numbers; give floats")


def levels_of(level: float | Sequence[float] | F8) -> F8:
    """Levels as an array (n_levels,).

    Raises
    ------
    InputError
        If one is not a confidence of 0.5 or above and below 1.
    """
    try:
        levels = np.atleast_1d(np.asarray(level, np.float64))
    except (TypeError, ValueError):
        levels = np.full(1, np.nan)
    if levels.ndim != 1 or levels.size == 0 or not bool(np.all((levels >= 0.5) & (levels < 1.0))):
        raise InputError(
            f"level is {level!r}; expected a confidence such as 0.975, from 0.5 to below 1 (not the tail 0.025, "
            f"not a percentage)"
        )
    levels = levels.copy()
    levels.setflags(write=False)
    return levels


def share_of(x: Any, what: str, such_as: float) -> float:
    """A number between 0 and 1, neither of them: a confidence, a decay.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        inside = not isinstance(x, str) and 0.0 < float(x) < 1.0
    except (TypeError, ValueError):
        inside = False
    if not inside:
        raise InputError(f"{what} is {x}; expected a number between 0 and 1, such as {such_as}")
    return float(x)


def level_of(level: float) -> float:
    """One level, as `levels_of` takes several.

    Raises
    ------
    InputError
        As `levels_of`, or if there is another number of them than one.
    """
    levels = levels_of(level)
    if len(levels) != 1:
        raise InputError(f"level is {level!r}; expected one confidence, such as 0.975: ask for each by itself")
    return float(levels[0])


def names_of(x: Any, m: int, names: Sequence[str] | None) -> tuple[str, ...]:
    """Names of m columns: given, a DataFrame's, or their numbers.

    Raises
    ------
    InputError
        If they are not m.
    """
    given = names if names is not None else x.columns if isinstance(x, pd.DataFrame) else range(m)
    labels = tuple(str(c) for c in given)
    if len(labels) != m:
        raise InputError(f"names are {len(labels)} for {m} columns; give one each")
    return labels


def whole(n: Any, what: str, least: int = 1) -> int:
    """A whole number, `least` or more.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        made = int(n)
    except (TypeError, ValueError, OverflowError):
        made = least - 1
    if isinstance(n, str) or made != n or made < least:
        raise InputError(f"{what} is {n!r}; expected a whole number of {least} or more")
    return made
