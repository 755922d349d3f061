"""SABR smiles: vols of Hagan's expansion, the density behind them, and the fit of a slice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from qflib.errors import DataError, InputError
from qflib.kernels.sabr import sabr_batch
from qflib.pricing.inputs import Arguments, Floats, NumberLike, arguments, frozen

Kind = Literal["lognormal", "normal"]


def sabr_vol(
    strike: NumberLike,
    forward: NumberLike,
    years: NumberLike,
    alpha: NumberLike,
    beta: NumberLike,
    rho: NumberLike,
    nu: NumberLike,
    *,
    shift: float = 0.0,
    kind: Kind = "lognormal",
) -> Any:
    """Implied vol of the SABR model in Hagan's expansion.

    Parameters
    ----------
    strike, forward
        Above -shift; the normal kind with beta 0 takes any.
    years
        Time to expiry, ACT/365.
    alpha
        Vol of the forward over forward^beta, positive.
    beta
        0 (normal) to 1 (lognormal).
    rho
        Correlation of forward and vol, within -1 and 1.
    nu
        Vol of vol, at least 0.
    shift
        Added to forward and strike: for low and negative rates.
    kind
        "lognormal": the vol for Black-76 on forward + shift and strike + shift; "normal": for Bachelier.

    Returns
    -------
    float, ndarray or Series
        Annual vols.

    Raises
    ------
    InputError
        If a value is out of range, or shapes do not fit.

    Notes
    -----
    O(n). Good for small nu^2 years; `sabr_density` tells where the expansion leaves the region without arbitrage.
    Source: Hagan, Kumar, Lesniewski and Woodward 2002, equations 2.17 and A.59.

    Examples
    --------
    >>> from qflib.pricing import sabr_vol
    >>> round(sabr_vol(0.05, forward=0.043, years=2.0, alpha=0.2, beta=0.5, rho=-0.8, nu=0.21), 6)
    0.896919
    >>> round(sabr_vol(-0.01, -0.002, 1.0, 0.006, 0.0, 0.1, 0.4, kind="normal"), 6)
    0.006197
    """
    if kind not in ("lognormal", "normal"):
        raise InputError(f"kind {kind!r} is unknown; expected 'lognormal' or 'normal'")
    a = _given(strike, forward, years, alpha, beta, rho, nu, shift, any_sign=kind == "normal")
    return a.restore(_computed(a, 0 if kind == "lognormal" else 1), "vol")


def sabr_density(
    strike: NumberLike,
    forward: NumberLike,
    years: NumberLike,
    alpha: NumberLike,
    beta: NumberLike,
    rho: NumberLike,
    nu: NumberLike,
    *,
    shift: float = 0.0,
) -> Any:
    """Density of the forward at expiry that Hagan's lognormal vols imply: negative where a butterfly is an arbitrage.

    Parameters
    ----------
    strike, forward, years, alpha, beta, rho, nu, shift
        As in `sabr_vol`; years positive.

    Returns
    -------
    float, ndarray or Series
        Probability a unit of price.

    Raises
    ------
    InputError
        As `sabr_vol`, and if years are not positive.

    Notes
    -----
    O(n). Source: Breeden and Litzenberger 1978; Gatheral and Jacquier 2014, equations 2.1 and 2.2.

    Examples
    --------
    >>> from qflib.pricing import sabr_density
    >>> sabr_density([0.02, 1.0], 1.0, 20.0, 0.25, 0.3, -0.8, 0.3).round(4)
    array([-10.8754,   0.2913])
    """
    a = _given(strike, forward, years, alpha, beta, rho, nu, shift, any_sign=False)
    if not (a.values[2] > 0.0).all():
        raise InputError(f"years {a.values[2].min()} must be positive: at expiry there is no density")
    factor, vol = _computed(a, 2), _computed(a, 0)
    s = vol * np.sqrt(a.values[2])
    d2 = np.log(a.values[1] / a.values[0]) / s - 0.5 * s
    return a.restore(factor * np.exp(-0.5 * d2 * d2) / (np.sqrt(2.0 * np.pi) * a.values[0] * s), "density")


@dataclass(frozen=True, eq=False)
class SabrSlice:
    """A fitted SABR smile of one expiry.

    Parameters
    ----------
    forward, years, shift
        Of the smile.
    alpha, beta, rho, nu
        As in `sabr_vol`.
    quotes
        What it was fitted to: columns strike, vol, fitted.
    rmse
        Of fitted minus quoted vol.
    """

    forward: float
    years: float
    alpha: float
    beta: float
    rho: float
    nu: float
    shift: float
    quotes: pd.DataFrame = field(repr=False)
    rmse: float

    @property
    def butterfly_free(self) -> bool:
        """Whether the density is nowhere negative between the lowest and highest strike quoted (401 strikes)."""
        return self.first_arbitrage is None

    @property
    def first_arbitrage(self) -> float | None:
        """The highest strike below the forward, else the lowest above, where the density is negative; None: nowhere."""
        low, high = self.quotes["strike"].min(), self.quotes["strike"].max()
        strikes = np.exp(np.linspace(np.log(low + self.shift), np.log(high + self.shift), 401)) - self.shift
        terms = (self.forward, self.years, self.alpha, self.beta, self.rho, self.nu)
        bad = strikes[np.asarray(sabr_density(strikes, *terms, shift=self.shift)) < 0.0]
        if not bad.size:
            return None
        below = bad[bad < self.forward]
        return float(below.max() if below.size else bad.min())

    def vol(self, strike: NumberLike) -> Any:
        """Lognormal vol (of the shifted forward) at strikes; O(n)."""
        terms = (self.forward, self.years, self.alpha, self.beta, self.rho, self.nu)
        return sabr_vol(strike, *terms, shift=self.shift)

    def to_frame(self) -> pd.DataFrame:
        """The quotes and the fit, a row a strike."""
        return self.quotes.copy()

    def plot(self) -> Any:
        """Vol over strike: quotes as dots, the fit as a line."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)

        strikes = np.linspace(self.quotes["strike"].min(), self.quotes["strike"].max(), 201)
        line = hv.Curve((strikes, self.vol(strikes)), "strike", "vol").opts(color="#1f4e9c", line_width=2)
        dots = hv.Scatter((self.quotes["strike"], self.quotes["vol"]), "strike", "vol").opts(color="#222222", size=5)
        title = f"SABR, {self.years:.4g} years: rmse {100 * self.rmse:.3f} points"
        return (line * dots).opts(title=title, width=700, height=360, show_grid=True)

    def _repr_html_(self) -> str:
        head = (
            f"<p><b>SABR</b> {self.years:.4g} years, forward {self.forward:.6g}: alpha {self.alpha:.5g}, beta "
            f"{self.beta:.3g}, rho {self.rho:.4f}, nu {self.nu:.4f}, rmse {100 * self.rmse:.3f} points, butterfly-free "
            f"{self.butterfly_free}</p>"
        )
        return head + self.quotes.to_html(float_format=lambda v: f"{v:.6g}")


def fit_sabr(
    strike: NumberLike,
    vol: NumberLike,
    forward: float,
    years: float,
    *,
    beta: float = 0.5,
    shift: float = 0.0,
    weights: NumberLike | None = None,
) -> SabrSlice:
    """Fit alpha, rho and nu of a SABR smile to the lognormal vols of one expiry.

    Parameters
    ----------
    strike, vol
        Quotes; at least three. NaN vols are left out.
    forward, years, shift
        Of the smile.
    beta
        Held: a smile tells beta and rho apart badly.
    weights
        Of the errors; default: alike.

    Returns
    -------
    SabrSlice
        Frozen; `vol`, `rmse`, `butterfly_free`, `to_frame`.

    Raises
    ------
    InputError
        If a value is out of range.
    DataError
        If fewer than three vols are there.

    Notes
    -----
    Least squares, O(n) an iteration, tens of iterations. Source: as `sabr_vol`.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.pricing import fit_sabr, sabr_vol
    >>> strikes = np.linspace(70.0, 140.0, 15)
    >>> smile = fit_sabr(strikes, sabr_vol(strikes, 100.0, 0.5, 2.0, 0.5, -0.3, 0.8), forward=100.0, years=0.5)
    >>> round(smile.alpha, 6), round(smile.rho, 6), round(smile.nu, 6), smile.butterfly_free
    (2.0, -0.3, 0.8, True)
    """
    strikes, vols = np.atleast_1d(np.asarray(strike, np.float64)), np.atleast_1d(np.asarray(vol, np.float64))
    if strikes.shape != vols.shape or strikes.ndim != 1:
        raise InputError(f"strikes of shape {strikes.shape} do not go with vols of {vols.shape}; give one each")
    w = np.ones_like(vols) if weights is None else np.broadcast_to(np.asarray(weights, np.float64), vols.shape)
    there = np.isfinite(vols)
    strikes, vols, w = strikes[there], vols[there], w[there]
    if strikes.size < 3:
        raise DataError(f"{strikes.size} vols cannot tell alpha, rho and nu; give at least three")
    at_money = float(vols[np.argmin(np.abs(strikes - forward))])
    start = at_money * (forward + shift) ** (1.0 - beta) if forward + shift > 0.0 else at_money

    def terms(x: Floats) -> tuple[float, float, float, float]:
        return start * float(np.exp(x[0])), beta, float(np.tanh(x[1])), float(np.exp(x[2]))

    def errors(x: Floats) -> Floats:
        return np.asarray((sabr_vol(strikes, forward, years, *terms(x), shift=shift) - vols) * w)

    tried = [least_squares(errors, [0.0, rho, np.log(nu)], max_nfev=200) for rho in (-0.5, 0.3) for nu in (0.3, 1.5)]
    best = min(tried, key=lambda found: float(found.cost))
    alpha, _, rho, nu = terms(np.asarray(best.x, np.float64))
    fitted = sabr_vol(strikes, forward, years, alpha, beta, rho, nu, shift=shift)
    quotes = pd.DataFrame({"strike": strikes, "vol": vols, "fitted": fitted})
    rmse = float(np.sqrt(np.mean((fitted - vols) ** 2)))
    return SabrSlice(forward, years, alpha, beta, rho, nu, shift, quotes, rmse)


def _computed(a: Arguments, kind: int) -> Floats:
    strike, forward, years, alpha, beta, rho, nu = a.values
    out = np.empty(a.size)
    sabr_batch(forward, strike, years, alpha, beta, rho, nu, kind, out)
    return out


def _given(
    strike: NumberLike,
    forward: NumberLike,
    years: NumberLike,
    alpha: NumberLike,
    beta: NumberLike,
    rho: NumberLike,
    nu: NumberLike,
    shift: float,
    *,
    any_sign: bool,
) -> Arguments:
    a = arguments(
        "call",
        normal_strike=strike,
        normal_forward=forward,
        years=years,
        alpha=alpha,
        beta=beta,
        rho=rho,
        nu=nu,
    )
    _, k, f, t, al, be, r, n = a.values
    for name, x, right, expected in (
        ("alpha", al, al > 0.0, "positive"),
        ("beta", be, (be >= 0.0) & (be <= 1.0), "within 0 and 1"),
        ("rho", r, np.abs(r) < 1.0, "within -1 and 1"),
        ("nu", n, n >= 0.0, "at least 0"),
        ("strike", k, (k + shift > 0.0) | (any_sign & (be == 0.0)), f"above -shift ({-shift:g})"),
        ("forward", f, (f + shift > 0.0) | np.isnan(f) | (any_sign & (be == 0.0)), f"above -shift ({-shift:g})"),
    ):
        if not right.all():
            raise InputError(f"SABR {name} {x[~right][0]} is out of range; it must be {expected}")
    return Arguments((frozen(k + shift), frozen(f + shift), t, al, be, r, n), a.shape, a.index)
