"""Prices, Greeks, implied vols, surfaces, and the market they live in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.lazy import lazy

if TYPE_CHECKING:
    from qflib.pricing.american_inversion import american_implied_vol
    from qflib.pricing.american_options import american, american_greeks, exercise_boundary
    from qflib.pricing.asian_sensitivities import asian_continuous_greeks, asian_greeks
    from qflib.pricing.asian_simulated import asian_monte_carlo
    from qflib.pricing.asians import asian, asian_continuous
    from qflib.pricing.barrier_sensitivities import barrier_greeks
    from qflib.pricing.barriers import barrier_option
    from qflib.pricing.digital_sensitivities import digital_greeks
    from qflib.pricing.digitals import digital
    from qflib.pricing.european import bachelier, black76, black_scholes
    from qflib.pricing.forward_sensitivities import bachelier_greeks, shifted_greeks
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
    from qflib.pricing.rough_heston_model import rough_heston, rough_heston_greeks
    from qflib.pricing.sabr import fit_sabr, sabr_density, sabr_vol
    from qflib.pricing.sabr_sensitivities import sabr_greeks
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
        "atm_strike": "fx_deltas",
        "average_premium": "perpetuals",
        "asian_continuous_greeks": "asian_sensitivities",
        "asian_greeks": "asian_sensitivities",
        "asian_monte_carlo": "asian_simulated",
        "bachelier": "european",
        "bachelier_greeks": "forward_sensitivities",
        "barrier_greeks": "barrier_sensitivities",
        "barrier_option": "barriers",
        "binance_funding_rate": "perpetuals",
        "black76": "european",
        "black_scholes": "european",
        "deribit_funding_rate": "perpetuals",
        "digital": "digitals",
        "digital_greeks": "digital_sensitivities",
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
        "rough_heston_greeks": "rough_heston_model",
        "sabr_density": "sabr",
        "sabr_greeks": "sabr_sensitivities",
        "sabr_vol": "sabr",
        "shifted_black76": "shifted",
        "shifted_greeks": "forward_sensitivities",
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
    "asian_continuous_greeks",
    "asian_greeks",
    "asian_monte_carlo",
    "atm_strike",
    "average_premium",
    "bachelier",
    "bachelier_greeks",
    "barrier_greeks",
    "barrier_option",
    "binance_funding_rate",
    "black76",
    "black_scholes",
    "deribit_funding_rate",
    "digital",
    "digital_greeks",
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
    "rough_heston_greeks",
    "sabr_density",
    "sabr_greeks",
    "sabr_vol",
    "shifted_black76",
    "shifted_greeks",
    "shifted_implied_vol",
]
