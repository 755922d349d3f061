"""Raw SVI slices through a chain's smiles, an expiry each, and what Durrleman's g and the calendar say of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import QflibError
from qflib.pricing.inputs import Floats
from qflib.pricing.surface import Surface
from qflib.pricing.svi import svi_durrleman
from qflib.pricing.svi_forms import SviSlice, fit_svi, svi_from_natural

#: Columns of `slice_flags`.
FLAGS = ("least_g", "least_g_k", "least_rise")
_FEWEST = 5  # quotes that a slice's five parameters take
_GRID = 401
_FINEST_VOL, _WIDE_VOL = 0.001, 0.1  # half-spreads: as the surface's fit weighs quotes


def fit_slices(quotes: pd.DataFrame, surface: Surface) -> dict[Any, SviSlice]:
    """A raw SVI slice of each expiry of a surface that has five quotes, not all of one strike, errors in half-spreads.

    Parameters
    ----------
    quotes
        Those that are fitted: columns expiry, years, k, iv, bid_iv, ask_iv.
    surface
        Where the slices begin.

    Returns
    -------
    dict
        Expiry -> slice; of one whose fit does not end there is none.

    Notes
    -----
    A slice follows its own quotes alone: it may have arbitrage where they do. O(quotes) a step.
    Source: as `fit_svi`.

    Examples
    --------
    >>> import qflib as qf
    >>> from qflib.pricing import fit_smiles
    >>> from qflib.pricing.smile_slices import fit_slices
    >>> smiles = fit_smiles(qf.datasets.load("sim", seed=7, duration="2s").chain("ACME"))
    >>> slices = fit_slices(smiles.quotes[smiles.quotes["used"]], smiles.surface)
    >>> [s.butterfly_free for s in slices.values()]
    [True, True]
    """
    made = {}
    thetas = dict(zip(np.sort(surface.quotes["expiry"].unique()), surface.theta, strict=True))
    for expiry, own in quotes.groupby("expiry", sort=True):
        if expiry not in thetas or len(own) < _FEWEST or own["k"].nunique() < 2:
            continue
        theta = thetas[expiry]
        phi = surface.eta / (theta**surface.gamma * (1.0 + theta) ** (1.0 - surface.gamma))
        begin = svi_from_natural(0.0, 0.0, surface.rho, float(theta), float(phi))
        half = (0.5 * (own["ask_iv"] - own["bid_iv"])).clip(lower=_FINEST_VOL).fillna(_WIDE_VOL)
        iv, years = own["iv"].to_numpy(np.float64), own["years"].to_numpy(np.float64)
        weights = 1.0 / (2.0 * iv * years * half.to_numpy(np.float64))  # half-spreads of total variance
        with suppress(QflibError, ValueError, np.linalg.LinAlgError):  # the solver's own words
            made[expiry] = fit_svi(
                own["k"].to_numpy(np.float64), iv * iv * years, weights=weights, start=(begin["m"], begin["sigma"])
            )
    return made


def slice_flags(slices: Mapping[Any, SviSlice]) -> pd.DataFrame:
    """Least of Durrleman's g of each slice on its quoted range, where that is, and the least rise of total variance.

    Parameters
    ----------
    slices
        Expiry -> slice, nearest first.

    Returns
    -------
    DataFrame
        Index expiry; least_g, least_g_k, NaN of a slice of one strike, and least_rise from the slice before on the
        range that both quote: NaN of the first, and where there is none.

    Notes
    -----
    Source: Gatheral and Jacquier 2014, equation 2.1 and lemma 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.pricing.smile_slices import slice_flags
    >>> from qflib.pricing.svi import svi_total_variance
    >>> from qflib.pricing.svi_forms import fit_svi
    >>> k = np.linspace(-1.0, 1.5, 26)  # Axel Vogt's slice
    >>> vogt = fit_svi(k, svi_total_variance(k, -0.0410, 0.1331, 0.3060, 0.3586, 0.4153))
    >>> bool((slice_flags({"2027-01-15": vogt})["least_g"] < 0).all())
    True
    """
    rows: dict[Any, tuple[float, float, float]] = {}
    for expiry, s in slices.items():
        k = _grid(s, s)
        if not k.size:
            rows[expiry] = (float("nan"),) * 3
            continue
        g: Floats = svi_durrleman(k, s.a, s.b, s.rho, s.m, s.sigma)
        rows[expiry] = float(g.min()), float(k[int(g.argmin())]), float("nan")
    for near, far in pairwise(slices):
        k = _grid(slices[near], slices[far])
        if k.size:
            rise = slices[far].total_variance(k) - slices[near].total_variance(k)
            rows[far] = *rows[far][:2], float(rise.min())
    return pd.DataFrame(rows.values(), index=pd.Index(rows, name="expiry"), columns=list(FLAGS))


def _grid(one: SviSlice, other: SviSlice) -> Floats:
    """The range of k that both quote; empty where there is none."""
    low = max(float(s.quotes["k"].min()) for s in (one, other))
    high = min(float(s.quotes["k"].max()) for s in (one, other))
    return np.linspace(low, high, _GRID) if high > low else np.empty(0)
