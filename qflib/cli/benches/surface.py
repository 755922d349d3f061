"""The fit of an SSVI surface to a chain of ten expiries, from bid and ask to the surface."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from qflib.cli.bench import Row, timed
from qflib.pricing import black76, fit_surface

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
    yield timed("ten_expiries", lambda: fit_surface(quotes), unit="ms", of="fit")
    rmse = fit_surface(quotes).rmse
    yield Row("ten_expiries_rmse", rmse, rmse, "vol")
