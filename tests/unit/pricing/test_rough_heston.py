import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qflib.errors import InputError
from qflib.pricing import heston, rough_heston

_spec = importlib.util.spec_from_file_location(
    "plain_rough_heston", Path(__file__).parents[2] / "reference/plain_rough_heston.py"
)
plain = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(plain)

MODEL = (0.04, 0.3, 0.04, 0.4, -0.7)
STRIKES = np.array([75.0, 90.0, 100.0, 110.0, 130.0])


@pytest.mark.parametrize("years", [0.05, 1.0, 10.0])
@pytest.mark.parametrize("model", [MODEL, (0.09, 3.0, 0.04, 1.2, 0.3)])
def test_at_a_half_it_is_heston(years, model):
    for right in ("call", "put"):
        got = rough_heston(right, 100.0, STRIKES, years, 0.03, 0.01, *model, 0.5)
        assert got == pytest.approx(heston(right, 100.0, STRIKES, years, 0.03, 0.01, *model), abs=2e-6)


@pytest.mark.parametrize("hurst", [0.1, 0.3])
def test_prices_agree_with_the_plain_twin(hurst):
    got = rough_heston("call", 100.0, STRIKES, 1.0, 0.03, 0.0, *MODEL, hurst)
    assert got == pytest.approx(plain.call(100.0, STRIKES, 1.0, 0.03, *MODEL, hurst), abs=5e-3)
    assert np.abs(got - heston("call", 100.0, STRIKES, 1.0, 0.03, 0.0, *MODEL)).max() > 0.02


@pytest.mark.parametrize("hurst", [0.05, 0.2])
@pytest.mark.parametrize("years", [0.02, 2.0])
def test_more_steps_change_little(hurst, years):
    terms = ("call", 100.0, STRIKES[1:4], years, 0.03, 0.0, *MODEL, hurst)
    assert rough_heston(*terms) == pytest.approx(rough_heston(*terms, steps=800), abs=1e-4)


def test_rows_of_several_models_keep_their_places():
    strike = pd.Series([90.0, 100.0, 110.0, 100.0], index=list("abcd"))
    hurst = pd.Series([0.1, 0.3, 0.1, 0.3], index=list("abcd"))
    years = pd.Series([1.0, 0.5, 1.0, 0.25], index=list("abcd"))
    right = pd.Series(["put", "call", "call", "put"], index=list("abcd"))
    got = rough_heston(right, 100.0, strike, years, 0.02, 0.0, *MODEL, hurst)
    for name in "abcd":
        alone = rough_heston(right[name], 100.0, strike[name], years[name], 0.02, 0.0, *MODEL, hurst[name])
        assert got[name] == pytest.approx(alone, abs=1e-9)
    assert np.isnan(rough_heston("call", [np.nan, 100.0], 100.0, 1.0, 0, 0, *MODEL, 0.1)).tolist() == [True, False]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hurst": 0.0}, "hurst 0.0 is out of range"),
        ({"hurst": 0.6}, "hurst 0.6 is out of range"),
        ({"steps": 5}, "steps 5 are out of range"),
        ({"years": 0.0}, "must be positive"),
        ({"rho": -1.5}, "Heston rho -1.5"),
    ],
)
def test_bad_input_is_one_sentence(change, said):
    terms = {"right": "call", "spot": 100, "strike": 100, "years": 1.0, "rate": 0, "dividend_yield": 0, "hurst": 0.1}
    model = dict(zip(("v0", "kappa", "theta", "sigma", "rho"), MODEL, strict=True))
    with pytest.raises(InputError, match=said):
        rough_heston(**(terms | model | change))
