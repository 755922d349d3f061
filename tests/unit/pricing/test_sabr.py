import mpmath as mp
import numpy as np
import pandas as pd
import pytest

from qflib.errors import DataError, InputError
from qflib.pricing import bachelier, black76, fit_sabr, sabr_density, sabr_vol

SMILE = {"forward": 1.0, "years": 1.0, "alpha": 0.25, "beta": 0.6, "rho": -0.4, "nu": 0.5}


def hagan(kind, k, forward, years, alpha, beta, rho, nu):
    """The expansions as they are printed, in 40 digits."""
    with mp.workdps(40):
        f, k, t, a, b, r, n = (mp.mpf(float(x)) for x in (forward, k, years, alpha, beta, rho, nu))
        log = mp.log(f / k)
        level = (f * k) ** ((1 - b) / 2)
        z = n / a * level * log
        x = mp.log((mp.sqrt(1 - 2 * r * z + z * z) + z - r) / (1 - r))
        ratio = z / x if z else mp.mpf(1)
        bent = 1 + ((1 - b) * log) ** 2 / 24 + ((1 - b) * log) ** 4 / 1920
        common = r * b * n * a / (4 * level) + (2 - 3 * r * r) / 24 * n * n
        if kind == "lognormal":
            return a / (level * bent) * ratio * (1 + t * ((1 - b) ** 2 * a * a / (24 * level**2) + common))
        shape = (1 + log**2 / 24 + log**4 / 1920) / bent
        return a * (f * k) ** (b / 2) * shape * ratio * (1 + t * (-b * (2 - b) * a * a / (24 * level**2) + common))


@pytest.mark.parametrize("kind", ["lognormal", "normal"])
@pytest.mark.parametrize("strike", [0.05, 0.4, 0.9, 0.99999, 1.0, 1.0 + 1e-9, 1.00001, 1.3, 4.0])
@pytest.mark.parametrize("rho", [-0.95, 0.0, 0.7])
def test_vols_agree_with_the_printed_expansion(kind, strike, rho):
    smile = SMILE | {"rho": rho}
    assert sabr_vol(strike, **smile, kind=kind) == pytest.approx(float(hagan(kind, strike, **smile)), rel=2e-13)


def test_normal_and_lognormal_vols_price_alike_for_short_times():
    strikes = np.array([0.8, 0.95, 1.05, 1.25])
    smile = SMILE | {"years": 0.05}
    normal = bachelier("call", 1.0, strikes, 0.05, sabr_vol(strikes, **smile, kind="normal"))
    lognormal = black76("call", 1.0, strikes, 0.05, sabr_vol(strikes, **smile))
    assert normal == pytest.approx(lognormal, abs=2e-6)


def test_negative_rates_by_shift_and_by_the_normal_kind():
    shifted = sabr_vol([-0.005, 0.0, 0.01], -0.002, 2.0, 0.03, 0.5, -0.2, 0.4, shift=0.03)
    moved = sabr_vol([0.025, 0.03, 0.04], 0.028, 2.0, 0.03, 0.5, -0.2, 0.4)
    assert (shifted == moved).all()
    normal = sabr_vol([-0.005, 0.0, 0.01], -0.002, 2.0, 0.006, 0.0, -0.2, 0.4, kind="normal")
    near = sabr_vol(np.array([-0.005, 0.0, 0.01]) + 50, 49.998, 2.0, 0.006, 0.0, -0.2, 0.4, kind="normal")
    assert normal == pytest.approx(near, rel=1e-10)


def test_the_density_is_the_second_derivative_of_the_call():
    k, h = np.array([0.3, 0.7, 1.0, 1.6]), 1e-3
    smile = SMILE | {"years": 4.0}

    def call(x):
        return black76("call", 1.0, x, 4.0, sabr_vol(x, **smile))

    want = (16 * (call(k + h) + call(k - h)) - call(k + 2 * h) - call(k - 2 * h) - 30 * call(k)) / (12 * h * h)
    assert sabr_density(k, **smile) == pytest.approx(want, abs=1e-7)
    grid = np.exp(np.linspace(-9, 5, 4001))
    mass = np.trapezoid(sabr_density(grid, **(SMILE | {"alpha": 0.2, "nu": 0.1, "beta": 1.0})), grid)
    assert mass == pytest.approx(1.0, abs=1e-4)


def test_a_fit_finds_the_smile_again_and_tells_arbitrage():
    strikes = np.linspace(0.01, 0.08, 12)
    vols = pd.Series(sabr_vol(strikes, 0.03, 5.0, 0.04, 0.5, -0.35, 0.45, shift=0.01))
    vols[3] = np.nan
    fit = fit_sabr(strikes, vols, 0.03, 5.0, beta=0.5, shift=0.01)
    assert (fit.alpha, fit.rho, fit.nu) == pytest.approx((0.04, -0.35, 0.45), rel=1e-6)
    assert fit.rmse < 1e-9
    assert len(fit.to_frame()) == 11
    wild = np.linspace(0.02, 2.0, 30)
    bad = fit_sabr(wild, sabr_vol(wild, 1.0, 20.0, 0.25, 0.3, -0.8, 0.3), 1.0, 20.0, beta=0.3)
    assert not bad.butterfly_free
    assert sabr_density(bad.first_arbitrage, 1.0, 20.0, bad.alpha, 0.3, bad.rho, bad.nu) < 0
    assert bad.vol(1.0) == pytest.approx(sabr_vol(1.0, 1.0, 20.0, 0.25, 0.3, -0.8, 0.3), rel=1e-6)


def test_an_expired_option_has_no_density():
    with pytest.raises(InputError, match=r"years 0\.0 must be positive"):
        sabr_density(1.0, 1.0, [1.0, 0.0], 0.25, 0.3, -0.8, 0.3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"alpha": 0.0}, "SABR alpha 0.0 is out of range; it must be positive"),
        ({"beta": 1.2}, "SABR beta 1.2 is out of range"),
        ({"rho": -1.0}, "SABR rho -1.0 is out of range"),
        ({"nu": -0.1}, "SABR nu -0.1"),
        ({"strike": -0.1}, "SABR strike -0.1 is out of range; it must be above -shift"),
        ({"forward": 0.0}, "SABR forward 0.0"),
        ({"kind": "black"}, "kind 'black' is unknown"),
        ({"nu": "high"}, "nu 'high' is not a number"),
    ],
)
def test_bad_input_is_one_sentence(change, said):
    with pytest.raises(InputError, match=said):
        sabr_vol(**({"strike": 1.0} | SMILE | change))


def test_too_few_vols():
    with pytest.raises(DataError, match="2 vols cannot tell"):
        fit_sabr([1.0, 1.1, 1.2], [0.2, np.nan, 0.21], 1.0, 1.0)
    with pytest.raises(InputError, match="do not go with"):
        fit_sabr([1.0, 1.1, 1.2], [0.2], 1.0, 1.0)
