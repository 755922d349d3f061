"""The fit of an SSVI surface to a chain of ten expiries, from bid and ask to the surface; peers: slices of SVI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from qflib.cli.bench import Row, timed
from qflib.cli.benches.options import beside
from qflib.pricing import black76, fit_surface, implied_vol

_EXPIRIES, _STRIKES = 10, 41


def chain(seed: int = 1) -> pd.DataFrame:
    """Quotes a tick wide around a known skew, with noise of half a tick: 41 strikes each of ten expiries."""
    rng = np.random.default_rng(seed)
    years = np.repeat(np.linspace(0.05, 2.0, _EXPIRIES), _STRIKES)
    k = np.tile(np.linspace(-0.4, 0.4, _STRIKES), _EXPIRIES) * np.sqrt(years + 0.1)
    vol = 0.2 - 0.08 * k / np.sqrt(years + 0.25) + 0.1 * k * k / (years + 0.25)
    frame = pd.DataFrame({"strike": 4000.0 * np.exp(k), "forward": 4000.0, "years": years, "rate": 0.03})
    frame["right"] = np.where(k < 0, "put", "call")
    frame["expiry"] = pd.Timestamp("2026-01-05T21:00Z") + pd.to_timedelta((years * 365).round(), unit="D")
    mid = black76(frame["right"], 4000.0, frame["strike"], years, vol, 0.03) + rng.uniform(-0.025, 0.025, len(frame))
    frame["bid"], frame["ask"] = mid - 0.05, mid + 0.05
    frame["mid"] = mid
    return frame[frame["bid"] > 0.05].reset_index(drop=True)


def rows(peers: bool) -> Iterator[Row]:
    """Milliseconds a fit, vols from mids in it; how far fitted vols are from quoted ones."""
    quotes = chain()
    row = timed("ten_expiries", lambda: fit_surface(quotes), unit="ms", of="fit")
    note = (
        f"{len(quotes)} quotes to an SSVI surface without arbitrage; peers: ten SVI slices of vols known, unconstrained"
    )
    yield row._replace(peers=_peers(quotes) if peers else {}, note=note)
    rmse = fit_surface(quotes).rmse
    yield Row("ten_expiries_rmse", rmse, rmse, "vol")


def _peers(quotes: pd.DataFrame) -> dict[str, float]:
    """Milliseconds ten slices, a slice a call, from vols that were implied before."""
    vol, _ = implied_vol(quotes["mid"], quotes["right"], quotes["strike"], quotes["years"], forward=4000.0, rate=0.03)
    slices = [
        (float(g["years"].iloc[0]), g["strike"].to_numpy(), vol[g.index].to_numpy()) for _, g in quotes.groupby("years")
    ]
    start = {"a": 0.01, "b": 0.1, "sigma": 0.2, "rho": -0.3, "m": 0.0}

    def quantlib(ql: Any) -> Callable[[], object]:
        today = ql.Date(1, 1, 2020)
        ql.Settings.instance().evaluationDate = today

        def one(years: float, strikes: Any, vols: Any) -> object:
            at = float(np.interp(4000.0, strikes, vols))
            made = ql.SviInterpolatedSmileSection(
                today + round(365 * years), 4000.0, strikes.tolist(), False, at, vols.tolist(), *start.values(),
                *[False] * 5,
            )  # fmt: skip
            return made.volatility(4000.0)

        return lambda: [one(*s) for s in slices]

    def scipy(optimize: Any) -> Callable[[], object]:
        def one(years: float, strikes: Any, vols: Any) -> object:
            k = np.log(strikes / 4000.0)

            def errors(x: Any) -> Any:
                a, b, sigma, rho, m = x
                w = a + b * (rho * (k - m) + np.sqrt((k - m) ** 2 + sigma * sigma))
                return np.sqrt(np.maximum(w, 1e-12) / years) - vols

            return optimize.least_squares(errors, list(start.values()))

        return lambda: [one(*s) for s in slices]

    found = beside({"QuantLib SVI": ("QuantLib", quantlib, 1), "SciPy least squares SVI": ("scipy.optimize", scipy, 1)})
    return {name: nanoseconds / 1e6 for name, nanoseconds in found.items()}
