"""Implied-vol surfaces: SSVI, free of butterfly and calendar arbitrage by construction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.kernels.ssvi import ssvi_variance_batch
from qflib.pricing.inputs import Floats
from qflib.pricing.svi import svi_durrleman

YEAR = pd.Timedelta(days=365)  # ACT/365


@dataclass(frozen=True, eq=False)
class Surface:
    """An SSVI surface with power-law slope, as `fit_surface` makes it.

    Parameters
    ----------
    underlying
        Its name, empty where the chain had none.
    at
        The instant it was fitted at.
    years, forwards, theta
        A fitted expiry each: time (ACT/365), forward, total variance at the money, which never falls with time.
    rho, eta, gamma
        Skew, slope and its decay: eta (1 + abs(rho)) <= 2 and 0 < gamma <= 1/2 exclude arbitrage.
    quotes
        The quotes fitted to: columns expiry, years, k, iv, fitted.
    rmse, max_error
        Of fitted minus quoted vol, in vol (0.01 is a point).

    Notes
    -----
    Between expiries theta is linear in time; before the first it falls to zero with time, beyond the last the
    vol at the money stays.
    Source: Gatheral and Jacquier 2014, "Arbitrage-free SVI volatility surfaces", section 4.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from qflib.pricing import Surface
    >>> ends, at = np.array([0.5, 1.0]), pd.Timestamp("2026-01-02", tz="UTC")
    >>> terms = dict(forwards=np.array([100.0, 101.0]), theta=np.array([0.02, 0.04]), rho=-0.4, eta=0.8, gamma=0.4)
    >>> surface = Surface("ACME", at, ends, quotes=pd.DataFrame(), rmse=0.0, max_error=0.0, **terms)
    >>> surface.butterfly_free
    True
    """

    underlying: str
    at: pd.Timestamp
    years: Floats
    forwards: Floats
    theta: Floats
    rho: float
    eta: float
    gamma: float
    quotes: pd.DataFrame = field(repr=False)
    rmse: float
    max_error: float

    @property
    def butterfly_free(self) -> bool:
        """Whether theta phi (1 + |rho|) < 4 and theta phi^2 (1 + |rho|) <= 4 at every expiry (theorem 4.2)."""
        phi = self.eta / (self.theta**self.gamma * (1.0 + self.theta) ** (1.0 - self.gamma))
        wing = 1.0 + abs(self.rho)
        return bool(np.all(self.theta * phi * wing < 4.0) and np.all(self.theta * phi * phi * wing <= 4.0 + 1e-12))

    @property
    def calendar_free(self) -> bool:
        """Whether theta never falls (theorem 4.1; the power law meets its other condition for gamma in (0, 1])."""
        return bool(np.all(np.diff(self.theta) >= 0.0) and 0.0 < self.gamma <= 1.0)

    def total_variance(self, k: Any, years: Any) -> Any:
        """Total variance vol^2 T at ln(strike / forward) and years to expiry; broadcasts, O(n).

        Raises
        ------
        InputError
            If years are negative or not a number.
        """
        k, t = np.broadcast_arrays(np.asarray(k, np.float64), np.asarray(years, np.float64))
        if not np.all(t >= 0.0):
            raise InputError(f"years {years} must be at least 0; give the time to expiry")
        inside = np.interp(t, np.append(0.0, self.years), np.append(0.0, self.theta))
        theta = np.where(t > self.years[-1], self.theta[-1] / self.years[-1] * t, inside)
        flat, out = [np.array(a, np.float64).reshape(-1) for a in (k, theta)], np.empty(k.size)
        for a in flat:
            a.flags.writeable = False
        ssvi_variance_batch(flat[0], flat[1], self.rho, self.eta, self.gamma, out)
        return out.reshape(k.shape) if k.shape else float(out[0])

    def forward(self, years: Any) -> Any:
        """Forward at years to expiry: log-linear between the fitted ones, flat outside."""
        return np.exp(np.interp(years, self.years, np.log(self.forwards)))

    def vol(self, strike: Any, expiry: Any, forward: Any = None) -> Any:
        """Implied vol at a strike and expiry.

        Parameters
        ----------
        strike
            In quote currency, positive; broadcasts with the others.
        expiry
            An instant with a time zone (or an index or Series of them), or years from the surface's instant.
        forward
            To that expiry; default: the surface's own.

        Returns
        -------
        float or ndarray
            Annual vol.

        Raises
        ------
        InputError
            If a strike is not positive or an expiry has passed.
        """
        t = self._years(expiry)
        f = self.forward(t) if forward is None else np.asarray(forward, np.float64)
        strikes = np.asarray(strike, np.float64)
        if not np.all(strikes > 0.0):
            raise InputError(f"strike {strike} must be positive; give it in quote currency")
        if not np.all(t > 0.0):
            raise InputError(f"expiry {expiry} is not after {self.at}; a vol needs time to expiry")
        out = np.sqrt(self.total_variance(np.log(strikes / f), t) / t)
        return float(out) if np.ndim(out) == 0 else out

    def density(self, strike: Any, expiry: Any, forward: Any = None) -> Any:
        """Density of the underlying at an expiry, under the forward measure: a butterfly's worth per strike squared.

        Parameters
        ----------
        strike, expiry, forward
            As in `vol`.

        Returns
        -------
        float or ndarray
            Per unit of strike; below 0 where the surface has butterfly arbitrage. O(n).

        Raises
        ------
        InputError
            As `vol`.

        Notes
        -----
        g(k) n(d2) / (K sqrt(w)), g Durrleman's function of the slice, an SVI one. Source: Gatheral and Jacquier 2014,
        "Arbitrage-free SVI volatility surfaces", equation 2.3; Breeden and Litzenberger 1978, Journal of Business 51.
        """
        vol = np.asarray(self.vol(strike, expiry, forward), np.float64)
        t = self._years(expiry)
        f = self.forward(t) if forward is None else np.asarray(forward, np.float64)
        strikes = np.asarray(strike, np.float64)
        k, theta, w = np.log(strikes / f), np.asarray(self.total_variance(0.0, t), np.float64), vol * vol * t
        phi = self.eta / (theta**self.gamma * (1.0 + theta) ** (1.0 - self.gamma))
        root = np.sqrt(1.0 - self.rho**2)
        g = svi_durrleman(
            k, a=theta / 2.0 * root**2, b=theta * phi / 2.0, rho=self.rho, m=-self.rho / phi, sigma=root / phi
        )
        d2 = -k / np.sqrt(w) - np.sqrt(w) / 2.0
        out = g * np.exp(-0.5 * d2 * d2) / (strikes * np.sqrt(2.0 * np.pi * w))
        return float(out) if np.ndim(out) == 0 else out

    def to_frame(self) -> pd.DataFrame:
        """One row a fitted expiry: years, forward, atm_vol, theta, n_quotes, rmse."""
        error = (self.quotes["fitted"] - self.quotes["iv"]) ** 2
        by = error.groupby(self.quotes["expiry"])
        frame = pd.DataFrame(
            {
                "years": self.years,
                "forward": self.forwards,
                "atm_vol": np.sqrt(self.theta / self.years),
                "theta": self.theta,
            },
            index=pd.Index(by.mean().index, name="expiry"),
        )
        return frame.assign(n_quotes=by.size(), rmse=np.sqrt(by.mean()))

    def plot(self) -> Any:
        """Quoted vols (dots) and the fit (lines) in points over ln(strike / forward), an expiry a colour."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)

        overlay, colors = [], hv.Cycle("Category10").values
        for j, (expiry, q) in enumerate(self.quotes.groupby("expiry")):
            k = np.linspace(q["k"].min() - 0.02, q["k"].max() + 0.02, 61)
            t = float(q["years"].iloc[0])
            fitted = 100 * np.sqrt(self.total_variance(k, t) / t)
            color, day = colors[j % len(colors)], f"{expiry:%Y-%m-%d}"
            overlay.append(hv.Curve((k, fitted), "k", "vol", label=f"{day} fit").opts(color=color, line_width=2))
            dots = hv.Scatter((q["k"].to_numpy(), 100 * q["iv"].to_numpy()), "k", "vol", label=f"{day} quotes")
            overlay.append(dots.opts(color=color, size=6))
        at, rmse = self.at.tz_convert("UTC"), 100 * self.rmse
        title = f"{self.underlying} SSVI at {at:%Y-%m-%d %H:%M} UTC, rmse {rmse:.2f} vol points".strip()
        return hv.Overlay(overlay).opts(
            title=title, xlabel="ln(strike / forward)", ylabel="implied vol, points (1 is 0.01)",
            legend_position="right", show_grid=True,
            width=900, height=400,
        )  # fmt: skip

    def plot_density(self) -> Any:
        """The density of the underlying at each fitted expiry, over strikes."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)

        overlay, colors = [], hv.Cycle("Category10").values
        for j, (years, forward) in enumerate(zip(self.years.tolist(), self.forwards.tolist(), strict=True)):
            wide = 4.0 * np.sqrt(self.theta[j])
            strikes = forward * np.exp(np.linspace(-wide, wide, 241))
            day = f"{self.at + pd.Timedelta(years * YEAR):%Y-%m-%d}"
            line = hv.Curve((strikes, self.density(strikes, years)), "strike", "density", label=day)
            overlay.append(line.opts(color=colors[j % len(colors)], line_width=2))
        return hv.Overlay(overlay).opts(
            title=f"{self.underlying} density at expiry".strip(), xlabel="strike", ylabel="density",
            legend_position="right", show_grid=True, width=900, height=400,
        )  # fmt: skip

    def plot_surface(self) -> Any:
        """Vols in points over ln(strike / forward), in deviations at the money, and time to expiry."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)

        sizes, years = np.linspace(-3.0, 3.0, 61), np.linspace(self.years[0], self.years[-1], 40)
        if len(self.years) == 1:
            raise InputError("the surface has one expiry; `plot` shows its smile")
        at_money = np.sqrt(self.total_variance(0.0, years))
        vols = 100 * np.sqrt(self.total_variance(sizes[None, :] * at_money[:, None], years[:, None]) / years[:, None])
        image = hv.QuadMesh((sizes, 365 * years, vols), ["moneyness", "days"], "vol")
        return image.opts(
            title=f"{self.underlying} implied vol, points".strip(), xlabel="ln(strike / forward), deviations",
            ylabel="days to expiry", cmap="viridis", colorbar=True, tools=["hover"], width=900, height=400,
        )  # fmt: skip

    def __repr__(self) -> str:
        return (
            f"Surface({self.underlying or 'SSVI'} at {self.at}: {len(self.years)} expiries, "
            f"{len(self.quotes):,} quotes; "
            f"rho {self.rho:.3f}, eta {self.eta:.3f}, gamma {self.gamma:.3f}; "
            f"rmse {100 * self.rmse:.3f} vol points, largest error {100 * self.max_error:.3f})"
        )

    def _repr_html_(self) -> str:
        head = (
            f"<p><b>{self.underlying} SSVI</b> at {self.at}: rho {self.rho:.3f}, eta {self.eta:.3f}, gamma "
            f"{self.gamma:.3f}, rmse {100 * self.rmse:.3f} points, butterfly-free {self.butterfly_free}, "
            f"calendar-free {self.calendar_free}</p>"
        )
        return head + self.to_frame().to_html(float_format=lambda v: f"{v:.6g}")

    def _years(self, expiry: Any) -> Floats:
        if isinstance(expiry, pd.Timestamp):
            return np.asarray((_aware(expiry) - self.at) / YEAR, np.float64)
        if isinstance(expiry, pd.Series | pd.DatetimeIndex) and isinstance(expiry.dtype, pd.DatetimeTZDtype):
            return np.asarray((expiry - self.at) / YEAR, np.float64)
        try:
            return np.asarray(expiry, np.float64)
        except (TypeError, ValueError):
            raise InputError(f"expiry {expiry!r} is neither an instant with a time zone nor years") from None


def _aware(expiry: pd.Timestamp) -> pd.Timestamp:
    if expiry.tzinfo is None:
        raise InputError(f"expiry {expiry} has no time zone; give one as 2026-03-20T21:00Z")
    return expiry
