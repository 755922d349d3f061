"""Numbers that carry their first and second derivatives through a formula: Greeks of closed forms, exact to rounding.

A `Jet` holds n values, their slopes in m variables (m, n) and bends (m, m, n). Functions of a normal tail or a price
take their derivatives from closed forms, so that nothing cancels that does not cancel in the price.

Source: Griewank and Walther 2008, "Evaluating Derivatives", ch. 13 (forward mode of second order).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from scipy.special import erfcx, ndtr

from qflib.pricing.inputs import Floats

Number: TypeAlias = "Jet | Floats | float"
_ROOT = np.sqrt(2.0 * np.pi)


class Jet:
    """Values with first and second derivatives; sums, products, quotients with numbers, arrays and one another."""

    __array_ufunc__ = None  # an array on the left gives way
    __slots__ = ("bend", "slope", "value")

    def __init__(self, value: Floats, slope: Floats, bend: Floats) -> None:
        self.value, self.slope, self.bend = value, slope, bend

    def __add__(self, other: Number) -> Jet:
        if isinstance(other, Jet):
            return Jet(self.value + other.value, self.slope + other.slope, self.bend + other.bend)
        return Jet(self.value + other, self.slope, self.bend)

    def __neg__(self) -> Jet:
        return Jet(-self.value, -self.slope, -self.bend)

    def __sub__(self, other: Number) -> Jet:
        return self + (-other)

    def __rsub__(self, other: Floats | float) -> Jet:
        return -self + other

    def __mul__(self, other: Number) -> Jet:
        if not isinstance(other, Jet):
            return Jet(self.value * other, self.slope * other, self.bend * other)
        cross = self.slope[:, None] * other.slope[None]
        return Jet(
            self.value * other.value,
            self.value * other.slope + other.value * self.slope,
            self.value * other.bend + other.value * self.bend + cross + cross.swapaxes(0, 1),
        )

    def __truediv__(self, other: Number) -> Jet:
        return self * (power(other, -1.0) if isinstance(other, Jet) else 1.0 / other)

    def __rtruediv__(self, other: Floats | float) -> Jet:
        return power(self, -1.0) * other

    __radd__ = __add__
    __rmul__ = __mul__


def variables(*values: Floats) -> list[Jet]:
    """Independent variables, of one length."""
    m, n = len(values), values[0].size
    one = np.eye(m)
    zero = np.zeros((m, m, n))
    return [Jet(v.astype(np.float64), np.repeat(one[i][:, None], n, axis=1), zero) for i, v in enumerate(values)]


def composed(value: Floats, slopes: Sequence[Floats], bends: Sequence[Sequence[Floats]], of: Sequence[Jet]) -> Jet:
    """A function of jets by its value, its slopes in them and its bends (the lower triangle, a row a jet)."""
    slope = sum((f * x.slope for f, x in zip(slopes, of, strict=True)), np.zeros_like(of[0].slope))
    bend = sum((f * x.bend for f, x in zip(slopes, of, strict=True)), np.zeros_like(of[0].bend))
    for i, row in enumerate(bends):
        for j, f in enumerate(row):
            cross = f * (of[i].slope[:, None] * of[j].slope[None])
            bend = bend + (cross if i == j else cross + cross.swapaxes(0, 1))
    return Jet(value, slope, bend)


def exp(x: Jet) -> Jet:
    """Exponential."""
    e = np.exp(x.value)
    return composed(e, [e], [[e]], [x])


def expm1(x: Jet) -> Jet:
    """Exponential less one."""
    e = np.exp(x.value)
    return composed(np.expm1(x.value), [e], [[e]], [x])


def log(x: Jet) -> Jet:
    """Natural logarithm."""
    f = 1.0 / x.value
    return composed(np.log(x.value), [f], [[-f * f]], [x])


def log1p(x: Jet) -> Jet:
    """Natural logarithm of one more."""
    f = 1.0 / (1.0 + x.value)
    return composed(np.log1p(x.value), [f], [[-f * f]], [x])


def power(x: Jet, p: float) -> Jet:
    """A constant power."""
    f = x.value**p
    return composed(f, [p * f / x.value], [[p * (p - 1.0) * f / x.value**2]], [x])


def sqrt(x: Jet) -> Jet:
    """Square root."""
    return power(x, 0.5)


def select(mask: np.ndarray, yes: Jet, no: Jet) -> Jet:
    """One jet where the mask holds, the other elsewhere."""
    pairs = ((yes.value, no.value), (yes.slope, no.slope), (yes.bend, no.bend))
    return Jet(*(np.where(mask, a, b) for a, b in pairs))


def density(z: Floats) -> Floats:
    """Of the standard normal distribution."""
    return np.asarray(np.exp(-0.5 * z * z) / _ROOT)


def weighted_cdf(weight: Jet, z: Jet) -> Jet:
    """e^weight N(z), finite wherever the product is."""
    w, x = weight.value, z.value
    with np.errstate(over="ignore", invalid="ignore"):
        bump = np.exp(w - 0.5 * x * x) / _ROOT
        low = np.exp(w - 0.5 * x * x) * 0.5 * erfcx(-np.minimum(x, 0.0) / np.sqrt(2.0))
        value = np.where(x < 0.0, low, np.exp(w) * ndtr(x))
    return composed(value, [value, bump], [[value], [bump, -x * bump]], [weight, z])


def black(sign: Floats, forward: Jet, strike: Jet, total: Jet) -> Jet:
    """Undiscounted Black price; total is vol sqrt(years), positive."""
    f, k, s = forward.value, strike.value, total.value
    d1 = np.log(f / k) / s + 0.5 * s
    d2 = d1 - s
    bump = density(d1)
    up, down = sign * ndtr(sign * d1), -sign * ndtr(sign * d2)
    return composed(
        f * up + k * down,
        [up, down, f * bump],
        [
            [bump / (f * s)],
            [-bump / (k * s), f * bump / (k * k * s)],
            [-bump * d2 / s, f * bump * d1 / (k * s), f * bump * d1 * d2 / s],
        ],
        [forward, strike, total],
    )


def normal(sign: Floats, above: Jet, total: Jet) -> Jet:
    """Undiscounted Bachelier price of forward less strike `above`; total is vol sqrt(years), positive."""
    x, s = above.value, total.value
    d = x / s
    bump, tail = density(d), ndtr(sign * d)
    return composed(
        sign * x * tail + s * bump,
        [sign * tail, bump],
        [[bump / s], [-d * bump / s, d * d * bump / s]],
        [above, total],
    )
