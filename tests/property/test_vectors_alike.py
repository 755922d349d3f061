"""`qflib verify` holds further vectors of every group of pricing, drawn at random: figures by other formulas."""

import json
import math

import mpmath as mp
import numpy as np
import pytest

from qflib.cli.verify import verify
from qflib.cli.verify_pricing import GROUPS
from tests.reference import black_scholes_mpmath as exact
from tests.reference import marched_american, plain_rough_heston
from tests.reference import vector_figures as figures


def sides(rng):
    sign = 1 if rng.random() < 0.5 else -1
    return sign, "call" if sign > 0 else "put"


def bsm(rng, years=(0.01, 10.0), rate=(-0.05, 0.12), vol=(0.05, 1.5), far=3.0):
    """Inputs whose strike lies within `far` deviations."""
    t, r, q, v = (float(rng.uniform(*x)) for x in (years, rate, rate, vol))
    s = float(np.exp(rng.uniform(-3, 9)))
    k = s * math.exp((r - q) * t + rng.uniform(-far, far) * v * math.sqrt(t))
    sign, right = sides(rng)
    return sign, {"type": right, "S": s, "K": k, "T": t, "r": r, "q": q, "sigma": v}


def terms(sign, i):
    return sign, i["S"], i["K"], i["T"], i["r"], i["q"], i["sigma"]


def european(rng, n):
    sign, i = bsm(rng, far=12.0 if n % 3 == 0 else 3.0)
    if n % 8 == 5:
        i["T" if rng.random() < 0.5 else "sigma"] = 0.0
    return i, figures.european(*terms(sign, i)), 1e-11, "rel"


def greek(rng, n):
    sign, i = bsm(rng)
    name = list(exact.GREEK_ORDERS)[n % len(exact.GREEK_ORDERS)]
    return i | {"greek": name}, exact.greek(name, *terms(sign, i)), 1e-9, "rel"


def greeks(rng, n):
    sign, i = bsm(rng, far=1.5)
    names = [*exact.GREEK_ORDERS] if n % 2 else ["delta", "vega"]
    wanted = {name: exact.greek(name, *terms(sign, i)) for name in names}
    return i, wanted, {name: 1e-10 * max(1.0, abs(float(x))) for name, x in wanted.items()}, "abs"


def vol_of_a_price(rng, n):
    """Of a price rounded to a double, as the vectors' are: the figure is the vol of that double."""
    sign = 1
    x, s = rng.uniform(-8, 0), float(np.exp(rng.uniform(-4, 1)))
    forward, strike, years = 1.0, math.exp(-x), float(rng.choice([0.1, 1.0, 5.0]))
    df = 1.0 if n % 2 else float(rng.uniform(0.7, 1.05))
    price = float(df * exact.price(sign, forward, strike, years, 0, 0, s / math.sqrt(years)))
    if price < 1e-280:
        return vol_of_a_price(rng, n)
    wanted = figures.implied_vol(price, sign, forward, strike, years, df)
    vega = exact.greek("vega", sign, forward, strike, years, 0, 0, wanted) * df
    limit = 1e-13 + 8 * np.finfo(float).eps * float(price / (vega * wanted))
    return {"type": "call", "price": price, "F": forward, "K": strike, "T": years, "df": df}, wanted, limit, "rel"


def vol_on_spot(rng, n):
    sign, i = bsm(rng, far=2.5, vol=(0.1, 0.8))
    price = float(figures.european(*terms(sign, i)))
    df = mp.exp(-mp.mpf(i["r"]) * i["T"])
    forward = i["S"] * mp.exp((mp.mpf(i["r"]) - i["q"]) * i["T"])
    wanted = figures.implied_vol(price, sign, forward, i["K"], i["T"], df)
    vega = exact.greek("vega", *terms(sign, i | {"sigma": wanted}))
    limit = 1e-13 + 32 * np.finfo(float).eps * float(max(price, i["S"], i["K"]) / (vega * wanted))
    del i["sigma"]
    return i | {"price": price}, wanted, limit, "rel"


def status(rng, n):
    s, k, t = 100.0, float(rng.uniform(50, 200)), float(rng.uniform(0.1, 3))
    sign, right = sides(rng)
    i = {"type": right, "S": s, "K": k, "T": t, "r": 0.0, "q": 0.0}
    least, most = max(sign * (s - k), 0.0), s if sign > 0 else k
    cases = [
        (least, "at_intrinsic"),
        (least - 0.1, "below_intrinsic"),
        (most, "above_maximum"),
        (most + 5, "above_maximum"),
        (None, "nan_input"),
        (-1.0, "below_intrinsic"),
        (0.5 * (least + most), "ok"),
        (least + 1.0, "expired"),
    ]
    price, wanted = cases[n % len(cases)]
    if wanted == "expired":
        i["T"] = float(rng.choice([0.0, -0.5]))
    if n % 16 == 12:
        i["S"] = None
        price = 3.0
    return i | {"price": price}, wanted, 0, "status"


def black76(rng, n):
    sign, i = bsm(rng)
    df = float(rng.uniform(0.6, 1.1))
    wanted = df * exact.price(sign, i["S"], i["K"], i["T"], 0, 0, i["sigma"])
    return (
        {"type": i["type"], "F": i["S"], "K": i["K"], "T": i["T"], "sigma": i["sigma"], "df": df},
        wanted,
        1e-12,
        "rel",
    )


def bachelier(rng, n):
    sign, right = sides(rng)
    f, v, t, df = float(rng.uniform(-50, 50)), float(rng.uniform(0.001, 40)), float(rng.uniform(0.01, 9)), 0.9
    k = f + float(rng.uniform(-5, 5)) * v * math.sqrt(t)
    wanted = df * exact.bachelier(sign, f, k, t, v)
    return {"type": right, "F": f, "K": k, "T": t, "sigma_n": v, "df": df}, wanted, 1e-12 * (abs(f) + v), "abs"


def digital(rng, n):
    sign, i = bsm(rng)
    kind = ("cash_or_nothing", "asset_or_nothing", "gap")[n % 3]
    paid = float(rng.uniform(1, 100)) if kind == "cash_or_nothing" else i["K"] * float(rng.uniform(0.8, 1.2))
    more = {"cash_or_nothing": {"cash": paid}, "asset_or_nothing": {}, "gap": {"payoff_strike": paid}}[kind]
    return i | {"kind": kind} | more, figures.digital(kind, *terms(sign, i), paid), 1e-12 * (i["S"] + i["K"]), "abs"


def american(rng, n):
    sign, right = sides(rng)
    r, q = (float(x) for x in rng.uniform(0.001, 0.12, 2))
    i = {
        "type": right,
        "S": 100.0,
        "K": 100.0 * math.exp(rng.uniform(-0.2, 0.25) * -sign),
        "T": float(rng.uniform(0.05, 4)),
        "r": r,
        "q": q,
        "sigma": float(rng.uniform(0.15, 0.6)),
    }
    figure = marched_american.price(right, *(i[x] for x in ("S", "K", "T", "r", "q", "sigma")))
    if abs(figure - max(sign * (i["S"] - i["K"]), 0.0)) < 1.0:
        return american(rng, n)  # near the boundary the march is a coarse one
    if n % 3:
        return i, figure, 2e-6, "abs"
    early = figure - float(figures.european(*terms(sign, i)))
    return i, {"american": figure, "premium": early}, 2e-6, "abs"


def american_limit(rng, n):
    """No vol, no strike, no spot, or no reason to exercise."""
    s, k, t = float(rng.uniform(50, 200)), float(rng.uniform(50, 200)), float(rng.uniform(0.1, 30))
    r, q = (float(x) for x in rng.uniform(-0.04, 0.1, 2))
    sign, right = sides(rng)
    i = {"type": right, "S": s, "K": k, "T": t, "r": r, "q": q, "sigma": 0.3}
    if n % 4 == 0:
        i["sigma"] = 0.0
        times = np.linspace(0.0, t, 2_000_001)
        wanted = max(0.0, float(np.max(sign * (s * np.exp(-q * times) - k * np.exp(-r * times)))))
    elif n % 4 == 1:
        i["K"] = 0.0
        wanted = s * math.exp(max(-q, 0.0) * t) if sign > 0 else 0.0
    elif n % 4 == 2:
        i["S"] = 0.0
        wanted = 0.0 if sign > 0 else k * math.exp(max(-r, 0.0) * t)
    else:  # nothing is won by waiting for the strike, nor lost by holding
        i |= {"q": -abs(q), "r": abs(r)} if sign > 0 else {"r": -abs(r), "q": abs(q)}
        wanted = figures.european(*terms(sign, i))
    return i, wanted, 1e-9 * (s + k), "abs"


def barrier(rng, n):
    sign, right = sides(rng)
    kind = ("DownIn", "DownOut", "UpIn", "UpOut")[n % 4]
    away = math.exp(rng.uniform(0.01, 0.5))
    i = {
        "kind": kind,
        "type": right,
        "S": 100.0,
        "K": float(rng.uniform(60, 160)),
        "T": float(rng.uniform(0.01, 5)),
        "barrier": 100.0 * away if kind.startswith("Up") else 100.0 / away,
        "r": float(rng.uniform(-0.1, 0.15)),
        "q": float(rng.uniform(-0.05, 0.15)),
        "sigma": float(rng.uniform(0.05, 1.0)),
        "rebate": float(rng.choice([0.0, 3.0, 20.0])),
    }
    at = i["barrier"], i["rebate"]
    wanted = figures.barrier(kind, sign, i["S"], i["K"], *at, i["T"], i["r"], i["q"], i["sigma"])
    if n % 5 == 0:
        i["kind"] = {"DownIn": "down_in", "DownOut": "down-and-out", "UpIn": "upin", "UpOut": "Up Out"}[kind]
    return i, wanted, 1e-10, "abs"


def asian(rng, n):
    sign, i = bsm(rng, vol=(0.05, 0.6), far=1.5, years=(0.1, 3.0))
    average = "geometric" if n % 2 else "arithmetic"
    t = i.pop("T")
    if n % 5 == 0:
        wanted = figures.asian_continuous(average, sign, i["S"], i["K"], t, i["r"], i["q"], i["sigma"])
        return i | {"T": t, "avg": f"{average}_continuous"}, wanted, 1e-10 * i["S"], "abs"
    count = int(rng.integers(1, 40))
    times = [t * (j + 1) / count for j in range(count)]
    wanted = figures.asian(average, sign, i["S"], i["K"], times, i["r"], i["q"], i["sigma"])
    i["fixings"] = times if n % 3 else f"{count} equally spaced {times[0]!r}..{times[-1]!r}"
    if n % 4 == 1:
        i["b"] = i["r"] - i.pop("q")
    long = "geometric_discrete" if average == "geometric" else "arithmetic_discrete_turnbull_wakeman"
    return i | {"avg": long}, wanted, 1e-10 * max(1.0, i["S"] / 100), "abs"


def heston(rng, n):
    sign, right = sides(rng)
    model = {
        "v0": float(10 ** rng.uniform(-3, 0)),
        "kappa": float(rng.uniform(0.05, 8)),
        "theta": float(10 ** rng.uniform(-3, -0.3)),
        "sigma": float(rng.uniform(0.1, 2)),
        "rho": float(rng.uniform(-0.95, 0.95)),
    }
    t = float(rng.choice([0.1, 0.5, 2.0, 10.0, 30.0]))
    k = 100.0 * math.exp(rng.uniform(-1.5, 1.5) * math.sqrt(max(model["theta"], model["v0"]) * t))
    i = {
        "type": right,
        "S": 100.0,
        "K": k,
        "T": t,
        "r": float(rng.uniform(-0.02, 0.15)),
        "q": float(rng.uniform(0, 0.1)),
    }
    with mp.workdps(25):
        wanted = figures.heston(sign, *(i[x] for x in ("S", "K", "T", "r", "q")), *model.values())
    return i | model, wanted, 1e-9, "abs"


def rough_heston(rng, n):
    h = float(rng.uniform(0.05, 0.45))
    model = {
        "v0": 0.04,
        "kappa": float(rng.uniform(0.1, 2)),
        "theta": float(rng.uniform(0.02, 0.1)),
        "sigma": float(rng.uniform(0.1, 0.6)),
        "rho": float(rng.uniform(-0.9, 0.3)),
    }
    k, t, r = float(rng.uniform(75, 130)), float(rng.choice([0.5, 1.0, 2.0])), 0.03
    call = float(plain_rough_heston.call(100.0, np.array([k]), t, r, *model.values(), h)[0])
    sign, right = sides(rng)
    wanted = call if sign > 0 else call - 100.0 + k * math.exp(-r * t)
    return {"type": right, "S": 100.0, "K": k, "T": t, "r": r, "q": 0.0, "H": h} | model, wanted, 2e-3, "abs"


def sabr(rng, n):
    i = {
        "F": float(np.exp(rng.uniform(-4, 5))),
        "T": float(rng.uniform(0.1, 20)),
        "beta": float(rng.choice([0.0, 0.3, 0.5, 0.99, 1.0])),
        "rho": float(rng.uniform(-0.97, 0.97)),
        "nu": float(rng.choice([1e-6, 0.2, 0.8, 1.5])),
    }
    i["alpha"] = float(rng.uniform(0.05, 0.6)) * i["F"] ** (1 - i["beta"])
    i["K"] = i["F"] * (1.0 if n % 7 == 0 else math.exp(rng.uniform(-2, 2)) if n % 3 else 1 + 1e-6 * rng.uniform(-1, 1))
    return i, figures.sabr(*(i[x] for x in ("F", "K", "T", "alpha", "beta", "rho", "nu"))), 1e-12, "rel"


def svi(rng, n):
    i = {
        "a": float(rng.uniform(0.005, 0.1)),
        "b": float(rng.uniform(0.0, 0.5)),
        "rho": float(rng.uniform(-0.99, 0.99)),
        "m": float(rng.uniform(-0.5, 0.5)),
        "sigma": float(rng.uniform(0.05, 0.6)),
        "k": float(rng.uniform(-2, 2)),
    }
    wanted = figures.svi(i["k"], i["a"], i["b"], i["rho"], i["m"], i["sigma"])
    return i, wanted if n % 2 else {"w": wanted["w"]}, 1e-10, "abs"


def svi_jump_wings(rng, n):
    a, b, rho, m, sigma = (
        float(rng.uniform(*x)) for x in ((0.005, 0.1), (0.05, 0.5), (-0.9, 0.9), (-0.4, 0.4), (0.05, 0.6))
    )
    t = float(rng.uniform(0.1, 5))
    root = math.sqrt(m * m + sigma * sigma)
    w = a + b * (root - rho * m)
    wings = {
        "v": w / t,
        "psi": b / (2 * math.sqrt(w)) * (rho - m / root),
        "p": b * (1 - rho) / math.sqrt(w),
        "c": b * (1 + rho) / math.sqrt(w),
        "vtilde": (a + b * sigma * math.sqrt(1 - rho * rho)) / t,
    }
    raw = {"a": a, "b": b, "rho": rho, "m": m, "sigma": sigma}
    return (raw | {"T": t}, wings, 1e-12, "abs") if n % 2 else (wings | {"T": t}, raw, 1e-8, "abs")


ALIKE = {
    "american": (american, 30),
    "american_andersen_lake": (american, 15),
    "american_edge": (american_limit, 48),
    "asian": (asian, 40),
    "bachelier": (bachelier, 60),
    "barrier_babsiri": (barrier, 40),
    "barrier_haug": (barrier, 120),
    "black76": (black76, 60),
    "digital": (digital, 60),
    "european_extreme": (european, 60),
    "european_haug": (european, 60),
    "european_pyvollib": (european, 60),
    "greeks_all": (greeks, 20),
    "greeks_haug": (greek, 48),
    "heston": (heston, 10),
    "implied_vol_itm": (vol_on_spot, 30),
    "implied_vol_jaeckel_grid": (vol_of_a_price, 60),
    "implied_vol_status": (status, 64),
    "rough_heston": (rough_heston, 6),
    "sabr_hagan": (sabr, 100),
    "svi_jw": (svi_jump_wings, 40),
    "svi_raw": (svi, 60),
}


def plain(x):
    return {k: plain(v) for k, v in x.items()} if isinstance(x, dict) else x if isinstance(x, str) else float(x)


def test_every_group_has_a_generator():
    assert set(ALIKE) == set(GROUPS)


@pytest.mark.parametrize("group", ALIKE)
def test_vectors_alike_pass(group, tmp_path):
    make, count = ALIKE[group]
    rng = np.random.default_rng(sum(map(ord, group)))
    vectors = []
    with mp.workdps(40):
        for n in range(count):
            inputs, expected, tolerance, kind = make(rng, n)
            vectors.append(
                {
                    "group": group,
                    "name": f"{group}_{n}",
                    "inputs": inputs,
                    "expected": plain(expected),
                    "tolerance": tolerance,
                    "tol_type": kind,
                }
            )
    file = tmp_path / "vectors.json"
    file.write_text(json.dumps({"vectors": vectors}), encoding="utf-8")
    wrong = [
        (r["name"], r["why"], v["inputs"])
        for r, v in zip(verify(file)["results"], vectors, strict=True)
        if r["status"] != "passed"
    ]
    assert not wrong, f"{len(wrong)} of {count}: {wrong[:5]}"
