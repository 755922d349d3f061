"""All backtests of forecasts of VaR and expected shortfall in one table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.kernels.e_backtest import ALARMS, BET, BETTINGS, MEASURES
from qflib.shortfall import es_regression, es_tests, pit_tests
from qflib.shortfall.coverage import (
    Outcome,
    christoffersen,
    durations,
    dynamic_quantile,
    kupiec,
    traffic_light,
)
from qflib.shortfall.critical import NullValue, null_values, z3_null
from qflib.shortfall.e_backtest import EBacktest
from qflib.shortfall.horizon import horizon_ns
from qflib.shortfall.inputs import level_of, whole

F8 = NDArray[np.float64]
Betting = Literal["constant", "gree", "grel", "grem"]

_SIMULATED = ("acerbi_szekely_z1", "acerbi_szekely_z2", "minimally_biased_rel")
_LAWS = {"normal": "outcomes normal", "student_t": "outcomes Student t({df:g})"}


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """What every test says of a series of forecasts.

    Parameters
    ----------
    table
        Index `test` (with `level` above it, where forecasts have several); columns `statistic`, `p_value`, `note`.
        A NaN statistic has its reason in `note`; a NaN p-value belongs to a score or a figure without one.
    path
        Columns time, level, outcome, var, es, hit; the log of the e-process chosen, log_e, and of each measure and
        betting, as log_es_gree.
    n_dropped
        Rows left out: the outcome is not known yet, there is no forecast (NaN), or no position (all three are 0).
    """

    table: pd.DataFrame
    path: pd.DataFrame
    n: int
    n_dropped: int

    def to_frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def plot(self) -> Any:
        """Outcomes with −VaR and −ES, and the e-processes of ES with their alarms at 2, 5 and 10."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)
        from bokeh.models import NumeralTickFormatter

        path = self.path.assign(time=self.path["time"].dt.tz_convert("UTC").dt.tz_localize(None))
        outcomes: list[Any] = []
        process: list[Any] = []
        for level, rows in path.groupby("level"):
            at, hits = rows["time"].to_numpy(), rows[rows["hit"]]
            if not outcomes:
                pnl = hv.Curve((at, rows["outcome"].to_numpy()), "UTC", "P&L", label="outcome")
                outcomes.append(pnl.opts(color="#999999"))
            for name, said, dash in (("var", "VaR", "dashed"), ("es", "ES", "solid")):
                line = hv.Curve((at, -rows[name].to_numpy()), "UTC", "P&L", label=f"-{said} {level:.1%}")
                outcomes.append(line.opts(line_dash=dash, line_width=2))
            dots = hv.Scatter((hits["time"].to_numpy(), hits["outcome"].to_numpy()), "UTC", "P&L")
            outcomes.append(dots.relabel(f"beyond VaR {level:.1%}").opts(color="#c1272d", size=5))
            for b in BETTINGS:
                made = hv.Curve((at, rows[f"log_es_{b}"].to_numpy()), "UTC", "log M", label=f"{b} {level:.1%}")
                process.append(made.opts(line_width=1.5))
        alarms = [hv.HLine(math.log(a)).opts(color="gray", line_dash="dashed", line_width=1) for a in ALARMS]
        shared = {"width": 900, "legend_position": "right", "show_grid": True}
        top = hv.Overlay(outcomes).opts(
            title="Outcomes with -VaR and -ES",
            height=340,
            yformatter=NumeralTickFormatter(format="0,0.[0000]"),
            **shared,
        )
        low = hv.Overlay([*process, *alarms]).opts(
            title="Evidence against ES (log of the e-process); alarms at 2, 5, 10", height=240, **shared
        )
        return (top + low).cols(1)

    def __repr__(self) -> str:
        p = self.table["p_value"].dropna()
        low = [" ".join(map(str, i)) if isinstance(i, tuple) else str(i) for i in p.index[p < 0.05]]
        dropped = f" ({self.n_dropped:,} left out)" if self.n_dropped else ""
        return (
            f"BacktestResult({self.n:,} forecasts{dropped}, {int(self.path['hit'].sum()):,} exceedances; "
            f"p < 5% in {len(low)} of {len(p)} tests{': ' if low else ''}{', '.join(low)})"
        )

    def _repr_html_(self) -> str:
        dropped = f", {self.n_dropped:,} left out" if self.n_dropped else ""
        return f"<p>{self.n:,} forecasts{dropped}</p>" + str(self.table.to_html())


def backtest(
    forecasts: pd.DataFrame,
    horizon: str | pd.Timedelta | None = None,
    *,
    level: float = 0.975,
    betting: Betting | float = "constant",
    null: Literal["normal", "student_t"] | None = "normal",
    df: float | None = None,
    dq_lags: int = 4,
    regressions: bool = True,
) -> BacktestResult:
    """Every VaR and ES test on forecasts and what came after them.

    Kupiec, Christoffersen (independence, conditional coverage), durations, dynamic quantile (Engle–Manganelli), Basel's
    traffic light, Acerbi–Szekely Z1 and Z2, the minimally biased test, McNeil–Frey (also by bootstrap), Nolde–Ziegel,
    regressions on the forecasts (Bayer–Dimitriadis), the e-backtest (Wang, Wang and Ziegel), and the scores FZ0,
    asymmetric Laplace and tick loss; with a column `pit`, Z3, Costanzino–Curran and Du–Escanciano too. Each has its
    source in `qflib.shortfall.coverage`, `es_tests`, `es_regression` and `pit_tests`.

    Parameters
    ----------
    forecasts
        Columns `time` (of the horizon's start, or of its end; tz-aware, rising), `outcome` (P&L over the horizon, gains
        positive), `var`, `es` (positive losses), and where there are, `sigma`, `level`, and `pit` (the forecast's
        probability of the outcome or a worse one). Rows without an outcome, without a forecast (NaN) or without a
        position (outcome, var and es are 0) are left out.
    horizon
        Of each forecast, such as "1min": forecasts closer than this share part of their outcomes and are refused.
    level
        Confidence, where there is no column `level`.
    betting
        Of the e-process that `e_backtest_log` tells of: "constant" (λ = 0.025), "gree", "grel" or "grem" (explained in
        `qflib.kernels.e_backtest`), or a constant λ in [0, 1). All are in the table, ES and VaR, with the inverse of
        their maximum as the p-value: it holds whenever one looks.
    null, df
        Law of outcomes, of location 0 and each forecast's own scale, by which Z1, Z2 and the relative minimally biased
        test get simulated p-values, their notes the 5 % critical values: "normal", or "student_t" with df degrees of
        freedom, above 1. None: no p-values. Z3 needs no law.
    dq_lags
        Lags of the exceedances in the dynamic quantile test.
    regressions
        Whether to make the tests by regression, which take a second for some thousand forecasts.

    Returns
    -------
    BacktestResult

    Raises
    ------
    InputError
        If a column is missing, no outcome is known, a figure is NaN or infinite, ES is below VaR, or times are naive,
        out of order or closer than the horizon.

    Notes
    -----
    With few or no exceedances a test that needs them gives NaN and its reason; so do ratios to ES and scores where an
    ES is not above 0. O(n), but for the regressions.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from qflib.shortfall import backtest
    >>> rng = np.random.default_rng(1)
    >>> f = pd.DataFrame({"time": pd.date_range("2025-01-01", periods=500, tz="UTC"),
    ...                   "outcome": rng.normal(size=500), "var": 1.96, "es": 2.338})
    >>> backtest(f, horizon="1D").table.loc["kupiec", "p_value"] > 0.05
    np.True_
    """
    known, dropped = _checked(forecasts, horizon)
    dq_lags = whole(dq_lags, "dq_lags")
    groups: list[tuple[Any, pd.DataFrame]] = [(level, known)]
    if "level" in known:
        groups = list(known.groupby("level", sort=True))
    tables, paths = [], []
    for c, rows in groups:
        confidence = level_of(c)
        x, var, es = (rows[name].to_numpy(np.float64) for name in ("outcome", "var", "es"))
        sigma = rows["sigma"].to_numpy(np.float64) if "sigma" in rows else None
        log_e = evidence(x, var, es, confidence, betting)
        tests = figures(x, var, es, confidence, sigma=sigma, betting=betting, dq_lags=dq_lags, null=null, df=df)
        if regressions:
            tests |= by_regression(x, var, es, 1.0 - confidence)
        if "pit" in rows:
            tests |= by_rank(rows["pit"].to_numpy(np.float64), 1.0 - confidence, null=null is not None)
        tables.append(
            pd.DataFrame(
                [(o.statistic, o.p_value, o.note) for o in tests.values()],
                index=pd.Index(tests, name="test"),
                columns=["statistic", "p_value", "note"],
            )
        )
        path = rows[["time", "outcome", "var", "es"]].assign(level=confidence, hit=x < -var)
        by_name = {f"log_{m}_{b}": v for (m, b), v in log_e.items()}
        paths.append(path.assign(log_e=log_e["es", _name(betting)], **by_name))
    table = tables[0] if "level" not in known else pd.concat(dict(zip((c for c, _ in groups), tables, strict=True)))
    if "level" in known:
        table.index.names = ["level", "test"]
    return BacktestResult(table, pd.concat(paths, ignore_index=True), len(known), dropped)


def figures(
    x: F8,
    var: F8,
    es: F8,
    level: float,
    *,
    sigma: F8 | None = None,
    betting: Betting | float = "constant",
    dq_lags: int = 4,
    null: str | None = None,
    df: float | None = None,
) -> dict[str, Outcome]:
    """The tests by name, of arrays (n,): P&L, and VaR and ES as positive losses."""
    a, hits = 1.0 - level, x < -var
    n, count = len(x), int(np.count_nonzero(hits))
    pof, independence = kupiec(n, count, level), christoffersen(hits)
    both = pof.statistic + independence.statistic
    light = traffic_light(n, count, level)
    log_e = evidence(x, var, es, level, betting)
    chosen = log_e["es", _name(betting)]
    made = {
        "exceedances": Outcome(float(count), math.nan, f"{n * a:.1f} expected of {n}"),
        "traffic_light": Outcome(light.cum_pct, math.nan, f"{light.zone}: cumulative probability, per cent"),
        "kupiec": pof,
        "christoffersen_ind": independence,
        "durations": durations(hits),
        "christoffersen_cc": Outcome(both, math.exp(-0.5 * both), independence.note),  # χ²(2)
        "dynamic_quantile": dynamic_quantile(hits, var, level, dq_lags),
        "dynamic_quantile_squared": dynamic_quantile(hits, var, level, dq_lags, x),
        "acerbi_szekely_z1": es_tests.acerbi_szekely_z1(x, var, es),
        "acerbi_szekely_z2": es_tests.acerbi_szekely_z2(x, var, es, a),
        "minimally_biased_abs": es_tests.minimally_biased(x, var, es, a, relative=False),
        "minimally_biased_rel": es_tests.minimally_biased(x, var, es, a, relative=True),
        "mcneil_frey": es_tests.mcneil_frey(x, var, es),
        "mcneil_frey_bootstrap": es_tests.mcneil_frey_bootstrap(x, var, es),
        "nolde_ziegel": es_tests.nolde_ziegel(x, var, es, a),
        "nolde_ziegel_one_sided": es_tests.nolde_ziegel_one_sided(x, var, es, a),
        "e_backtest_log": Outcome(float(chosen[-1]), math.nan, "log of the e-process at the end"),
        "e_backtest_log_max": Outcome(float(chosen.max()), _inverse(chosen), _alarm(chosen)),
        "fz0": es_tests.fissler_ziegel(x, var, es, a),
        "asymmetric_laplace": es_tests.asymmetric_laplace(x, var, es, a),
        "tick_loss": es_tests.tick_loss(x, var, a),
    }
    made |= {f"e_backtest_{m}_{b}": Outcome(float(v[-1]), _inverse(v), _alarm(v)) for (m, b), v in log_e.items()}
    if null is not None:
        one, two, gap = (made[name].statistic for name in _SIMULATED)
        for name, value in zip(_SIMULATED, null_values((one, two, gap), n, level, null, df), strict=True):
            made[name] = _judged(made[name], value, _LAWS[null].format(df=df))
    if sigma is not None:
        made["mcneil_frey_standardised"] = es_tests.mcneil_frey(x, var, es, sigma)
        made["mcneil_frey_standardised_bootstrap"] = es_tests.mcneil_frey_bootstrap(x, var, es, sigma)
        made["nolde_ziegel_general"] = es_tests.nolde_ziegel_general(x, var, es, a, sigma)
        made["nolde_ziegel_general_one_sided"] = es_tests.nolde_ziegel_one_sided(x, var, es, a, sigma)
    return made


def by_regression(x: F8, var: F8, es: F8, alpha: float) -> dict[str, Outcome]:
    """The tests that regress P&L on its forecasts, by name."""
    return {
        "esr_strict": es_regression.strict_esr(x, var, es, alpha),
        "esr_auxiliary": es_regression.auxiliary_esr(x, var, es, alpha),
        "esr_intercept": es_regression.intercept_esr(x, var, es, alpha),
    }


def by_rank(u: F8, alpha: float, *, null: bool = True) -> dict[str, Outcome]:
    """The tests that need the outcomes' probabilities in their forecasts, by name."""
    z3 = pit_tests.acerbi_szekely_z3(u, alpha)
    return {
        "acerbi_szekely_z3": _judged(z3, z3_null(z3.statistic, len(u), 1.0 - alpha), "uniform ranks") if null else z3,
        "costanzino_curran": pit_tests.costanzino_curran(u, alpha),
        "du_escanciano": pit_tests.du_escanciano(u, alpha),
        "du_escanciano_conditional": pit_tests.du_escanciano_conditional(u, alpha),
    }


def evidence(x: F8, var: F8, es: F8, level: float, betting: Betting | float = "constant") -> dict[tuple[str, str], F8]:
    """Log M after each forecast, (n,), by measure and betting; a number is the constant bet."""
    bet: Any = BET if isinstance(betting, str) else betting
    if _name(betting) not in BETTINGS or not isinstance(bet, int | float) or not 0.0 <= bet < 1.0:
        raise InputError(f"betting is {betting!r}; expected a number in [0, 1), or {', '.join(BETTINGS)}")
    _, _, log_e = EBacktest(level, bet=float(bet)).roll(x, var, es)
    return {(m, b): log_e[:, i, k] for i, m in enumerate(MEASURES) for k, b in enumerate(BETTINGS)}


def _name(betting: Betting | float) -> str:
    return betting if isinstance(betting, str) else "constant"


def _inverse(log_e: F8) -> float:
    """1 / sup M, a p-value by Ville's inequality."""
    return min(1.0, math.exp(-float(log_e.max())))


def _alarm(log_e: F8) -> str:
    passed = [b for b in reversed(ALARMS) if float(log_e.max()) >= math.log(b)]
    if not passed:
        return "no alarm (2, 5, 10)"
    first = int(np.argmax(log_e >= math.log(passed[0]))) + 1
    return f"alarm at {passed[0]}, first at forecast {first:,}"


def _judged(made: Outcome, null: NullValue, law: str) -> Outcome:
    if math.isnan(made.statistic) or math.isnan(null.p):
        return made
    return Outcome(made.statistic, null.p, f"5 % critical value {null.five_pct:.3g}, {law}")


def _checked(forecasts: Any, horizon: str | pd.Timedelta | None) -> tuple[pd.DataFrame, int]:
    for name in ("time", "outcome", "var", "es"):
        if not isinstance(forecasts, pd.DataFrame) or name not in forecasts:
            raise InputError(
                f"forecasts have no column {name!r}; give time, outcome, var, es and, if any, sigma, level"
            )
    three = forecasts[["outcome", "var", "es"]]
    known = forecasts[three.notna().all(axis=1) & (three != 0).any(axis=1)]
    if known.empty and three[["var", "es"]].notna().all(axis=1).any():
        raise InputError("no forecast of a position has an outcome yet; wait for the first horizon to end")
    if known.empty:
        raise InputError("no row has a forecast: var or es is NaN in all of them; give both as positive losses")
    for name in ("outcome", "var", "es", *(c for c in ("sigma", "level", "pit") if c in known)):
        try:
            values = known[name].to_numpy(np.float64)
        except (TypeError, ValueError):
            raise InputError(f"column {name!r} holds {known[name].iloc[0]!r}; expected numbers") from None
        outside = (name == "sigma" and not (values > 0).all()) or (
            name == "pit" and not ((values >= 0) & (values <= 1)).all()
        )
        if not np.isfinite(values).all() or outside:
            raise InputError(f"column {name!r} holds values that are NaN, infinite or out of range; mend or drop them")
    # ES is a sum, VaR is none: rounding may leave it a little below
    if not (wrong := known[known["es"] < known["var"] - 1e-12 * known["var"].abs()]).empty:
        raise InputError(f"row {wrong.index[0]} has es below var; give both as positive losses, es the greater")
    if not isinstance(known["time"].dtype, pd.DatetimeTZDtype):
        raise InputError("column 'time' is not tz-aware; give UTC, e.g. .dt.tz_localize('UTC')")
    least = 0 if horizon is None else horizon_ns(horizon)
    for _, rows in known.groupby("level") if "level" in known else [(0, known)]:
        gaps = np.diff(pd.DatetimeIndex(rows["time"]).as_unit("ns").asi8)
        if len(gaps) and (gaps.min() <= 0 or gaps.min() < least):
            raise InputError(
                f"forecasts are {pd.Timedelta(int(gaps.min()), unit='ns')} apart at least; expected rising times, no "
                f"closer than the horizon {horizon}: keep one forecast a horizon"
            )
    return known, len(forecasts) - len(known)
