"""`qflib verify` holds further vectors of every group of hedging, drawn at random: figures by other formulas."""

import json
import math

import mpmath as mp
import numpy as np
import pytest

from qflib.cli.verify import verify
from qflib.cli.verify_hedging import GROUPS
from tests.reference import black_scholes_mpmath as exact
from tests.reference import vector_figures as figures

PATHS = 100_000


def passed(tmp_path, group, made):
    vectors = [
        {"group": group, "name": f"{group}_{n}", "inputs": i, "expected": e, "tolerance": t, "tol_type": kind}
        for n, (i, e, t, kind) in enumerate(made)
    ]
    file = tmp_path / "vectors.json"
    file.write_text(json.dumps({"vectors": vectors}), encoding="utf-8")
    wrong = [(r["name"], r["why"]) for r in verify(file)["results"] if r["status"] != "passed"]
    assert not wrong, f"{len(wrong)} of {len(vectors)}: {wrong[:4]}"


def test_every_group_is_drawn():
    drawn = {*ALIKE, "hedge_costs_mc", "hedge_performance"}
    assert drawn == set(GROUPS)


def costs(rng, n):
    vol, cost = float(rng.uniform(0.1, 0.6)), float(rng.uniform(0.0, 0.02))
    if n % 2:
        short, dt = bool(n % 4 == 1), float(rng.choice([1 / 252, 1 / 52, 1 / 12]))
        cost = cost if short else 0.2 * cost
        added = 2 * cost * math.sqrt(2 / math.pi) / (vol * math.sqrt(dt)) * (1 if short else -1)
        i = {"sigma": vol, "one_way_cost": cost, "dt": dt, "position": "short" if short else "long"}
        return i, vol * math.sqrt(1 + added), 1e-12, "abs"
    s, k, t, r = 100.0, float(rng.uniform(70, 140)), float(rng.uniform(0.05, 2)), float(rng.uniform(-0.02, 0.08))
    lam = float(10 ** rng.uniform(-2, 1.5))
    delta, gamma = (float(exact.greek(g, 1, s, k, t, r, 0, vol)) for g in ("delta", "gamma"))
    width = (1.5 * math.exp(-r * t) * cost * s * gamma**2 / lam) ** (1 / 3)
    i = {"S": s, "K": k, "T": t, "r": r, "sigma": vol, "risk_aversion": lam, "one_way_cost": cost}
    return i, {"half_width": width, "delta": delta, "gamma": gamma}, 1e-12, "abs"


def hull_table(rng, n):
    weeks, k, r, vol = int(rng.integers(2, 30)), 50.0, float(rng.uniform(0, 0.08)), float(rng.uniform(0.1, 0.5))
    path = [float(round(x, 2)) for x in 50 * np.exp(np.cumsum(rng.normal(0, 0.03, weeks + 1)))]
    deltas = [float(figures.delta_and_gamma(1, s, k, (weeks - j) / 52, r, vol)[0]) for j, s in enumerate(path[:-1])]
    deltas.append(1.0 if path[-1] > k else 0.0)
    total, held = 0.0, 0.0
    for s, d in zip(path, deltas, strict=True):
        total, held = total * (1 + r / 52) + (d - held) * s * 100_000, d
    i = {"S_path": path, "K": k, "r": r, "sigma": vol, "T_weeks": weeks, "contracts": 100_000}
    return (
        i,
        {"delta": deltas, "hedge_cost": total - deltas[-1] * k * 100_000},
        {"delta": 1e-9, "hedge_cost": 0.01},
        "abs",
    )


def min_variance(rng, n):
    if n % 2:
        rho, spot, future = (float(rng.uniform(*x)) for x in ((-1, 1), (0.01, 0.1), (0.01, 0.1)))
        i = {"rho": rho, "sigma_S": spot, "sigma_F": future, "exposure": 2e6, "contract": 42_000}
        return i, {"h": rho * spot / future, "contracts": rho * spot / future * 2e6 / 42_000}, 1e-10, "abs"
    d, a, b, c = (float(x) for x in rng.uniform(-1, 1, 4))
    vega, s, t = float(rng.uniform(1, 50)), float(rng.uniform(20, 200)), float(rng.uniform(0.05, 3))
    i = {"delta_bs": d, "vega": vega, "S": s, "T": t, "a": a, "b": b, "c": c}
    return i, d + vega / (s * math.sqrt(t)) * (a + b * d + c * d * d), 1e-12, "abs"


def neutral(rng, n):
    def drawn(few):
        return {g: float(rng.uniform(0.1, 1.0)) * few for g in ("delta", "gamma", "vega")}

    book = {g: float(rng.uniform(-9000, 9000)) for g in ("delta", "gamma", "vega")}
    if n % 3:
        option, target = drawn(1.0), ("gamma", "vega")[n % 2]
        q = -book[target] / option[target]
        i = {"portfolio": book, "instruments": [option], "target": target}
        return i, {"quantities": [q], "underlying": -(book["delta"] + q * option["delta"])}, 1e-6, "abs"
    x, y = drawn(1.0), drawn(1.5)
    over = x["gamma"] * y["vega"] - y["gamma"] * x["vega"]
    p = (-book["gamma"] * y["vega"] + book["vega"] * y["gamma"]) / over
    q = (-x["gamma"] * book["vega"] + x["vega"] * book["gamma"]) / over
    wanted = {"quantities": [p, q], "underlying": -(book["delta"] + p * x["delta"] + q * y["delta"])}
    return {"portfolio": book, "instruments": [x, y]}, wanted, 1e-9, "rel"


def explained(rng, n):
    sign = 1 if n % 2 else -1
    s, k, t = 100.0, float(rng.uniform(80, 120)), float(rng.uniform(0.05, 2))
    r, q, v = float(rng.uniform(-0.02, 0.08)), float(rng.uniform(0, 0.05)), float(rng.uniform(0.1, 0.6))
    ds, dv, dr, dt = float(rng.normal(0, 2)), float(rng.normal(0, 0.02)), float(rng.normal(0, 0.002)), 1 / 252

    def value(ds=0.0, dv=0.0, dr=0.0, dt=0.0):
        return exact.price(sign, s + ds, k, t - dt, r + dr, q, v + dv)

    g = {
        name: exact.greek(name, sign, s, k, t, r, q, v)
        for name in ("delta", "gamma", "vega", "volga", "vanna", "rho", "theta", "charm", "veta")
    }
    taylor = {
        "delta": g["delta"] * ds,
        "gamma": g["gamma"] * ds * ds / 2,
        "vega": g["vega"] * dv,
        "volga": g["volga"] * dv * dv / 2,
        "vanna": g["vanna"] * ds * dv,
        "rho": g["rho"] * dr,
        "theta": g["theta"] * dt,
        "charm": g["charm"] * ds * dt,
        "veta": g["veta"] * dv * dt,
    }
    steps = [value(), value(dt=dt), value(dt=dt, ds=ds), value(dt=dt, ds=ds, dv=dv), value(dt=dt, ds=ds, dv=dv, dr=dr)]
    names = ("time", "spot", "vol", "rate")
    wanted = {
        "actual": float(steps[-1] - steps[0]),
        "taylor": {name: float(x) for name, x in taylor.items()},
        "unexplained": float(steps[-1] - steps[0] - sum(taylor.values())),
        "waterfall": {name: float(steps[j + 1] - steps[j]) for j, name in enumerate(names)},
    }
    i = {
        "type": "call" if sign > 0 else "put",
        "S": s,
        "K": k,
        "T": t,
        "r": r,
        "q": q,
        "sigma": v,
        "dS": ds,
        "dsigma": dv,
        "dr": dr,
        "dt": dt,
    }
    return i, wanted, 1e-9, "abs"


def schedule(rng, n):
    """The optimum by its first-order conditions, a tridiagonal system."""
    x, t, steps = float(rng.uniform(1e4, 1e7)), float(rng.uniform(0.5, 10)), int(rng.integers(2, 40))
    vol, eta, gamma, eps = 0.95, 2.5e-6, 2.5e-7 * (n % 3), 0.0625
    lam = 0.0 if n % 5 == 0 else float(10 ** rng.uniform(-8, -5))
    tau = t / steps
    eta_ = eta - gamma * tau / 2
    a = np.zeros((steps - 1, steps - 1))
    np.fill_diagonal(a, 2 * eta_ / tau**2 + lam * vol**2)
    for j in range(steps - 2):
        a[j, j + 1] = a[j + 1, j] = -eta_ / tau**2
    b = np.zeros(steps - 1)
    b[0] = eta_ / tau**2 * x
    held = np.array([x, *np.linalg.solve(a, b), 0.0])
    sold = -np.diff(held)
    cost = gamma * x * x / 2 + eps * np.abs(sold).sum() + eta_ / tau * (sold**2).sum()
    kappa = math.acosh(tau**2 * lam * vol**2 / eta_ / 2 + 1) / tau
    wanted = {
        "kappa": kappa,
        "holdings": held.tolist(),
        "expected_cost": float(cost),
        "variance": float(vol**2 * tau * (held[1:] ** 2).sum()),
    }
    limits = {"kappa": 1e-7, "holdings": 1e-6 * x, "expected_cost": 1e-7 * cost, "variance": 1e-7 * wanted["variance"]}
    i = {"X": x, "T": t, "N": steps, "sigma": vol, "eta": eta, "gamma": gamma, "epsilon": eps, "risk_aversion": lam}
    return i, wanted, limits, "abs"


ALIKE = {
    "execution_almgren_chriss": schedule,
    "hedge_costs": costs,
    "hedge_hull_table": hull_table,
    "hedge_min_variance": min_variance,
    "hedge_neutral": neutral,
    "pnl_explain": explained,
}


@pytest.mark.parametrize("group", ALIKE)
def test_vectors_alike_pass(group, tmp_path):
    rng = np.random.default_rng(sum(map(ord, group)))
    with mp.workdps(40):
        passed(tmp_path, group, [ALIKE[group](rng, n) for n in range(40)])


def rules(r, vol, cost, steps, years):
    def near(width):
        def rule(s, left, held):
            d, g = figures.delta_and_gamma(SIGN, s, K, left, r, vol)
            w = width(s, left, g)
            return np.clip(held, d - w, d + w)

        return rule

    def leland(s, left, held):
        raised = vol * math.sqrt(1 + 2 * cost * math.sqrt(2 / math.pi) / (vol * math.sqrt(years / steps)))
        return figures.delta_and_gamma(SIGN, s, K, left, r, raised)[0]

    return {
        "delta_daily": near(lambda s, left, g: 0.0),
        "leland_daily": leland,
        "fixed_band_0.08": near(lambda s, left, g: 0.08),
        "ww_lambda_0.5": near(lambda s, left, g: (1.5 * np.exp(-r * left) * cost * s * g * g / 0.5) ** (1 / 3)),
        "unhedged": lambda s, left, held: 0.0 * s,
    }


SIGN, K = 1, 103.0


def test_costs_simulated_alike_pass(tmp_path):
    made = []
    for n, (cost, steps) in enumerate([(0.001, 63), (0.004, 25)]):
        r, mu, vol, years = 0.03, 0.08, 0.3, 0.4
        for name, rule in rules(r, vol, cost, steps, years).items():
            pnl, paid = figures.hedged(rule, SIGN, 100.0, K, years, r, mu, vol, cost, steps, PATHS, 7 + n)
            tail = np.sort(pnl)[: round(0.025 * PATHS)]
            i = {
                "S": 100.0,
                "K": K,
                "T": years,
                "r": r,
                "mu": mu,
                "sigma": vol,
                "one_way_cost": cost,
                "strategy": name,
                "steps": steps,
                "position": "short 1 call",
            }
            wanted = {"mean_pnl": pnl.mean(), "std": pnl.std(), "es97_5": -tail.mean(), "mean_cost": paid.mean()}
            kurtosis = float(np.mean((pnl - pnl.mean()) ** 4)) / pnl.var() ** 2
            # five standard errors of both simulations; that of a tail's mean is at most its deviation and distance
            both = 5 * math.sqrt(1 / PATHS + 1 / 200_000)
            limits = {
                "mean_pnl": both * pnl.std(),
                "std": both * pnl.std() * math.sqrt((kurtosis - 1) / 4),
                "es97_5": both * (tail.std() + tail.max() - tail.mean()) / math.sqrt(0.025),
                "mean_cost": both * paid.std() + 1e-12,
            }
            made.append((i, {k: float(v) for k, v in wanted.items()}, limits, "abs"))
    passed(tmp_path, "hedge_costs_mc", made)


def test_performance_alike_passes(tmp_path):
    made = []
    s, r, vol, mu = 49.0, 0.05, 0.25, 0.10
    for weeks, every in ((20, 4), (20, 0.5), (12, None)):
        years, steps = weeks / 52, round(weeks / every) if every else 1
        rule = rules(r, vol, 0.0, steps, years)["delta_daily" if every else "unhedged"]
        with pytest.MonkeyPatch.context() as here:
            here.setitem(globals(), "K", 50.0)
            pnl, _ = figures.hedged(rule, 1, s, 50.0, years, r, mu, vol, 0.0, steps, PATHS, 3)
        figure = float(pnl.std() / exact.price(1, s, 50.0, years, r, 0, vol))
        i = {"S": s, "K": 50.0, "r": r, "sigma": vol, "mu": mu, "T_weeks": weeks}
        made.append((i | ({"rebalance_weeks": every} if every else {}), figure, 0.02 * figure, "abs"))
    passed(tmp_path, "hedge_performance", made)
