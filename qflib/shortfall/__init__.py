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
    from qflib.shortfall.e_backtest import EBacktest, EBacktestResult, e_process
    from qflib.shortfall.estimate import expected_shortfall
    from qflib.shortfall.result import ESResult
    from qflib.shortfall.rolling import RollingES, rolling_es
    from qflib.shortfall.scenarios import ScenarioSet

__getattr__, __dir__ = lazy(
    __name__,
    {
        "BacktestResult": "backtesting",
        "Comparison": "comparison",
        "ComponentES": "decomposition",
        "DistributionES": "closed_forms",
        "EBacktest": "e_backtest",
        "EBacktestResult": "e_backtest",
        "ESResult": "result",
        "RollingES": "rolling",
        "ScenarioSet": "scenarios",
        "backtest": "backtesting",
        "compare_forecasts": "comparison",
        "component_es": "decomposition",
        "cornish_fisher_var": "delta_gamma",
        "delta_gamma_es": "delta_gamma",
        "distribution_es": "closed_forms",
        "e_process": "e_backtest",
        "expected_shortfall": "estimate",
        "kupiec": "coverage",
        "pot_es": "closed_forms",
        "rolling_es": "rolling",
        "traffic_light": "coverage",
    },
)

__all__ = [
    "BacktestResult",
    "Comparison",
    "ComponentES",
    "DistributionES",
    "EBacktest",
    "EBacktestResult",
    "ESResult",
    "RollingES",
    "ScenarioSet",
    "backtest",
    "compare_forecasts",
    "component_es",
    "cornish_fisher_var",
    "delta_gamma_es",
    "distribution_es",
    "e_process",
    "expected_shortfall",
    "kupiec",
    "pot_es",
    "rolling_es",
    "traffic_light",
]
