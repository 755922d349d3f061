import math

import pytest

from qflib.cli import verify_hedging, verify_pricing
from qflib.cli.verify_pricing import GROUPS, figures
from qflib.errors import DataError


def test_every_group_gives_the_shape_asked_for():
    bsm = {"type": "put", "S": 100, "K": 90, "T": 0.5, "r": 0.03, "q": 0.01, "sigma": 0.25}
    iv = {"type": "put", "price": 2.0, "S": 100, "K": 90, "T": 0.5, "r": 0.03, "q": 0.01}
    svi = {"a": 0.01, "b": 0.1, "rho": -0.2, "m": 0.0, "sigma": 0.1}
    asked = {
        "american": (bsm, None),
        "american_andersen_lake": (bsm, {"american": None, "premium": None}),
        "american_edge": (bsm | {"T": 0.0}, None),
        "european_haug": (bsm, None),
        "european_pyvollib": (bsm, None),
        "european_extreme": (bsm, None),
        "greeks_haug": (bsm | {"greek": "theta_per_day_365"}, None),
        "greeks_all": (bsm, {"delta": None, "ultima": None}),
        "implied_vol_itm": (iv, None),
        "implied_vol_jaeckel_grid": ({"type": "call", "price": 0.2, "F": 1, "K": 1, "T": 1, "df": 1}, None),
        "bachelier": ({"type": "call", "F": -1, "K": 0, "T": 1, "sigma_n": 2, "df": 0.9}, None),
        "black76": ({"type": "call", "F": 1, "K": 2, "T": 1, "sigma": 2, "df": 0.9}, None),
        "digital": (bsm | {"kind": "gap", "payoff_strike": 80}, None),
        "asian": (bsm | {"avg": "arithmetic", "fixings": "26 equally spaced 1/52..0.5"}, None),
        "barrier_babsiri": (bsm | {"kind": "UpIn", "barrier": 110.0}, None),
        "barrier_haug": (bsm | {"kind": "DownOut", "barrier": 80.0, "rebate": 3.0}, None),
        "heston": (bsm | {"v0": 0.04, "kappa": 1.0, "theta": 0.05, "sigma": 0.5, "rho": -0.5}, None),
        "rough_heston": (
            bsm | {"v0": 0.04, "kappa": 1.0, "theta": 0.05, "sigma": 0.5, "rho": -0.5, "H": 0.2},
            None,
        ),
        "sabr_hagan": ({"F": 1, "K": 1.1, "T": 1, "alpha": 0.2, "beta": 0.5, "rho": -0.3, "nu": 0.4}, None),
        "svi_raw": (svi | {"k": 0.1}, {"w": None}),
        "svi_jw": (svi | {"T": 1.0}, dict.fromkeys(("v", "psi", "p", "c", "vtilde"))),
    }
    for group, (inputs, expected) in asked.items():
        got = figures({"group": group, "name": "x", "inputs": inputs, "expected": expected})
        if expected is None:
            assert isinstance(got, float)
            assert math.isfinite(got)
        else:
            assert set(got) == set(expected)
    status = figures({"group": "implied_vol_status", "inputs": iv | {"price": None}, "expected": None})
    assert status == "nan_input"
    assert set(asked) | {"implied_vol_status"} == set(GROUPS)


def test_what_is_not_built_or_wrong():
    assert figures({"group": "weather", "inputs": {}, "expected": None}) is None
    bsm = {"type": "put", "S": 100, "K": 90, "T": 0.5, "r": 0.03, "q": 0.01, "sigma": 0.25}
    always = bsm | {"avg": "geometric_continuous"}
    assert figures({"group": "asian", "name": "x", "inputs": always, "expected": None}) > 0
    words = {"avg": "geometric", "fixings": "weekly", "type": "call", "S": 1, "K": 1, "r": 0, "q": 0, "sigma": 0.2}
    with pytest.raises(DataError, match="fixings 'weekly' are not understood"):
        figures({"group": "asian", "name": "x", "inputs": words, "expected": None})
    with pytest.raises(DataError, match="vector black76/x cannot be computed"):
        figures({"group": "black76", "name": "x", "inputs": {}, "expected": None})


@pytest.mark.parametrize(
    "inputs", [{}, {"type": "call"}, {"type": "call", "S": "x"}, {"S_path": [], "type": 3}, {"T": []}]
)
@pytest.mark.parametrize("module", [verify_pricing, verify_hedging])
def test_no_inputs_stop_the_command(module, inputs):
    for group in module.GROUPS:
        with pytest.raises(DataError, match=f"vector {group}/x cannot be computed"):
            module.figures({"group": group, "name": "x", "inputs": inputs, "expected": None})


def test_what_may_be_left_out_or_spelled_otherwise():
    bsm = {"type": "put", "S": 100, "K": 90, "T": 0.5, "r": 0.03, "q": 0.0, "sigma": 0.25}
    short = {k: v for k, v in bsm.items() if k != "q"} | {"type": "PUT"}

    def figure(group, inputs):
        return figures({"group": group, "name": "x", "inputs": inputs, "expected": None})

    for group in ("european_haug", "american"):
        assert figure(group, short) == figure(group, bsm)
        assert figure(group, short | {"b": 0.03}) == pytest.approx(figure(group, bsm), rel=1e-14)
    barrier = bsm | {"barrier": 80.0}
    assert figure("barrier_haug", barrier | {"kind": "Down-and-Out"}) == figure(
        "barrier_haug", barrier | {"kind": "DownOut"}
    )
    late = {"avg": "geometric", "fixings": [0.25, 0.5]}
    paid = figure("asian", bsm | late | {"T": 0.75})
    assert paid == pytest.approx(math.exp(-0.03 * 0.25) * figure("asian", bsm | late | {"T": 0.5}), rel=1e-14)
    with pytest.raises(DataError, match="strategy 'martingale' is unknown"):
        verify_hedging.figures(
            {"group": "hedge_costs_mc", "inputs": bsm | {"strategy": "martingale", "steps": 2, "one_way_cost": 0.0}}
        )


def test_lists_of_inputs_give_lists_of_figures():
    bsm = {"type": ["call", "put"], "S": 100.0, "K": [90.0, 105.0], "T": 0.5, "r": 0.03, "q": 0.01, "sigma": 0.25}
    model = {"v0": 0.04, "kappa": 1.0, "theta": 0.05, "sigma": 0.5, "rho": -0.5}
    more = {
        "american": {}, "european_haug": {}, "barrier_haug": {"kind": "UpOut", "barrier": 130.0},
        "digital": {"kind": "asset_or_nothing"}, "asian": {"avg": "geometric", "fixings": [0.25, 0.5]},
        "heston": model, "implied_vol_status": {"price": [None, 7.0]}, "implied_vol_itm": {"price": [14.0, 9.0]},
    }  # fmt: skip
    for group, added in more.items():
        both = figures({"group": group, "inputs": bsm | added, "expected": None})
        for n in range(2):
            one = {k: v[n] if isinstance(v, list) and k != "fixings" else v for k, v in (bsm | added).items()}
            alone = figures({"group": group, "inputs": one, "expected": None})
            assert both[n] == (alone if isinstance(alone, str) else pytest.approx(alone, rel=1e-13)), group
    table = figures({"group": "greeks_all", "inputs": bsm, "expected": {"delta": None, "theta": None}})
    assert [len(x) for x in table.values()] == [2, 2]
    smile = {"F": 1.0, "K": [0.9, 1.1], "T": 1.0, "alpha": 0.2, "beta": 0.5, "rho": -0.3, "nu": 0.4}
    assert len(figures({"group": "sabr_hagan", "inputs": smile, "expected": None})) == 2
