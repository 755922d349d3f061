"""The library's figures for pricing vectors: one function a group, inputs in, the expected shape out."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from qflib.errors import DataError, InputError, QflibError
from qflib.pricing import (
    american,
    asian,
    asian_continuous,
    bachelier,
    barrier_option,
    black76,
    black_scholes,
    digital,
    greeks,
    heston,
    implied_vol,
    rough_heston,
    sabr_vol,
)
from qflib.pricing.svi import svi_durrleman, svi_jump_wings, svi_total_variance
from qflib.pricing.svi_forms import svi_from_jump_wings

Figures = dict[str, Any] | float | str | list[Any] | None


def _figure(x: Any) -> float | list[Any]:
    """A number, or a list of them where inputs are lists."""
    return float(x) if np.ndim(x) == 0 else list(np.asarray(x).tolist())


def _european(i: dict[str, Any], _: Any) -> Figures:
    return _figure(black_scholes(i["type"], i["S"], i["K"], i["T"], i["r"], i["q"], i["sigma"]))


def _all_greeks(i: dict[str, Any]) -> dict[str, Any]:
    g = greeks(i["type"], i["K"], i["T"], i["sigma"], spot=i["S"], rate=i["r"], dividend_yield=i["q"])
    a_day = {f"{k}_per_day_365": _figure(g[k] / 365.0) for k in ("theta", "charm", "veta", "color")}
    return {name: _figure(g[name]) for name in g} | a_day


def _greek(i: dict[str, Any], _: Any) -> Figures:
    figure: Figures = _all_greeks(i)[i["greek"]]
    return figure


def _greeks(i: dict[str, Any], expected: Any) -> Figures:
    return _shaped(_all_greeks(i), expected)


def _implied_vol(i: dict[str, Any]) -> tuple[Any, Any]:
    price = np.asarray(i["price"], np.float64)
    if "S" in i:
        on: dict[str, Any] = {"spot": i["S"], "rate": i["r"], "dividend_yield": i["q"]}
    else:
        price, on = price / np.asarray(i.get("df", 1.0)), {"forward": i["F"]}
    vol, status = implied_vol(price, i["type"], i["K"], i["T"], **on)
    return _figure(vol), status if isinstance(status, str) else status.tolist()


def _vol(i: dict[str, Any], _: Any) -> Figures:
    vol: Figures = _implied_vol(i)[0]
    return vol


def _status(i: dict[str, Any], _: Any) -> Figures:
    status: Figures = _implied_vol(i)[1]
    return status


def _black76(i: dict[str, Any], _: Any) -> Figures:
    return _figure(np.asarray(i.get("df", 1.0)) * black76(i["type"], i["F"], i["K"], i["T"], i["sigma"]))


def _bachelier(i: dict[str, Any], _: Any) -> Figures:
    return _figure(np.asarray(i.get("df", 1.0)) * bachelier(i["type"], i["F"], i["K"], i["T"], i["sigma_n"]))


def _digital(i: dict[str, Any], _: Any) -> Figures:
    terms: tuple[Any, ...] = (i["type"], i["S"], i["K"], i["T"], i["r"], i["q"], i["sigma"])
    kind: Any = i["kind"].removesuffix("_or_nothing")
    return _figure(digital(*terms, kind=kind, amount=i.get("cash", 1.0), payoff_strike=i.get("payoff_strike")))


def _american(i: dict[str, Any], expected: Any) -> Figures:
    terms: tuple[Any, ...] = (i["type"], i["S"], i["K"], i["T"], i["r"], i["q"], i["sigma"])
    price = american(*terms)
    if not isinstance(expected, dict):
        return _figure(price)
    return _shaped({"american": _figure(price), "premium": _figure(price - black_scholes(*terms))}, expected)


def _barrier(i: dict[str, Any], _: Any) -> Figures:
    kind: Any = re.sub(r"[ _-]?(and[ _-]?)?(in|out)$", r"_\2", i["kind"].lower())
    terms: tuple[Any, ...] = (i["type"], i["S"], i["K"], i["barrier"], i["T"], i["r"], i["q"], i["sigma"])
    return _figure(barrier_option(kind, *terms, rebate=i.get("rebate", 0.0)))


_EVENLY = re.compile(r"(\d+) equally spaced ([\d.]+)(?:/([\d.]+))?\.\.([\d.]+)(?:/([\d.]+))?")


def _fixings(told: Any) -> list[float]:
    """Years, or the words ``26 equally spaced 1/52..0.5``."""
    if not isinstance(told, str):
        return [float(t) for t in told]
    words = _EVENLY.fullmatch(told.strip())
    if words is None:
        raise InputError(f"fixings {told!r} are not understood; give years, or '26 equally spaced 1/52..0.5'")
    n, first, over, last, under = words.groups()
    begin, end, count = float(first) / float(over or 1.0), float(last) / float(under or 1.0), int(n)
    return [begin + (end - begin) * k / max(count - 1, 1) for k in range(count)]


def _asian(i: dict[str, Any], _: Any) -> Figures:
    average: Any = i["avg"].split("_")[0]
    if i["avg"].endswith("continuous"):
        return _figure(asian_continuous(i["type"], i["S"], i["K"], i["T"], i["r"], i["q"], i["sigma"], average=average))
    times = _fixings(i["fixings"])
    # an average is paid at its last fixing
    late = math.exp(-i["r"] * max(i["T"] - times[-1], 0.0)) if "T" in i else 1.0
    return _figure(late * asian(i["type"], i["S"], i["K"], times, i["r"], i["q"], i["sigma"], average=average))


def _heston(i: dict[str, Any], _: Any) -> Figures:
    model: tuple[Any, ...] = (i["v0"], i["kappa"], i["theta"], i["sigma"], i["rho"])
    return _figure(heston(i["type"], i["S"], i["K"], i["T"], i["r"], i["q"], *model))


def _rough_heston(i: dict[str, Any], _: Any) -> Figures:
    model: tuple[Any, ...] = (i["v0"], i["kappa"], i["theta"], i["sigma"], i["rho"], i["H"])
    return _figure(rough_heston(i["type"], i["S"], i["K"], i["T"], i["r"], i["q"], *model))


def _sabr(i: dict[str, Any], _: Any) -> Figures:
    return _figure(sabr_vol(i["K"], i["F"], i["T"], i["alpha"], i["beta"], i["rho"], i["nu"]))


def _svi_raw(i: dict[str, Any], expected: Any) -> Figures:
    terms = (i["k"], i["a"], i["b"], i["rho"], i["m"], i["sigma"])
    return _shaped({"w": _figure(svi_total_variance(*terms)), "durrleman_g": _figure(svi_durrleman(*terms))}, expected)


def _svi_jump_wings(i: dict[str, Any], expected: Any) -> Figures:
    if "vtilde" in i:  # the other way
        return _shaped(svi_from_jump_wings(i["v"], i["psi"], i["p"], i["c"], i["vtilde"], i["T"]), expected)
    return _shaped(svi_jump_wings(i["a"], i["b"], i["rho"], i["m"], i["sigma"], i["T"]), expected)


def _shaped(figures: Mapping[str, Any], expected: Any) -> Figures:
    """Those of the keys asked for; all where the shape is not told."""
    return {k: figures[k] for k in expected if k in figures} if isinstance(expected, dict) else dict(figures)


_BY_GROUP: dict[str, Callable[[dict[str, Any], Any], Figures]] = {
    "american": _american,
    "american_andersen_lake": _american,
    "american_edge": _american,
    "asian": _asian,
    "bachelier": _bachelier,
    "barrier_babsiri": _barrier,
    "barrier_haug": _barrier,
    "black76": _black76,
    "digital": _digital,
    "european_extreme": _european,
    "european_haug": _european,
    "european_pyvollib": _european,
    "greeks_all": _greeks,
    "greeks_haug": _greek,
    "heston": _heston,
    "implied_vol_itm": _vol,
    "implied_vol_jaeckel_grid": _vol,
    "implied_vol_status": _status,
    "rough_heston": _rough_heston,
    "sabr_hagan": _sabr,
    "svi_jw": _svi_jump_wings,
    "svi_raw": _svi_raw,
}

#: the groups that are built
GROUPS: tuple[str, ...] = tuple(_BY_GROUP)


def figures(vector: dict[str, Any]) -> Figures:
    """The library's figures for one vector.

    Parameters
    ----------
    vector
        ``group``, ``inputs`` and ``expected``, whose keys tell the shape wanted (its figures are not read).

    Returns
    -------
    float, str, dict or None
        In the shape of ``expected``; None where the group is not built.

    Raises
    ------
    DataError
        If the vector has no inputs of its group.

    Examples
    --------
    >>> from qflib.cli.verify_pricing import figures
    >>> inputs = {"type": "call", "F": 3.0, "K": 3.0, "T": 1.0, "sigma": 2.0, "df": 1.0}
    >>> round(figures({"group": "black76", "inputs": inputs, "expected": None}), 6)
    2.048068
    >>> figures({"group": "weather", "inputs": {}, "expected": None}) is None
    True
    """
    compute = _BY_GROUP.get(str(vector.get("group")))
    if compute is None:
        return None
    try:
        return compute(given(vector["inputs"]), vector.get("expected"))
    except (LookupError, TypeError, AttributeError, ArithmeticError, ValueError, QflibError) as e:
        name = f"{vector.get('group')}/{vector.get('name')}"
        raise DataError(f"vector {name} cannot be computed ({e}); give the inputs of its group") from e


_RIGHTS = {"call": "call", "c": "call", "1": "call", "put": "put", "p": "put", "-1": "put"}


def given(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs with what may be left out: null is not a number, a yield 0 or the rate less the carry `b`, a rate 0.

    Examples
    --------
    >>> from qflib.cli.verify_pricing import given
    >>> given({"type": "C", "r": 0.75, "b": 0.25, "price": None})
    {'type': 'call', 'r': 0.75, 'b': 0.25, 'price': nan, 'q': 0.5}
    """
    i = {name: math.nan if value is None else value for name, value in inputs.items()}
    if "type" in i:
        i["type"] = _RIGHTS.get(str(i["type"]).lower(), i["type"])
    i.setdefault("r", 0.0)
    i.setdefault("q", i["r"] - i["b"] if "b" in i else 0.0)
    return i
