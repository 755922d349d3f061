"""What the pricing functions accept: scalars, sequences, arrays, Series; broadcast, checked, handed to kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError

Floats: TypeAlias = NDArray[np.float64]
#: a number, a sequence or array of numbers, or a Series
NumberLike: TypeAlias = "float | Sequence[float] | NDArray[Any] | pd.Series[Any]"
#: "call" or "put", or an array or Series of them
RightLike: TypeAlias = "str | int | Sequence[str] | NDArray[Any] | pd.Series[Any]"

_SIGNS: dict[Any, float] = {"call": 1.0, "put": -1.0, "c": 1.0, "p": -1.0, "C": 1.0, "P": -1.0, 1: 1.0, -1: -1.0}


@dataclass(frozen=True)
class Arguments:
    """Arguments of one call, flat, contiguous and read-only, and how to give results back in the caller's form."""

    values: tuple[Floats, ...]
    shape: tuple[int, ...]
    index: pd.Index[Any] | None

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def restore(self, flat: NDArray[Any], name: str | None = None) -> Any:
        """A scalar, an array of the broadcast shape, or a Series with the caller's index."""
        if self.index is not None:
            return pd.Series(flat, index=self.index, name=name)
        return flat.reshape(self.shape) if self.shape else flat[0].item()


def arguments(right: RightLike, **given: NumberLike) -> Arguments:
    """Check and broadcast; the first array is the right's sign, then the others in the order given.

    Raises
    ------
    InputError
        If a value is of a wrong type or out of its range, or shapes or indexes do not fit.
    """
    index: pd.Index[Any] | None = None
    for name, value in {"right": right, **given}.items():
        if isinstance(value, pd.Series):
            if index is not None and not index.equals(value.index):
                raise InputError(f"the Series {name} has another index than those before it; align them first")
            index = value.index
    arrays = [signs(right)] + [_checked(name, value) for name, value in given.items()]
    try:
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError:
        shapes = ", ".join(f"{n} {a.shape}" for n, a in zip(["right", *given], arrays, strict=True))
        raise InputError(f"shapes do not broadcast: {shapes}; give one length, or scalars") from None
    if index is not None and shape != (len(index),):
        raise InputError(f"a Series of length {len(index)} does not go with shape {shape}; give Series or scalars")
    return Arguments(tuple(_flat(a, shape) for a in arrays), shape, index)


def frozen(a: Floats) -> Floats:
    """The array, or a view or copy of it, contiguous and read-only: kernels are compiled for one kind of array."""
    out = np.ascontiguousarray(a)
    if out.flags.writeable:
        out = out.view()
        out.flags.writeable = False
    return out


def _flat(a: Floats, shape: tuple[int, ...]) -> Floats:
    return frozen(np.broadcast_to(a, shape)).reshape(-1)


def signs(right: RightLike) -> Floats:
    """+1 of calls, -1 of puts, in the shape given.

    Raises
    ------
    InputError
        If a right is neither.

    Examples
    --------
    >>> signs(["call", "P"]).tolist()
    [1.0, -1.0]
    """
    if np.ndim(right) == 0:
        return np.array(_sign(right))
    given = np.asarray(right, dtype=object)
    codes, names = pd.factorize(given.reshape(-1), use_na_sentinel=False)
    table = np.array([_sign(n) for n in names], np.float64)
    return table[codes].reshape(given.shape)


def _sign(right: Any) -> float:
    try:
        return _SIGNS[right]
    except (KeyError, TypeError):
        raise InputError(f"right {right!r} is unknown; expected 'call' or 'put'") from None


def _not_negative(a: Floats) -> NDArray[np.bool_]:
    return a >= 0.0


def _positive(a: Floats) -> NDArray[np.bool_]:
    return a > 0.0


#: what a name must be beside finite; with a prefix `any_` or `normal_` an argument is free of it, with `zero_` it may
#: be 0; with `missing_` before all it may be NaN
_RANGE: dict[str, tuple[Callable[[Floats], NDArray[np.bool_]], str]] = {
    "spot": (_positive, "a positive price"),
    "forward": (_positive, "a positive price; for others use the normal model"),
    "strike": (_positive, "a positive price; for others use the normal model"),
    "zero_spot": (_not_negative, "a price, at least 0"),
    "zero_strike": (_not_negative, "a price, at least 0"),
    "years": (_not_negative, "years to expiry, at least 0"),
    "vol": (_not_negative, "an annual vol as a fraction (0.2 is 20 %), at least 0"),
}
#: market data may be missing, and is then NaN all the way; a contract's terms may not
_MAY_BE_MISSING = frozenset({"spot", "forward", "vol", "price"})


def _checked(name: str, value: NumberLike) -> Floats:
    missing, name = name.startswith("missing_"), name.removeprefix("missing_")
    kind = name.removeprefix("normal_").removeprefix("any_").removeprefix("zero_")
    try:
        a = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{kind} {value!r} is not a number or an array of numbers; give floats") from None
    free = missing or kind in _MAY_BE_MISSING or name.startswith("any_")
    bad = np.isinf(a) if free else ~np.isfinite(a)
    if bad.any():
        raise InputError(f"{kind} {a[bad].flat[0]} is not finite; give a finite number")
    in_range, expected = _RANGE.get(name, (None, ""))
    if in_range is not None:
        bad = ~(in_range(a) | np.isnan(a))
        if bad.any():
            raise InputError(f"{kind} {a[bad].flat[0]} is out of range; expected {expected}")
    return a
