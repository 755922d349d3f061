"""Tail probability and tail mean of a quadratic form in normal or Student-t variables, by Fourier inversion.

The integrals run on a hyperbola through the saddlepoint, on which the integrand falls off and does not oscillate: the
trapezoidal rule then converges exponentially, and far tails keep their relative precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from qflib.errors import QflibError

F8 = NDArray[np.float64]
C16 = NDArray[np.complex128]

#: How far the hyperbola's arms lean from the vertical: a normal part bears 45 degrees, and half of it is the widest
#: strip on both sides.
_LEAN = math.pi / 8
#: The first step, its halvings at most, and the end: there even |s|^(-1/2) has fallen to 1e-17.
_STEP, _HALVINGS, _END = 0.25, 8, 80.0
#: Sums of the rule, and a quantile.s log P and that asked for, agree to this.
AGREE = 1e-13
#: A relative error of a tail above this is not taken before other paths were tried.
_ENOUGH = 1e-11


@dataclass(frozen=True, eq=False)
class QuadraticForm:
    """X = shift + Σ slopeᵢ zᵢ + ½ curveᵢ zᵢ², z independent standard normal; with `df`, all z times √(df/χ²_df).

    Parameters
    ----------
    shift
        Constant.
    slope, curve
        (n,) linear and quadratic coefficients, not all of them 0.
    df
        Degrees of freedom of a common χ², above 2; None: normal.
    """

    shift: float
    slope: F8
    curve: F8
    df: float | None = None

    def moments(self) -> tuple[float, float]:
        """Mean, and standard deviation: infinite where the fourth moment of z counts and df is 4 or below."""
        trace, squares = float(np.sum(self.curve)), float(np.sum(self.curve**2))
        first = 1.0 if self.df is None else self.df / (self.df - 2.0)
        variance = first * float(np.sum(self.slope**2))
        if squares > 0.0:
            ratio = 1.0 if self.df is None else (self.df - 2.0) / (self.df - 4.0) if self.df > 4.0 else math.inf
            variance += 0.25 * first * first * (ratio * (2.0 * squares + trace**2) - trace**2)
        return self.shift + 0.5 * first * trace, math.sqrt(variance)

    def supremum(self) -> float:
        """The least upper bound of X: its vertex, if it bends down in every direction in which it moves."""
        if np.any(self.curve > 0.0) or np.any(self.slope[self.curve == 0.0] != 0.0):
            return math.inf
        return self._vertex()

    def tail(self, x: float) -> Tail:
        """What lies beyond x: probability, mean excess and density, each by its own integral.

        Raises
        ------
        QflibError
            If no path of integration gives a digit: beyond x lies nothing, or next to nothing.
        """
        found = _invert(self, x)
        if not found.error < 1.0:
            raise QflibError(f"the tail beyond {x:g} was not found: no path of integration converges")
        return found

    def _vertex(self) -> float:
        """What is left of X when its squares are completed."""
        bent = self.curve != 0.0
        return self.shift - float(np.sum(0.5 * self.slope[bent] ** 2 / self.curve[bent]))

    def _quadratic(self, s: C16, x: float) -> C16:
        """The exponent s (shift − x) + ½ s² Σ slope² / (1 − s curve), squares completed where s curve is large."""
        far = np.abs(s[0] * self.curve) > 1.0  # there terms of order s would cancel
        one = 1.0 - s[:, None] * self.curve
        held = 0.5 * self.slope[far] ** 2 / self.curve[far]
        near = 0.5 * s * s * (self.slope[~far] ** 2 / one[:, ~far]).sum(axis=1)
        made: C16 = s * (self.shift - float(np.sum(held)) - x) + near + s * (held / one[:, far]).sum(axis=1)
        return made

    def _exponents(self, s: C16, x: float) -> tuple[C16, C16, C16]:
        """Logarithms of the transforms of probability, excess and density, before the factors 1/s, 1/s² and 1."""
        bent = -0.5 * np.log(1.0 - s[:, None] * self.curve).sum(axis=1)
        quadratic = self._quadratic(s, x)
        if self.df is None:
            return (bent + quadratic,) * 3
        # The excess is weighted by df/χ², the density by χ²/df: powers one less and one more.
        mixed = np.log(1.0 - 2.0 / self.df * quadratic)
        known = bent - 0.5 * self.df * mixed
        return known, math.log(self.df / (self.df - 2.0)) + known + mixed, known - mixed


@dataclass(frozen=True, slots=True)
class Tail:
    """log P(X > x), E[(X − x) | X > x], the density over P, and a bound of the first two's relative error."""

    log_probability: float
    excess: float
    hazard: float
    error: float


def quantile(form: QuadraticForm, level: float) -> tuple[float, Tail]:
    """The x with P(X > x) = 1 − level, and the tail beyond it.

    Newton's method on log P, kept between the bounds of Cantelli's inequality.

    Raises
    ------
    QflibError
        If it does not converge; not known to happen.
    """
    alpha = 1.0 - level
    mean, spread = form.moments()
    top = form.supremum()
    if math.isfinite(spread):
        low, high = mean - spread * math.sqrt(alpha / level), mean + spread * math.sqrt(level / alpha)
    else:
        low, high = _bracket(form, alpha, mean)
    high = min(high, top)
    x = mean + spread * float(special.ndtri(level)) if math.isfinite(spread) else high
    if not low < x < high:
        x = 0.5 * (low + high)
    for _ in range(200):
        found = _invert(form, x)
        together = high - low <= 4e-16 * max(abs(low), abs(high))
        if not found.error < 1.0:  # beyond x lies next to nothing: only just below the supremum
            if top < math.inf and together:
                return x, Tail(math.log(alpha), 0.5 * (top - x), math.inf, 1.0)
            high, x = (x, 0.5 * (low + x)) if low < x else (x, x)
            continue
        gap = found.log_probability - math.log(alpha)
        if gap > 0.0:
            low = x
        else:
            high = x
        step = gap / found.hazard
        if top < math.inf:  # log P is nearly straight in the logarithm of the distance from there
            step = (x - top) * math.expm1(min(-step / (top - x), 700.0))
        if abs(gap) <= AGREE or together:
            return x, found
        x = x + step if low < x + step < high else 0.5 * (low + high)
    raise QflibError(f"the quantile at {level} was not found within 200 steps")


def _bracket(form: QuadraticForm, alpha: float, mean: float) -> tuple[float, float]:
    """Points around a quantile where Cantelli's bound is infinite."""
    width = float(np.sum(np.abs(form.slope)) + np.sum(np.abs(form.curve)))
    low, high = mean - width, mean + width
    while form.tail(low).log_probability < math.log(alpha):
        low -= 2.0 * (high - low)
    while high < form.supremum() and _invert(form, high).log_probability > math.log(alpha):
        high += 2.0 * (high - low)
    return low, high


def _invert(form: QuadraticForm, x: float) -> Tail:
    """Along the hyperbola that leans to where exp(−s (x − vertex)) falls; if factors that hardly bend spoil that, as
    their squares are completed only at an s far out, along the best of others.
    """
    saddle = _saddlepoint(form, x)
    leans = [0.0]
    if form.df is None and np.any(form.curve != 0.0):
        first = math.copysign(_LEAN, x - form._vertex())
        leans = [first, 0.25 * first, 0.0, -0.25 * first, -first]
    best = _along(form, x, saddle, leans[0])
    for lean in leans[1:]:
        if best.error <= _ENOUGH:
            break
        other = _along(form, x, saddle, lean)
        best = other if other.error < best.error else best
    return best


def _along(form: QuadraticForm, x: float, saddle: tuple[float, float], lean: float) -> Tail:
    c, room = saddle
    scale = min(c, room)
    peak = [float(e.real[0]) for e in form._exponents(np.array([c + 0j]), x)]

    def parts(u: F8) -> C16:
        """(3, n): the integrands, each over exp(peak)."""
        turned = np.sin(lean + 1j * u)
        s, ds = c + scale * (turned - math.sin(lean)), 1j * scale * np.cos(lean + 1j * u)
        p, q, d = (np.exp(e - top) * ds for e, top in zip(form._exponents(s, x), peak, strict=True))
        return np.stack([p / s, q / (s * s), d])

    with np.errstate(over="ignore", invalid="ignore"):  # where the integrand grows along this path
        sums, error = _trapezoid(parts)
    p, q, d = (sums / math.pi).tolist()
    if not (p > 0.0 and q > 0.0 and error < 1.0):
        return Tail(math.nan, math.nan, math.nan, math.inf)
    return Tail(peak[0] + math.log(p), q / p * math.exp(peak[1] - peak[0]), d / p * math.exp(peak[2] - peak[0]), error)


def _trapezoid(parts: Callable[[F8], C16]) -> tuple[F8, float]:
    """∫₀^∞ Im parts: the step is halved until two sums agree; the bound is their difference and the rounding.

    The third, the density, only steers Newton's method and is left out of both: it may be infinite.
    """
    h, end = _STEP, _END
    u = np.arange(0.0, end, h)
    values = parts(u)
    if not np.isfinite(values).all():
        return np.full(3, np.nan), math.inf
    kept = np.flatnonzero(np.abs(values).max(axis=0) > 1e-18 * np.abs(values).max())
    end = u[min(int(kept[-1]) + 2, len(u) - 1)]
    values = values[:, u <= end]
    total = values.imag.sum(axis=1) - 0.5 * values.imag[:, 0]
    gross = np.abs(values).sum(axis=1)
    for _ in range(_HALVINGS):
        between = parts(np.arange(0.5 * h, end, h))
        more = total + between.imag.sum(axis=1)
        gross = gross + np.abs(between).sum(axis=1)
        apart = np.abs(0.5 * more - total) * h
        total, h = more, 0.5 * h
        if np.all(apart[:2] <= AGREE * np.abs(total[:2] * h)):
            break
    sums = total * h
    return sums, float(np.max(((apart + 4e-16 * gross * h) / np.abs(sums))[:2]))


def _saddlepoint(form: QuadraticForm, x: float) -> tuple[float, float]:
    """Where K(s) − s x − log s is least on the transform's strip, and how far from there its right edge is."""
    edge = _edge(form, x)

    def value(s: float) -> float:
        return float(form._exponents(np.array([s + 0j]), x)[0].real[0]) - math.log(s)

    # convex in s, so of one valley in the logarithm of s, or of s / (edge − s)
    start = 1.0 / float(np.sqrt(np.sum(form.slope**2) + np.sum(form.curve**2)))

    def at(t: float) -> float:
        return math.exp(t) * start if edge == math.inf else edge / (1.0 + math.exp(-t))

    found = optimize.minimize_scalar(lambda t: value(at(t)), bounds=(-36.0, 80.0 if edge == math.inf else 30.0),
                                     method="bounded", options={"xatol": 1e-3})  # fmt: skip
    c = at(float(found.x))
    return c, edge - c if edge < math.inf else c


def _edge(form: QuadraticForm, x: float) -> float:
    """The right edge of the strip on which the transform exists."""
    top = float(np.max(form.curve, initial=0.0))
    pole = 1.0 / top if top > 0.0 else math.inf
    if form.df is None:
        return pole

    def left(s: float) -> float:
        quadratic = s * (form.shift - x) + 0.5 * s * s * float(np.sum(form.slope**2 / (1.0 - s * form.curve)))
        return 1.0 - 2.0 / form.df * quadratic  # type: ignore[operator]

    high = pole * (1.0 - 1e-15) if pole < math.inf else 1.0
    while pole == math.inf and left(high) > 0.0 and high < 1e300:
        high *= 4.0
    if left(high) > 0.0:
        return pole
    return float(optimize.brentq(left, 0.0, high, xtol=1e-300, rtol=1e-12))
