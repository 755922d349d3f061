"""Greeks of the models beyond Black-Scholes: derivatives of their formulas in 40 digits."""

import mpmath as mp
import numpy as np
import pandas as pd
import pytest

from qflib.errors import InputError
from qflib.pricing import (
    asian_continuous_greeks,
    asian_greeks,
    asian_monte_carlo,
    bachelier_greeks,
    barrier_greeks,
    barrier_option,
    black_scholes,
    digital_greeks,
    greeks,
    heston_greeks,
    rough_heston,
    rough_heston_greeks,
    sabr_greeks,
    shifted_greeks,
)
from tests.reference import black_scholes_mpmath as exact
from tests.reference import vector_figures as figures

NAMES = [
    "delta",
    "gamma",
    "vega",
    "theta",
    "rho",
    "dividend_rho",
    "vanna",
    "volga",
    "charm",
    "veta",
    "dual_delta",
    "dual_gamma",
]
AT = (100.0, 96.0, 0.7, 0.06, 0.02, 0.28)  # spot, strike, years, rate, yield, vol


def differentiated(f, at, names=NAMES):
    """Derivatives of f(spot, strike, years, rate, yield, vol)."""

    def g(s, v, t, r, q, k):
        return f(s, k, t, r, q, v)

    s, k, t, r, q, v = (mp.mpf(x) for x in at)
    with mp.workdps(40):
        found = {}
        for name in names:
            orders, direction = exact.GREEK_ORDERS[name]
            found[name] = float(direction * mp.diff(g, (s, v, t, r, q, k), orders, h=mp.mpf(10) ** -10))
    return found


def close(got, want, scale=1.0, tolerance=1e-9):
    for name, figure in want.items():
        assert got[name] == pytest.approx(figure, rel=tolerance, abs=tolerance * scale), name


@pytest.mark.parametrize("kind", ["DownIn", "DownOut", "UpIn", "UpOut"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("strike", [80.0, 100.0, 125.0])
def test_barriers(kind, sign, strike):
    level = 118.0 if kind.startswith("Up") else 88.0
    at = (AT[0], strike, *AT[2:])
    want = differentiated(lambda s, k, t, r, q, v: figures.barrier(kind, sign, s, k, level, 2.5, t, r, q, v), at)
    name = {"D": "down_", "U": "up_"}[kind[0]] + ("in" if kind.endswith("In") else "out")
    got = barrier_greeks(name, "call" if sign > 0 else "put", *at[:2], level, *at[2:], rebate=2.5)
    close(got, want, scale=100.0, tolerance=1e-11)


@pytest.mark.parametrize(("rate", "q"), [(0.0, -0.02), (-0.05, 0.0), (-0.11, -0.012), (1e-6, 0.0)])
@pytest.mark.parametrize("level", [70.0, 92.5, 99.9])
def test_barriers_whose_rebate_is_integrated(rate, q, level):
    """Without rate and drift of ln S the exponents of the rebate coincide; below a rate they are imaginary."""
    at = (100.0, 95.0, 2.5, rate, q, 0.2)
    want = differentiated(lambda s, k, t, r, q, v: figures.barrier("DownOut", -1, s, k, level, 5.0, t, r, q, v), at)
    got = barrier_greeks("down_out", "put", 100.0, 95.0, level, *at[2:], rebate=5.0)
    close(got, want, scale=100.0, tolerance=1e-9)


@pytest.mark.parametrize("kind", ["UpOut", "DownOut"])
@pytest.mark.parametrize("sign", [1, -1])
def test_barriers_without_rebate_at_negative_rates(kind, sign):
    """A rebate's exponents are imaginary there, which a row without one must not feel, alone or among others."""
    level = 120.0 if kind == "UpOut" else 85.0
    at = (100.0, 100.0, 0.5, -0.005, -0.005, 0.1)
    name, right = {"U": "up_out", "D": "down_out"}[kind[0]], "call" if sign > 0 else "put"
    want = differentiated(lambda s, k, t, r, q, v: figures.barrier(kind, sign, s, k, level, 0.0, t, r, q, v), at)
    close(barrier_greeks(name, right, *at[:2], level, *at[2:]), want, scale=100.0, tolerance=1e-11)
    paid = differentiated(lambda s, k, t, r, q, v: figures.barrier(kind, sign, s, k, level, 2.0, t, r, q, v), at)
    both = barrier_greeks(name, right, *at[:2], level, *at[2:], rebate=[0.0, 2.0])
    close(both.loc[0], want, scale=100.0, tolerance=1e-11)
    close(both.loc[1], paid, scale=100.0, tolerance=1e-9)
    rates = barrier_greeks(name, right, *at[:2], level, 0.5, [-0.005, 0.03], -0.005, 0.1, rebate=[0.0, 2.0])
    close(rates.loc[0], want, scale=100.0, tolerance=1e-11)


def test_barriers_on_the_barrier_are_hit():
    terms = (100.0, 90.0, 0.5, 0.03, 0.01, 0.3)
    out = barrier_greeks("down_out", "call", 90.0, *terms, rebate=3.0)
    assert out["price"] == 3.0
    assert all(out[name] == 0.0 for name in NAMES)
    vanilla = greeks("call", 100.0, 0.5, 0.3, spot=90.0, rate=0.03, dividend_yield=0.01)
    close(barrier_greeks("down_in", "call", 90.0, *terms), {n: vanilla[n] for n in NAMES}, tolerance=1e-12)
    assert abs(barrier_greeks("down_out", "call", 90.0 * (1 + 1e-9), *terms)["delta"]) > 0.1  # where it still lives


def test_barriers_in_and_out_are_the_vanilla():
    spot = np.array([91.0, 100.0, 130.0])
    terms = ("call", spot, 100.0, 90.0, 0.5, 0.03, 0.01, 0.3)
    both = [barrier_greeks(k, *terms, interval=1 / 52) for k in ("down_in", "down_out")]
    vanilla = greeks("call", 100.0, 0.5, 0.3, spot=spot, rate=0.03, dividend_yield=0.01)
    for name in ("price", *NAMES):
        assert np.allclose(both[0][name] + both[1][name], vanilla[name], rtol=0, atol=1e-9), name


def test_barriers_hit_expired_and_without_vol():
    spot = pd.Series([80.0, 100.0, np.nan, 100.0], index=list("abcd"))
    vol = pd.Series([0.2, 0.2, 0.2, 0.0], index=list("abcd"))
    out = barrier_greeks("down_out", "call", spot, 100.0, 90.0, [0.5, 0.0, 0.5, 0.5], 0.01, 0.0, vol, rebate=3.0)
    assert out.index.tolist() == list("abcd")
    assert out.loc["a", ["price", "delta", "vega", "theta"]].tolist() == [3.0, 0.0, 0.0, 0.0]
    assert out.loc[["b", "d"], "price"].notna().all()
    assert out.loc[["b", "c", "d"], NAMES].isna().all(axis=None)
    hit = barrier_greeks("down_in", "call", 80.0, 100.0, 90.0, 0.5, 0.01, 0.0, 0.2)
    close(hit, {n: x for n, x in greeks("call", 100.0, 0.5, 0.2, spot=80.0, rate=0.01).items() if n in hit})
    cash = barrier_greeks("down_out", "call", 100.0, 100.0, 90.0, 0.5, 0.01, 0.0, 0.2, units="trader")
    plain = barrier_greeks("down_out", "call", 100.0, 100.0, 90.0, 0.5, 0.01, 0.0, 0.2)
    assert cash["delta"] == pytest.approx(100.0 * plain["delta"])
    assert cash["theta"] == pytest.approx(plain["theta"] / 365)
    with pytest.raises(InputError, match="units 'pips' are unknown"):
        barrier_greeks("down_out", "call", 100.0, 100.0, 90.0, 0.5, 0.01, 0.0, 0.2, units="pips")


@pytest.mark.parametrize("average", ["geometric", "arithmetic"])
@pytest.mark.parametrize("sign", [1, -1])
def test_asians(average, sign):
    times = [0.1 * j for j in range(1, 8)]
    right = "call" if sign > 0 else "put"

    def price(s, k, t, r, q, v):
        moved = [x + t - mp.mpf(times[-1]) for x in map(mp.mpf, times)]
        return figures.asian(average, sign, s, k, moved, r, q, v)

    at = (100.0, 96.0, times[-1], *AT[3:])
    close(asian_greeks(right, 100.0, 96.0, times, *AT[3:], average=average), differentiated(price, at), scale=10.0)
    want = differentiated(lambda *x: figures.asian_continuous(average, sign, *x), AT, ["delta", "vega", "theta", "rho"])
    close(asian_continuous_greeks(right, *AT, average=average), want, scale=10.0)


def test_asians_that_have_begun():
    times, terms = [0.1, 0.2, 0.3], (0.05, 0.01, 0.3)
    # half the fixings at 90: an option on the rest, struck at 2 K - 90, for half of it
    got = asian_greeks("put", 100.0, 96.0, times, *terms, fixed=(3, 90.0))
    rest = asian_greeks("put", 100.0, 102.0, times, *terms)
    for name in ("price", "delta", "gamma", "vega", "theta", "rho", "volga"):
        assert got[name] == pytest.approx(0.5 * rest[name], rel=1e-12), name
    sure = asian_greeks(["call", "put"], 100.0, 40.0, times, *terms, fixed=(3, 90.0))
    grown = np.mean(np.exp(0.04 * np.array(times))) * np.exp(-0.05 * 0.3)
    assert sure["delta"].tolist() == pytest.approx([0.5 * grown, 0.0], abs=1e-15)
    assert (sure[["gamma", "vega"]] == 0.0).all(axis=None)


@pytest.mark.parametrize("right", ["call", "put"])
def test_asians_by_simulation(right):
    """The exact derivative of one fixing; of many, that of the simulated price along the same paths."""
    one = asian_monte_carlo(right, 100.0, 104.0, [0.5], 0.02, 0.01, 0.3, paths=40_000)
    want = greeks(right, 104.0, 0.5, 0.3, spot=100.0, rate=0.02, dividend_yield=0.01)
    assert one.delta == pytest.approx(want["delta"], abs=1e-10)  # the control is the option itself
    assert one.vega == pytest.approx(want["vega"], abs=1e-8)
    terms = (np.arange(1, 14) / 26, 0.02, 0.01)
    found = asian_monte_carlo(right, 100.0, 104.0, *terms, 0.3, paths=200_000)
    up, down = (asian_monte_carlo(right, 100.0 + h, 104.0, *terms, 0.3, paths=200_000) for h in (0.05, -0.05))
    assert found.delta == pytest.approx((up.price - down.price) / 0.1, abs=4 * found.delta_se + 1e-4)
    up, down = (asian_monte_carlo(right, 100.0, 104.0, *terms, 0.3 + h, paths=200_000) for h in (1e-3, -1e-3))
    assert found.vega == pytest.approx((up.price - down.price) / 2e-3, abs=4 * found.vega_se + 1e-3)
    assert 0.0 < found.delta_se < 1e-3
    # the approximation's own error at 30 % for half a year
    near = asian_greeks(right, 100.0, 104.0, *terms, 0.3)
    assert found.delta == pytest.approx(near["delta"], abs=0.01)
    assert found.vega == pytest.approx(near["vega"], rel=0.02)


@pytest.mark.parametrize(("kind", "paid"), [("cash", 7.0), ("asset", 1.0), ("gap", 103.0)])
@pytest.mark.parametrize("sign", [1, -1])
def test_digitals(kind, paid, sign):
    long = {"cash": "cash_or_nothing", "asset": "asset_or_nothing", "gap": "gap"}[kind]
    want = differentiated(lambda *x: figures.digital(long, sign, *x, paid), AT)
    more = {"cash": {"amount": paid}, "asset": {}, "gap": {"payoff_strike": paid}}[kind]
    close(digital_greeks("call" if sign > 0 else "put", *AT, kind=kind, **more), want, tolerance=1e-11)
    assert np.isnan(digital_greeks("call", 100, 100, 0.0, 0, 0, 0.2)["delta"])


FORWARD = ["delta", "gamma", "vega", "theta", "rho", "vanna", "volga", "charm", "veta", "dual_delta", "dual_gamma"]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("forward", [-0.004, 0.0095, 0.06])
def test_normal_and_shifted(sign, forward):
    right, at = "call" if sign > 0 else "put", (forward, 0.01, 1.5, 0.03, 0.0, 0.012)
    want = differentiated(lambda s, k, t, r, q, v: mp.exp(-r * t) * exact.bachelier(sign, s, k, t, v), at, FORWARD)
    close(bachelier_greeks(right, forward, 0.01, 1.5, 0.012, 0.03), want, tolerance=1e-11)
    at = (*at[:-1], 0.35)

    def shifted(s, k, t, r, q, v):
        return mp.exp(-r * t) * exact.price(sign, s + mp.mpf("0.02"), k + mp.mpf("0.02"), t, 0, 0, v)

    got = shifted_greeks(right, forward, 0.01, 1.5, 0.35, 0.02, 0.03)
    close(got, differentiated(shifted, at, FORWARD), tolerance=1e-11)


def test_normal_at_expiry():
    got = bachelier_greeks(["call", "put", "call"], [1.0, -1.0, np.nan], 0.0, 0.0, 0.01)
    assert got["delta"].tolist()[:2] == [1.0, -1.0]
    assert got["dual_delta"].tolist()[:2] == [-1.0, 1.0]
    assert got[["gamma", "vega", "theta"]].isna().all(axis=None)
    assert np.isnan(got["delta"][2])


SMILE = {"forward": 100.0, "strike": 108.0, "years": 0.8, "alpha": 2.2, "beta": 0.5, "rho": -0.35, "nu": 0.9}


def smile_price(forward, strike, years, alpha, beta, rho, nu):
    vol = figures.sabr(forward, strike, years, alpha, beta, rho, nu)
    return mp.exp(mp.mpf("-0.02") * years) * exact.price(1, forward, strike, years, 0, 0, vol)


@pytest.mark.parametrize("strike", [70.0, 100.0001, 108.0, 160.0])
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_sabr(strike, beta):
    at = SMILE | {"strike": strike, "beta": beta, "alpha": 0.22 * 100 ** (1 - beta)}
    names = list(at)

    def slope(*by):
        orders = tuple(by.count(n) for n in names)
        with mp.workdps(40):
            return float(mp.diff(smile_price, tuple(mp.mpf(x) for x in at.values()), orders, h=mp.mpf(10) ** -10))

    terms = ("call", at["strike"], at["forward"], *(at[n] for n in names[2:]))
    held = sabr_greeks(*terms, rate=0.02, dynamics="hagan")
    want = {
        "price": slope(),
        "delta": slope("forward"),
        "gamma": slope("forward", "forward"),
        "vega": slope("alpha"),
        "vanna": slope("forward", "alpha"),
        "volga": slope("alpha", "alpha"),
        "theta": -slope("years"),
        "dual_delta": slope("strike"),
        "dual_gamma": slope("strike", "strike"),
        "correlation_slope": slope("rho"),
        "nu_slope": slope("nu"),
        "beta_slope": slope("beta"),
    }
    close(held, want, tolerance=1e-9)
    assert held["rho"] == pytest.approx(-0.8 * held["price"], rel=1e-12)
    moved = sabr_greeks(*terms, rate=0.02)
    per_forward = at["rho"] * at["nu"] / at["forward"] ** beta
    assert moved["delta"] == pytest.approx(want["delta"] + per_forward * want["vega"], rel=1e-9)
    black = greeks("call", strike, 0.8, held["vol"], forward=100.0, rate=0.02)
    assert moved["vega"] == pytest.approx(
        want["vega"] + (want["delta"] - black["delta"]) * at["rho"] * 100**beta / at["nu"], rel=1e-9
    )

    def along(h):  # the delta where alpha has followed the forward
        here = (
            at["alpha"] + at["rho"] * at["nu"] * ((100 + h) ** (1 - beta) - 100 ** (1 - beta)) / (1 - beta)
            if beta < 1
            else (at["alpha"] + at["rho"] * at["nu"] * np.log1p(h / 100))
        )
        return sabr_greeks("call", strike, 100.0 + h, 0.8, here, beta, at["rho"], at["nu"], rate=0.02)["delta"]

    assert moved["gamma"] == pytest.approx((along(1e-3) - along(-1e-3)) / 2e-3, abs=1e-8)


def test_sabr_in_the_normal_form():
    """Of negative forwards too: derivatives of the price by differences."""
    from qflib.pricing import bachelier, sabr_vol

    for forward, strike, beta, alpha in ((-0.002, 0.004, 0.0, 0.006), (0.02, 0.024, 0.5, 0.04)):

        def price(f=forward, k=strike, a=alpha, n=0.4, b=beta):
            vol = sabr_vol(k, f, 1.5, a, b, -0.2, n, kind="normal")
            return bachelier("put", f, k, 1.5, vol, 0.01)

        got = sabr_greeks(
            "put", strike, forward, 1.5, alpha, beta, -0.2, 0.4, rate=0.01, kind="normal", dynamics="hagan"
        )
        h = 1e-6
        assert got["delta"] == pytest.approx((price(f=forward + h) - price(f=forward - h)) / (2 * h), abs=1e-8)
        assert got["dual_delta"] == pytest.approx((price(k=strike + h) - price(k=strike - h)) / (2 * h), abs=1e-8)
        assert got["vega"] == pytest.approx((price(a=alpha + h) - price(a=alpha - h)) / (2 * h), abs=1e-8)
        assert got["nu_slope"] == pytest.approx((price(n=0.4 + h) - price(n=0.4 - h)) / (2 * h), abs=1e-8)
        assert np.isnan(got["beta_slope"]) == (beta == 0.0)
    with pytest.raises(InputError, match="dynamics 'sticky' is unknown"):
        sabr_greeks("put", 1.0, 1.0, 1.0, 0.2, 0.5, 0.0, 0.3, dynamics="sticky")
    assert np.isnan(sabr_greeks("put", 1.0, 1.0, 1.0, 0.2, 0.5, 0.0, 0.0)["vega"])


MODEL = (0.04, 0.5, 0.06, 0.4, -0.7)


@pytest.mark.parametrize("right", ["call", "put"])
def test_rough_heston(right):
    smooth = rough_heston_greeks(right, 100.0, 95.0, 1.2, 0.03, 0.01, *MODEL, 0.5)
    heston = heston_greeks(right, 100.0, 95.0, 1.2, 0.03, 0.01, *MODEL)
    close(smooth, {n: heston[n] for n in smooth if n in heston}, scale=100.0, tolerance=1e-9)
    terms = [right, 100.0, 95.0, 1.2, 0.03, 0.01, *MODEL, 0.12]
    got = rough_heston_greeks(*terms)
    for at, name, h, sign in (
        (1, "delta", 1e-2, 1),
        (2, "dual_delta", 1e-2, 1),
        (3, "theta", 1e-4, -1),
        (4, "rho", 1e-4, 1),
        (5, "dividend_rho", 1e-4, 1),
        (6, "variance_delta", 1e-5, 1),
    ):
        up, down = list(terms), list(terms)
        up[at] += h
        down[at] -= h
        slope = (rough_heston(*up) - rough_heston(*down)) / (2 * h)
        assert got[name] == pytest.approx(sign * slope, rel=1e-5, abs=1e-5), name
    up, down = (rough_heston_greeks(right, 100.0 + h, *terms[2:])["delta"] for h in (0.01, -0.01))
    assert got["gamma"] == pytest.approx((up - down) / 0.02, abs=1e-8)
    table = rough_heston_greeks(right, 100.0, [95.0, 110.0], *terms[3:])
    assert table.loc[0].to_dict() == pytest.approx(got, rel=1e-9, abs=1e-12)


def test_prices_beside_the_greeks_are_the_models_own():
    assert barrier_greeks("up_out", "put", 100, 95, 120, 0.5, 0.01, 0.0, 0.2)["price"] == barrier_option(
        "up_out", "put", 100, 95, 120, 0.5, 0.01, 0.0, 0.2
    )
    vanilla = barrier_greeks("up_in", "call", 130, 100, 120, 0.5, 0.01, 0.0, 0.2)["price"]
    assert vanilla == black_scholes("call", 130, 100, 0.5, 0.01, 0.0, 0.2)
