"""Figures of shortfall vectors: their calls run with the library's own functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import DataError
from qflib.shortfall import delta_gamma as dg
from qflib.shortfall import frtb, frtb_desks
from qflib.shortfall.backtesting import figures as backtest_figures
from qflib.shortfall.closed_forms import distribution_es, pot_es
from qflib.shortfall.coverage import kupiec, traffic_light
from qflib.shortfall.critical import z_critical
from qflib.shortfall.decomposition import component_es
from qflib.shortfall.estimate import expected_shortfall
from qflib.shortfall.evt import fit_pot
from qflib.shortfall.filtered import fhs_es
from qflib.shortfall.inputs import pnl_of
from qflib.shortfall.optimal import min_cvar, min_cvar_normal
from qflib.shortfall.rolling import rolling_es

Args = dict[str, Any]


def figures(vector: dict[str, Any], data_dir: Path) -> dict[str, Any] | None:
    """The figures that a vector's calls ask for, in the shape of `expected`.

    Parameters
    ----------
    vector
        One entry of a file of vectors: `calls` name functions, arguments and which figures they give.
    data_dir
        Where the data lie; a csv argument is a file of its folder `returns`.

    Returns
    -------
    dict or None
        None where a function or a method is not built.

    Raises
    ------
    DataError
        If a file that a call names is missing.
    """
    out: dict[str, Any] = {}
    for call in vector.get("calls", []):
        function = FUNCTIONS.get(call["function"])
        args = {name: _argument(value, data_dir) for name, value in call.get("args", {}).items()}
        result = None if function is None else function(args)
        if result is None:
            return None
        for path, source in call.get("figures", {}).items():
            _put(out, path.split("/"), _take(result, source))
    return _lists(out) if out else None


def _argument(value: Any, data_dir: Path) -> Any:
    """A csv argument as an array: column or columns, filtered, transformed, cut and scaled; others as they are."""
    if not (isinstance(value, dict) and "csv" in value):
        return value
    path = data_dir / "returns" / value["csv"]
    if not path.exists():
        raise DataError(f"{path} is missing; set the test data folder to one that holds returns/{value['csv']}")
    frame = pd.read_csv(path)
    for column, wanted in value.get("where", {}).items():
        frame = frame[frame[column] == wanted]
    x = frame[value["column"] if "column" in value else value.get("columns", list(frame.columns[1:]))].to_numpy(float)
    if value.get("transform") == "log_return":
        x = np.diff(np.log(x[~np.isnan(x)]) if x.ndim == 1 else np.log(x), axis=0)
    elif value.get("transform") == "simple_return":
        x = x[1:] / x[:-1] - 1.0
    if "last" in value:
        x = x[-value["last"] :]
    return x * value.get("scale", 1)


def _take(result: Any, path: str) -> Any:
    """The figure at a path of a result; a leading minus changes its sign."""
    negative = path.startswith("-")
    for step in path.removeprefix("-").split("/"):
        result = result[int(step)] if isinstance(result, list) else result[step]
    return -result if negative else result


def _put(out: dict[str, Any], path: list[str], value: Any) -> None:
    for step in path[:-1]:
        out = out.setdefault(step, {})
    out[path[-1]] = value


def _lists(tree: Any) -> Any:
    """Dicts whose keys are 0, 1, 2, … as lists."""
    if not isinstance(tree, dict):
        return tree
    made = {key: _lists(value) for key, value in tree.items()}
    return [made[str(i)] for i in range(len(made))] if set(made) == {str(i) for i in range(len(made))} else made


def _plain(x: Any) -> Any:
    return np.asarray(x).tolist()


def _es_var(a: Args) -> Args:
    r = expected_shortfall(a.pop("x"), _levels(a), **a)
    return {"es": _plain(r.es), "var": _plain(r.var)}


def _levels(a: Args) -> Any:
    return a.pop("level")


def _distribution(a: Args) -> Args:
    r = distribution_es(a.pop("dist"), _levels(a), **a)
    return {"es": _plain(r.es), "var": _plain(r.var)}


def _pot(a: Args) -> Args:
    r = pot_es(**a)
    return {"es": _plain(r.es), "var": _plain(r.var)}


def _fit_pot(a: Args) -> Args:
    r = fit_pot(**a)
    pairs = np.column_stack([r.var, r.es]).tolist()
    return {"shape": r.shape, "scale": r.scale, "nll": r.nll, "n_exceed": r.n_exceed, "var_es": pairs}


def _component(a: Args) -> Args:
    r = component_es(**a)
    return {"es": r.es, "contribution": r.contribution.tolist()}


def _rolling(a: Args) -> Args:
    es = rolling_es(**a)["es"].to_numpy()
    seen = es[a["window"] - 1 :]
    return {
        "first": float(seen[0]),
        "at_2500": float(es[2500]) if len(es) > 2500 else None,
        "last": float(es[-1]),
        "mean": float(np.mean(seen)),
        "max": float(np.max(seen)),
        "argmax": int(np.nanargmax(es)),
        "sum": float(np.sum(seen)),
    }


def _backtest(a: Args) -> Args:
    x, var, es = pnl_of(a["x"], a["kind"]), np.asarray(a["var"], float), np.asarray(a["es"], float)
    options = {name: a[name] for name in ("betting", "dq_lags") if name in a}
    sigma = np.asarray(a["sigma"], float) if a.get("sigma") is not None else None
    t = backtest_figures(x, var, es, a["level"], sigma=sigma, **options)
    return {
        "n_exceed": int(t["exceedances"].statistic),
        "kupiec_lr": t["kupiec"].statistic,
        "kupiec_p": t["kupiec"].p_value,
        "christoffersen_ind_lr": t["christoffersen_ind"].statistic,
        "christoffersen_cc_lr": t["christoffersen_cc"].statistic,
        "z1": t["acerbi_szekely_z1"].statistic,
        "z2": t["acerbi_szekely_z2"].statistic,
        "min_biased_abs": t["minimally_biased_abs"].statistic,
        "min_biased_rel": t["minimally_biased_rel"].statistic,
        "fz0": t["fz0"].statistic,
        "al": t["asymmetric_laplace"].statistic,
        "tick": t["tick_loss"].statistic,
        "dq": t["dynamic_quantile"].statistic,
        "dq_p": t["dynamic_quantile"].p_value,
        "dq_squared": t["dynamic_quantile_squared"].statistic,
        "e_log": t["e_backtest_log"].statistic,
        "e_log_max": t["e_backtest_log_max"].statistic,
        "nolde_ziegel_simple_two_p": t["nolde_ziegel"].p_value,
        "mcneil_frey_normal_p": t["mcneil_frey"].p_value,
    }


def _kupiec(a: Args) -> Args:
    r = kupiec(**a)
    return {"lr": r.statistic, "p": r.p_value}


def _traffic_light(a: Args) -> Args:
    lights = [traffic_light(a["n"], k, a["level"]) for k in np.atleast_1d(a["exceptions"]).tolist()]
    names = ("zone", "prob_pct", "cum_pct", "multiplier_mar32", "multiplier_1996")
    return {name: [getattr(light, name) for light in lights] for name in names}


def _desk_limits(a: Args) -> Args:
    return {"level_99": frtb_desks.DESK_EXCEPTIONS[0.99], "level_975": frtb_desks.DESK_EXCEPTIONS[0.975]}


def _pla(a: Args) -> Args:
    names = ("spearman_green", "spearman_red", "ks_green", "ks_red")
    bounds = dict(zip(names, (*frtb_desks.PLA_SPEARMAN, *frtb_desks.PLA_KOLMOGOROV_SMIRNOV), strict=True))
    return {**bounds, "ks_p": [frtb_desks.kolmogorov_smirnov_p(k, a["n"]) for k in a["ks"]]}


def _imcc(a: Args) -> Args:
    es, imcc = frtb.imcc(**a)
    return {"es": es, "imcc": imcc}


def _min_cvar(a: Args) -> Args:
    names = a.pop("names")
    r = min_cvar(**a)
    return {"es": r.es, "weights": dict(zip(names, r.weights.tolist(), strict=True))}


def _min_cvar_normal(a: Args) -> Args:
    r = min_cvar_normal(**a)
    return {"weights": r.weights.tolist(), "variance": r.variance, "es": r.es.tolist(), "var": r.var.tolist()}


def _delta_gamma(a: Args) -> Args:
    r = dg.delta_gamma_es(**a)
    return {"es": _plain(r.es), "var": _plain(r.var), "pnl_quantile": _plain(r.pnl_quantile)}


def _cornish_fisher(a: Args) -> Args | None:
    if any(np.ndim(a[name]) for name in ("delta", "gamma", "cov")):
        return None
    return {"var": dg.cornish_fisher_var(**a)}


def _fhs(a: Args) -> Args | None:
    if a.pop("model", "constant-garch11") != "constant-garch11":
        return None
    r = fhs_es(**a)
    figures = {"params": r.params, "loglik": r.loglik, "sigma_next": r.sigma_next}
    return {**figures, "es_parametric": r.es_parametric.tolist(), "es_fhs": r.es_fhs.tolist()}


def _z_critical(a: Args) -> Args:
    r = z_critical(**a)
    return {"z1_5pct": r.z1_5pct, "z2_5pct": r.z2_5pct, "z2_1pct": r.z2_1pct, "z2_p": r.z2_p}


#: The functions of the vectors' vocabulary that are built.
FUNCTIONS: dict[str, Callable[[Args], Args | None]] = {
    "backtest": _backtest,
    "component_es": _component,
    "cornish_fisher_quantile": _cornish_fisher,
    "delta_gamma_es": _delta_gamma,
    "distribution_es": _distribution,
    "expected_shortfall": _es_var,
    "fhs_es": _fhs,
    "fit_pot": _fit_pot,
    "frtb_desk_limits": _desk_limits,
    "frtb_imcc": _imcc,
    "frtb_liquidity_horizon_es": lambda a: {"es": frtb.liquidity_horizon_es(**a)},
    "frtb_pla": _pla,
    "frtb_ses": lambda a: {"ses": frtb.ses(**a)},
    "kupiec": _kupiec,
    "min_cvar": _min_cvar,
    "min_cvar_normal": _min_cvar_normal,
    "pot_es": _pot,
    "rolling_es": _rolling,
    "traffic_light": _traffic_light,
    "z_critical": _z_critical,
}
