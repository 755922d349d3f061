"""Prices, Greeks, implied vols, surfaces, and the market they live in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.lazy import lazy

if TYPE_CHECKING:
    from qflib.pricing.digitals import digital
    from qflib.pricing.european import bachelier, black76, black_scholes
    from qflib.pricing.inverse import inverse_black76, inverse_greeks
    from qflib.pricing.inversion import implied_vol
    from qflib.pricing.market import Market
    from qflib.pricing.parity import parity_forwards
    from qflib.pricing.sensitivities import greeks
    from qflib.pricing.surface import Surface
    from qflib.pricing.surface_fit import fit_surface

__getattr__, __dir__ = lazy(
    __name__,
    {
        "Market": "market",
        "Surface": "surface",
        "bachelier": "european",
        "black76": "european",
        "black_scholes": "european",
        "digital": "digitals",
        "fit_surface": "surface_fit",
        "greeks": "sensitivities",
        "implied_vol": "inversion",
        "inverse_black76": "inverse",
        "inverse_greeks": "inverse",
        "parity_forwards": "parity",
    },
)

__all__ = [
    "Market",
    "Surface",
    "bachelier",
    "black76",
    "black_scholes",
    "digital",
    "fit_surface",
    "greeks",
    "implied_vol",
    "inverse_black76",
    "inverse_greeks",
    "parity_forwards",
]
