"""Expected shortfall: estimates, scenarios, decomposition, rolling figures, backtests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.lazy import lazy

if TYPE_CHECKING:
    from qflib.shortfall.backtesting import BacktestResult, backtest
    from qflib.shortfall.budgeting import ESBudget, es_budget
    from qflib.shortfall.closed_forms import DistributionES, distribution_es, pot_es
    from qflib.shortfall.comparison import Comparison, compare_forecasts
    from qflib.shortfall.copula import TCopula, fit_t_copula
    from qflib.shortfall.coverage import kupiec, traffic_light
    from qflib.shortfall.decomposition import ComponentES, component_es
    from qflib.shortfall.delta_gamma import cornish_fisher_var, delta_gamma_es
    from qflib.shortfall.e_backtest import EBacktest, EBacktestResult, e_process
    from qflib.shortfall.estimate import expected_shortfall
    from qflib.shortfall.evt import PeaksOverThreshold, fit_pot
    from qflib.shortfall.expectiles import ExpectileResult, expectile, expectile_level
    from qflib.shortfall.filtered import FilteredES, fhs_es
    from qflib.shortfall.frtb_capital import MarketRiskCapital, market_risk_capital
    from qflib.shortfall.frtb_desks import DeskBacktest, PLATest, desk_backtest, pla_test
    from qflib.shortfall.frtb_scenarios import IMCC, scenario_imcc
    from qflib.shortfall.optimal import LeastES, min_cvar
    from qflib.shortfall.result import ESResult
    from qflib.shortfall.rolling import RollingES, rolling_es
    from qflib.shortfall.rolling_components import RollingComponentES, rolling_component_es
    from qflib.shortfall.rolling_panel import RollingESPanel
    from qflib.shortfall.scenarios import ScenarioSet
    from qflib.shortfall.spectral import SpectralRisk, spectral_risk
    from qflib.shortfall.tail_sketch import TailSketch
    from qflib.shortfall.thresholds import ThresholdDiagnostics, threshold_diagnostics

__getattr__, __dir__ = lazy(
    __name__,
    {
        "BacktestResult": "backtesting",
        "Comparison": "comparison",
        "ComponentES": "decomposition",
        "DeskBacktest": "frtb_desks",
        "DistributionES": "closed_forms",
        "EBacktest": "e_backtest",
        "EBacktestResult": "e_backtest",
        "ESBudget": "budgeting",
        "ESResult": "result",
        "ExpectileResult": "expectiles",
        "FilteredES": "filtered",
        "IMCC": "frtb_scenarios",
        "LeastES": "optimal",
        "MarketRiskCapital": "frtb_capital",
        "PLATest": "frtb_desks",
        "PeaksOverThreshold": "evt",
        "RollingComponentES": "rolling_components",
        "RollingES": "rolling",
        "RollingESPanel": "rolling_panel",
        "ScenarioSet": "scenarios",
        "SpectralRisk": "spectral",
        "TCopula": "copula",
        "TailSketch": "tail_sketch",
        "ThresholdDiagnostics": "thresholds",
        "backtest": "backtesting",
        "compare_forecasts": "comparison",
        "component_es": "decomposition",
        "cornish_fisher_var": "delta_gamma",
        "delta_gamma_es": "delta_gamma",
        "desk_backtest": "frtb_desks",
        "distribution_es": "closed_forms",
        "e_process": "e_backtest",
        "es_budget": "budgeting",
        "expected_shortfall": "estimate",
        "expectile": "expectiles",
        "expectile_level": "expectiles",
        "fhs_es": "filtered",
        "fit_pot": "evt",
        "fit_t_copula": "copula",
        "kupiec": "coverage",
        "market_risk_capital": "frtb_capital",
        "min_cvar": "optimal",
        "pla_test": "frtb_desks",
        "pot_es": "closed_forms",
        "rolling_component_es": "rolling_components",
        "rolling_es": "rolling",
        "scenario_imcc": "frtb_scenarios",
        "spectral_risk": "spectral",
        "threshold_diagnostics": "thresholds",
        "traffic_light": "coverage",
    },
)

__all__ = [
    "IMCC",
    "BacktestResult",
    "Comparison",
    "ComponentES",
    "DeskBacktest",
    "DistributionES",
    "EBacktest",
    "EBacktestResult",
    "ESBudget",
    "ESResult",
    "ExpectileResult",
    "FilteredES",
    "LeastES",
    "MarketRiskCapital",
    "PLATest",
    "PeaksOverThreshold",
    "RollingComponentES",
    "RollingES",
    "RollingESPanel",
    "ScenarioSet",
    "SpectralRisk",
    "TCopula",
    "TailSketch",
    "ThresholdDiagnostics",
    "backtest",
    "compare_forecasts",
    "component_es",
    "cornish_fisher_var",
    "delta_gamma_es",
    "desk_backtest",
    "distribution_es",
    "e_process",
    "es_budget",
    "expected_shortfall",
    "expectile",
    "expectile_level",
    "fhs_es",
    "fit_pot",
    "fit_t_copula",
    "kupiec",
    "market_risk_capital",
    "min_cvar",
    "pla_test",
    "pot_es",
    "rolling_component_es",
    "rolling_es",
    "scenario_imcc",
    "spectral_risk",
    "threshold_diagnostics",
    "traffic_light",
]
