import numpy as np
import pytest

from qflib.errors import DataError, InputError
from qflib.pricing.svi import svi_jump_wings, svi_total_variance
from qflib.pricing.svi_forms import fit_svi, svi_from_jump_wings, svi_from_natural, svi_natural

SLICES = [
    (-0.041, 0.1331, 0.306, 0.3586, 0.4153),
    (0.01, 0.1, -0.4, 0.05, 0.2),
    (0.02, 0.05, -0.7, 0.0, 0.3),  # m = 0: the lemma's own formula divides by it
    (0.03, 0.2, 0.5, -0.2, 0.1),
]


@pytest.mark.parametrize("raw", SLICES)
@pytest.mark.parametrize("years", [0.1, 2.0])
def test_jump_wings_and_back(raw, years):
    back = svi_from_jump_wings(**svi_jump_wings(*raw, years), years=years)
    assert tuple(back.values()) == pytest.approx(raw, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("raw", SLICES)
def test_natural_and_back(raw):
    n = svi_natural(*raw)
    assert tuple(svi_from_natural(**n).values()) == pytest.approx(raw, rel=1e-12, abs=1e-14)
    k = np.linspace(-1, 1, 9)
    turned = n["zeta"] * (k - n["mu"]) + n["rho"]
    inner = 1 + n["zeta"] * n["rho"] * (k - n["mu"]) + np.sqrt(turned**2 + 1 - n["rho"] ** 2)
    assert n["delta"] + n["omega"] / 2 * inner == pytest.approx(svi_total_variance(k, *raw), rel=1e-13)


@pytest.mark.parametrize("raw", SLICES)
def test_a_fit_finds_the_slice_again(raw):
    k = np.linspace(-0.9, 0.8, 25)
    fit = fit_svi(k, svi_total_variance(k, *raw))
    assert fit.rmse < 1e-8
    assert fit.total_variance(k) == pytest.approx(svi_total_variance(k, *raw), abs=1e-7)
    assert fit.butterfly_free == (raw[0] > 0)  # the first has a butterfly that is an arbitrage


def test_a_fit_of_noise_keeps_variance_positive():
    rng = np.random.default_rng(4)
    k = np.linspace(-0.3, 0.3, 15)
    want = 0.001 + 0.2 * np.abs(k) + rng.normal(0, 5e-4, 15)
    want[4] = np.nan
    fit = fit_svi(k, want)
    assert len(fit.to_frame()) == 14
    assert fit.total_variance(np.linspace(-1, 1, 201)).min() >= -1e-15
    assert fit.rmse < 1e-3


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: svi_from_jump_wings(0.04, 0.0, 0.5, 0.5, 0.05, 1.0), "are no slice"),
        (lambda: svi_from_jump_wings(0.04, -0.9, 0.5, 0.5, 0.03, 1.0), "beyond the wings"),
        (lambda: svi_from_jump_wings(0.04, 0.0, 0.5, 0.5, 0.04, 1.0), "sigma is not told|equals vtilde"),
        (lambda: svi_natural(0.0, 0.1, 1.0, 0.0, 0.1), "out of range"),
        (lambda: svi_from_natural(0.0, 0.0, 0.0, 0.1, 0.0), "out of range"),
        (lambda: fit_svi([0.0, 0.1], [0.1]), "does not go with"),
    ],
)
def test_bad_input_is_one_sentence(call, said):
    with pytest.raises(InputError, match=said):
        call()


def test_too_few_variances():
    with pytest.raises(DataError, match="cannot tell five"):
        fit_svi([0.0, 0.1, 0.2, 0.3], [0.1, 0.1, 0.1, 0.1])


def test_a_start_near_the_answer_gives_the_same_slice():
    rng = np.random.default_rng(3)
    k = np.linspace(-0.5, 0.4, 25)
    want = svi_total_variance(k, 0.01, 0.1, -0.4, 0.05, 0.2) * np.exp(rng.normal(0.0, 0.01, k.size))
    far, near = fit_svi(k, want), fit_svi(k, want, start=(0.0, 0.3))
    assert near.rmse == pytest.approx(far.rmse, rel=1e-6)
    assert np.allclose(near.quotes["fitted"], far.quotes["fitted"], rtol=1e-5)
    with pytest.raises(InputError, match="no positive sigma"):
        fit_svi(k, want, start=(0.0, 0.0))
