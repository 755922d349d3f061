"""The library's figures for hedging vectors: one function a group, inputs in, the expected shape out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from qflib.cli.verify_pricing import given
from qflib.errors import DataError, InputError, QflibError
from qflib.hedging import rules
from qflib.hedging.attribution import STEPS, TERMS, explain_by_greeks, explain_by_steps
from qflib.hedging.diary import hedge_diary
from qflib.hedging.hedgers import band_halfwidth
from qflib.hedging.neutral import MinVarianceDelta, min_variance_ratio, neutral_quantities
from qflib.hedging.paths import GBM
from qflib.hedging.simulation import HedgeSimulation, simulate_hedges
from qflib.orderbook import almgren_chriss
from qflib.pricing import black_scholes, greeks

Figures = dict[str, Any] | float | None
_PATHS = 200_000
_NEVER = rules.FixedBand(2.0)  # no delta is 2 away from nothing


def _is_long(i: dict[str, Any]) -> bool:
    return str(i.get("position", "short")).startswith("long")


def _costs(i: dict[str, Any]) -> Figures:
    if "dt" in i:
        return rules.leland_vol(i["sigma"], i["one_way_cost"], i["dt"], short=not _is_long(i))
    g = greeks(i.get("type", "call"), i["K"], i["T"], i["sigma"], spot=i["S"], rate=i["r"], dividend_yield=i["q"])
    width = band_halfwidth(
        g["gamma"], i["S"], i["one_way_cost"] * i["S"], i["risk_aversion"], math.exp(-i["r"] * i["T"])
    )
    return {"half_width": width, "delta": g["delta"], "gamma": g["gamma"]}


def _rule(name: str) -> rules.Rule:
    """A rule by its name: how often it looks is told beside it."""
    kind, _, figure = name.rpartition("_")
    bands: dict[str, Callable[[float], rules.Rule]] = {
        "fixed_band": rules.FixedBand, "ww_lambda": rules.WhalleyWilmott, "zakamouline_lambda": rules.Zakamouline
    }  # fmt: skip
    if kind in bands:
        return bands[kind](float(figure))
    if kind in ("delta", "leland"):
        return rules.Leland() if kind == "leland" else rules.Delta()
    if name in ("unhedged", "none"):
        return _NEVER
    raise InputError(f"strategy {name!r} is unknown; give delta_, leland_, fixed_band_, ww_lambda_ or unhedged")


def _simulated(i: dict[str, Any], rule: rules.Rule, looks: int, years: float, cost: float = 0.0) -> HedgeSimulation:
    return simulate_hedges(
        [rule], GBM(i["sigma"], i["mu"]), spot=i["S"], strike=i["K"], years=years, rate=i["r"], vol=i["sigma"],
        cost=cost, looks=looks, paths=_PATHS, right=i.get("type", "call"),
    )  # fmt: skip


def _costs_simulated(i: dict[str, Any]) -> Figures:
    if _is_long(i):
        raise InputError(f"position {i['position']!r} is not simulated; options are sold")
    made = _simulated(i, _rule(i["strategy"]), i["steps"], i["T"], i["one_way_cost"])
    row, now = made.to_frame().iloc[0], math.exp(-i["r"] * i["T"])  # the vectors tell present values
    figures = {"mean_pnl": row["mean_pnl"], "std": row["std"], "es97_5": row["es"]}
    return {name: figure * now for name, figure in figures.items()} | {"mean_cost": row["mean_cost"]}


def _performance(i: dict[str, Any]) -> Figures:
    years = i["T"] if "T" in i else i["T_weeks"] / 52.0
    looks = i["trades"] if "trades" in i else round(i["T_weeks"] / i.get("rebalance_weeks", i["T_weeks"]))
    unhedged = "trades" not in i and "rebalance_weeks" not in i
    rule = _NEVER if unhedged else rules.Delta()
    made = _simulated(i, rule, looks, years)
    deviation = float(made.pnl.std()) * math.exp(-i["r"] * years)
    price = float(black_scholes("call", i["S"], i["K"], years, i["r"], 0.0, i["sigma"]))
    if "trades" not in i:
        return deviation / price
    vega = greeks("call", i["K"], years, i["sigma"], spot=i["S"], rate=i["r"])["vega"]
    formula = math.sqrt(math.pi / 4.0) * vega * i["sigma"] / math.sqrt(looks)
    return {"std": deviation, "formula": formula, "option_value": price}


def _diary(i: dict[str, Any]) -> Figures:
    made = hedge_diary(i["S_path"], i["K"], i["T_weeks"] / 52.0, i["r"], i["sigma"], contracts=i["contracts"])
    return {"delta": made["delta"].tolist(), "hedge_cost": made.attrs["hedge_cost"]}


def _min_variance(i: dict[str, Any]) -> Figures:
    if "rho" in i:
        ratio = min_variance_ratio(i["rho"], i["sigma_S"], i["sigma_F"])
        return {"h": ratio, "contracts": ratio * i["exposure"] / i["contract"]}
    model = MinVarianceDelta(i["a"], i["b"], i["c"])
    return float(model.adjusted(i["delta_bs"], i["vega"], i["S"], i["T"]))


def _neutral(i: dict[str, Any]) -> Figures:
    target = i.get("target", ("gamma", "vega"))
    greeks = (target,) if isinstance(target, str) else tuple(target)
    quantities, underlying = neutral_quantities(i["portfolio"], i["instruments"], greeks)
    return {"quantities": quantities.tolist(), "underlying": underlying}


def _explained(i: dict[str, Any]) -> Figures:
    terms = (i["type"], i["S"], i["K"], i["T"], i["r"], i["q"], i["sigma"])
    moves = {"spot_change": i["dS"], "vol_change": i["dsigma"], "rate_change": i["dr"], "years_passed": i["dt"]}
    by_greeks, by_steps = explain_by_greeks(*terms, **moves).iloc[0], explain_by_steps(*terms, **moves).iloc[0]
    return {
        "actual": by_greeks["total"],
        "taylor": {t: by_greeks[t] for t in TERMS},
        "unexplained": by_greeks["unexplained"],
        "waterfall": {s: by_steps[s] for s in STEPS},
    }


def _schedule(i: dict[str, Any]) -> Figures:
    made = almgren_chriss(
        i["X"], i["T"], i["sigma"], i["eta"], gamma=i["gamma"], epsilon=i["epsilon"], risk_aversion=i["risk_aversion"],
        intervals=i["N"],
    )  # fmt: skip
    return {
        "kappa": made.kappa, "holdings": made.holdings.tolist(), "expected_cost": made.cost, "variance": made.variance
    }  # fmt: skip


_BY_GROUP: dict[str, Callable[[dict[str, Any]], Figures]] = {
    "execution_almgren_chriss": _schedule,
    "hedge_costs": _costs,
    "hedge_costs_mc": _costs_simulated,
    "hedge_hull_table": _diary,
    "hedge_min_variance": _min_variance,
    "hedge_neutral": _neutral,
    "hedge_performance": _performance,
    "pnl_explain": _explained,
}

#: the groups that are built
GROUPS: tuple[str, ...] = tuple(_BY_GROUP)


def figures(vector: dict[str, Any]) -> Figures:
    """The library's figures for one vector.

    Parameters
    ----------
    vector
        ``group`` and ``inputs``.

    Returns
    -------
    float, dict or None
        In the shape of ``expected``; None where the group is not built.

    Raises
    ------
    DataError
        If the vector has no inputs of its group.

    Examples
    --------
    >>> from qflib.cli.verify_hedging import figures
    >>> inputs = {"sigma": 0.2, "one_way_cost": 0.005, "dt": 1 / 252, "position": "short"}
    >>> round(figures({"group": "hedge_costs", "inputs": inputs}), 6)
    0.255601
    """
    compute = _BY_GROUP.get(str(vector.get("group")))
    if compute is None:
        return None
    try:
        return compute(given(vector["inputs"]))
    except (LookupError, TypeError, AttributeError, ArithmeticError, ValueError, QflibError) as e:
        name = f"{vector.get('group')}/{vector.get('name')}"
        raise DataError(f"vector {name} cannot be computed ({e}); give the inputs of its group") from e
