"""Expected shortfall: estimates, scenarios, decomposition, rolling figures, backtests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.lazy import lazy

if TYPE_CHECKING:
    from qflib.shortfall.backtesting import BacktestResult, backtest
    from qflib.shortfall.closed_forms import DistributionES, distribution_es, pot_es
    from qflib.shortfall.comparison import Comparison, compare_forecasts
    from qflib.shortfall.coverage import kupiec, traffic_light
    from qflib.shortfall.decomposition import ComponentES, component_es
    from qflib.shortfall.delta_gamma import cornish_fisher_var, delta_gamma_es
    from qflib.shortfall.estimate import expected_shortfall
    from qflib.shortfall.expectiles import ExpectileResult, expectile, expectile_level
    from qflib.shortfall.filtered import FilteredES, fhs_es
    from qflib.shortfall.result import ESResult
    from qflib.shortfall.rolling import RollingES, rolling_es
    from qflib.shortfall.scenarios import ScenarioSet
    from qflib.shortfall.spectral import SpectralRisk, spectral_risk

__getattr__, __dir__ = lazy(
    __name__,
    {
        "BacktestResult": "backtesting",
        "Comparison": "comparison",
        "ComponentES": "decomposition",
        "DistributionES": "closed_forms",
        "ESResult": "result",
        "ExpectileResult": "expectiles",
        "FilteredES": "filtered",
        "RollingES": "rolling",
        "ScenarioSet": "scenarios",
        "SpectralRisk": "spectral",
        "backtest": "backtesting",
        "compare_forecasts": "comparison",
        "component_es": "decomposition",
        "cornish_fisher_var": "delta_gamma",
        "delta_gamma_es": "delta_gamma",
        "distribution_es": "closed_forms",
        "expected_shortfall": "estimate",
        "expectile": "expectiles",
        "expectile_level": "expectiles",
        "fhs_es": "filtered",
        "kupiec": "coverage",
        "pot_es": "closed_forms",
        "rolling_es": "rolling",
        "spectral_risk": "spectral",
        "traffic_light": "coverage",
    },
)

__all__ = [
    "BacktestResult",
    "Comparison",
    "ComponentES",
    "DistributionES",
    "ESResult",
    "ExpectileResult",
    "FilteredES",
    "RollingES",
    "ScenarioSet",
    "SpectralRisk",
    "backtest",
    "compare_forecasts",
    "component_es",
    "cornish_fisher_var",
    "delta_gamma_es",
    "distribution_es",
    "expected_shortfall",
    "expectile",
    "expectile_level",
    "fhs_es",
    "kupiec",
    "pot_es",
    "rolling_es",
    "spectral_risk",
    "traffic_light",
]
