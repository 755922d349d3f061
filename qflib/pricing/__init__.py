"""Prices, Greeks, implied vols, surfaces, and the market they live in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.lazy import lazy

if TYPE_CHECKING:
    from qflib.pricing.american_inversion import american_implied_vol
    from qflib.pricing.american_options import american, american_greeks, exercise_boundary
    from qflib.pricing.asians import asian, asian_continuous, asian_monte_carlo
    from qflib.pricing.barriers import barrier_option
    from qflib.pricing.digitals import digital
    from qflib.pricing.european import bachelier, black76, black_scholes
    from qflib.pricing.fx_deltas import atm_strike, fx_delta, fx_strike
    from qflib.pricing.heston_model import fit_heston, heston, heston_greeks
    from qflib.pricing.inverse import inverse_black76, inverse_greeks
    from qflib.pricing.inversion import implied_vol
    from qflib.pricing.market import Market
    from qflib.pricing.parity import parity_forwards
    from qflib.pricing.perpetuals import (
        average_premium,
        binance_funding_rate,
        deribit_funding_rate,
        funding_payments,
        futures_pnl,
        perpetual_fair_price,
        premium_index,
    )  # fmt: skip
    from qflib.pricing.rough_heston_model import rough_heston
    from qflib.pricing.sabr import fit_sabr, sabr_density, sabr_vol
    from qflib.pricing.sensitivities import greeks
    from qflib.pricing.shifted import shifted_black76, shifted_implied_vol
    from qflib.pricing.smiles import Smiles, fit_smiles
    from qflib.pricing.surface import Surface
    from qflib.pricing.surface_fit import fit_surface

__getattr__, __dir__ = lazy(
    __name__,
    {
        "Market": "market",
        "Smiles": "smiles",
        "Surface": "surface",
        "american": "american_options",
        "american_greeks": "american_options",
        "american_implied_vol": "american_inversion",
        "asian": "asians",
        "asian_continuous": "asians",
        "asian_monte_carlo": "asians",
        "atm_strike": "fx_deltas",
        "average_premium": "perpetuals",
        "bachelier": "european",
        "barrier_option": "barriers",
        "binance_funding_rate": "perpetuals",
        "black76": "european",
        "black_scholes": "european",
        "deribit_funding_rate": "perpetuals",
        "digital": "digitals",
        "exercise_boundary": "american_options",
        "fit_heston": "heston_model",
        "fit_sabr": "sabr",
        "fit_smiles": "smiles",
        "fit_surface": "surface_fit",
        "funding_payments": "perpetuals",
        "futures_pnl": "perpetuals",
        "fx_delta": "fx_deltas",
        "fx_strike": "fx_deltas",
        "greeks": "sensitivities",
        "heston": "heston_model",
        "heston_greeks": "heston_model",
        "implied_vol": "inversion",
        "inverse_black76": "inverse",
        "inverse_greeks": "inverse",
        "parity_forwards": "parity",
        "perpetual_fair_price": "perpetuals",
        "premium_index": "perpetuals",
        "rough_heston": "rough_heston_model",
        "sabr_density": "sabr",
        "sabr_vol": "sabr",
        "shifted_black76": "shifted",
        "shifted_implied_vol": "shifted",
    },
)

__all__ = [
    "Market",
    "Smiles",
    "Surface",
    "american",
    "american_greeks",
    "american_implied_vol",
    "asian",
    "asian_continuous",
    "asian_monte_carlo",
    "atm_strike",
    "average_premium",
    "bachelier",
    "barrier_option",
    "binance_funding_rate",
    "black76",
    "black_scholes",
    "deribit_funding_rate",
    "digital",
    "exercise_boundary",
    "fit_heston",
    "fit_sabr",
    "fit_smiles",
    "fit_surface",
    "funding_payments",
    "futures_pnl",
    "fx_delta",
    "fx_strike",
    "greeks",
    "heston",
    "heston_greeks",
    "implied_vol",
    "inverse_black76",
    "inverse_greeks",
    "parity_forwards",
    "perpetual_fair_price",
    "premium_index",
    "rough_heston",
    "sabr_density",
    "sabr_vol",
    "shifted_black76",
    "shifted_implied_vol",
]
