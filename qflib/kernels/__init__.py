"""Kernels: NumPy and Numba only, batch in, batch out; one file is one mathematical object.

The names here are those that a promoted step may call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qflib.kernels.black_scholes import black_scholes_price as bs_price
    from qflib.kernels.black_scholes_greeks import greeks as bs_greeks
    from qflib.kernels.level_ladder import book_apply
    from qflib.kernels.no_trade_band import band_update
    from qflib.kernels.order_flow import ofi_update
    from qflib.kernels.rolling_es import es_state, es_update

#: name -> (module, its name there)
STEP_KERNELS: dict[str, tuple[str, str]] = {
    "band_update": ("no_trade_band", "band_update"),
    "book_apply": ("level_ladder", "book_apply"),
    "bs_greeks": ("black_scholes_greeks", "greeks"),
    "bs_price": ("black_scholes", "black_scholes_price"),
    "es_state": ("rolling_es", "es_state"),
    "es_update": ("rolling_es", "es_update"),
    "ofi_update": ("order_flow", "ofi_update"),
}

__all__ = ["band_update", "book_apply", "bs_greeks", "bs_price", "es_state", "es_update", "ofi_update"]


def __getattr__(name: str) -> Any:
    if name not in STEP_KERNELS:
        raise AttributeError(f"qflib.kernels has no {name!r}; a step may call {', '.join(STEP_KERNELS)}")
    module, its_name = STEP_KERNELS[name]
    value = globals()[name] = getattr(__import__(f"qflib.kernels.{module}", fromlist=[its_name]), its_name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
