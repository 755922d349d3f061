"""Smiles with their bid and ask: vols come back, flags rise where there is arbitrage, a failed fit says why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qflib.errors import InputError
from qflib.pricing import Smiles, black76, fit_smiles
from qflib.pricing.quoted_arbitrage import quoted_butterflies, quoted_calendars
from qflib.pricing.smiles import _flags

EXPIRIES = pd.to_datetime(["2026-02-20T21:00Z", "2026-03-20T21:00Z", "2026-06-19T21:00Z"])
YEARS = np.array([0.1, 0.18, 0.43])
STRIKES = np.arange(80.0, 121.0, 5.0)


def chain(half: float = 0.02, forward: float = 100.0) -> pd.DataFrame:
    """Calls and puts of three expiries on a skewed smile, quoted around their price."""
    rows = pd.MultiIndex.from_product([range(3), STRIKES, ("call", "put")], names=["j", "strike", "right"])
    made = rows.to_frame(index=False).assign(underlying="ACME", forward=forward, rate=0.0)
    made["expiry"], made["years"] = EXPIRIES[made["j"]], YEARS[made["j"]]
    k = np.log(made["strike"] / forward)
    vol = 0.25 - 0.15 * k + 0.4 * k * k
    made["mid"] = black76(made["right"], forward, made["strike"], made["years"], vol)
    made["mid"] = made["mid"].clip(lower=half)
    made["bid"], made["ask"] = made["mid"] - half, made["mid"] + half
    made.index = pd.Index([f"{r.j}-{r.strike:g}-{r.right}" for r in made.itertuples()], name="symbol")
    return made.drop(columns="j")


def test_vols_lie_between_bid_and_ask_and_the_fit_is_flagged_free() -> None:
    rows = chain()
    smiles = fit_smiles(rows)
    q = smiles.quotes
    assert q.index.equals(rows.index)
    two = q["bid_iv"].notna() & q["ask_iv"].notna()
    assert two.sum() > 30
    assert ((q["bid_iv"] < q["iv"]) & (q["iv"] < q["ask_iv"]))[two].all()
    assert smiles.surface is not None
    assert (smiles.butterfly_free, smiles.calendar_free, smiles.reason) == (True, True, "")
    assert (smiles.expiries["least_g"] > 0).all()
    assert (smiles.expiries["least_rise"] > 0).all()
    used = q[q["used"]]
    assert (np.where(used["right"] == "call", used["k"] >= 0, used["k"] <= 0)).all()
    assert np.allclose(used["fitted"], smiles.surface.quotes["fitted"].to_numpy())
    assert smiles.expiries["n_used"].sum() == len(smiles.surface.quotes)
    half = 0.5 * (q["ask_iv"] - q["bid_iv"])
    assert np.allclose((q["miss"] * half)[two], (q["fitted"] - q["iv"])[two])
    assert q["miss"].isna().equals(~two)
    outside = (used["miss"].abs() > 1).groupby(used["expiry"]).sum()
    assert np.allclose(smiles.expiries["outside"], outside, atol=1), "half-spreads of vol are nearly even"


def test_the_curve_goes_through_the_fitted_vols() -> None:
    smiles = fit_smiles(chain())
    used = smiles.quotes[smiles.quotes["used"]]
    for expiry in EXPIRIES:
        own = used[used["expiry"] == expiry]
        strikes, vols = smiles.curve(expiry, 401)
        assert strikes[0] < own["strike"].min() < own["strike"].max() < strikes[-1]
        assert np.allclose(np.interp(own["strike"], strikes, vols), own["fitted"], atol=1e-5)
    with pytest.raises(InputError, match="not in the chain"):
        smiles.curve(pd.Timestamp("2030-01-01T00:00Z"))


def test_the_fits_own_flags_rise(recwarn: pytest.WarningsRecorder) -> None:
    """A surface that `fit_surface` would never give: too steep at a short time, and falling with time."""
    smiles = fit_smiles(chain())
    assert smiles.surface is not None
    steep = replace(smiles.surface, eta=20.0)
    assert not steep.butterfly_free
    assert (_flags(smiles.quotes, steep)["least_g"] < 0).any()
    falling = replace(smiles.surface, theta=smiles.surface.theta[::-1].copy())
    assert not falling.calendar_free
    flags = _flags(smiles.quotes, falling)
    assert (flags["least_rise"] < 0).tolist() == [False, True, True]
    assert not replace(smiles, expiries=smiles.expiries.assign(least_rise=flags["least_rise"])).calendar_free
    assert not recwarn.list


def test_quoted_butterflies_are_found() -> None:
    rows = chain()
    assert quoted_butterflies(rows).tolist() == [0, 0, 0]
    at = (rows["expiry"] == EXPIRIES[1]) & (rows["strike"] == 100) & (rows["right"] == "call")
    bent = rows.assign(bid=rows["bid"] + 5.0 * at, ask=rows["ask"] + 5.0 * at, mid=rows["mid"] + 5.0 * at)
    assert quoted_butterflies(bent).tolist() == [0, 1, 0]
    smiles = fit_smiles(bent)
    assert smiles.expiries["butterflies"].tolist() == [0, 1, 0]
    assert not smiles.butterfly_free
    assert (smiles.expiries["least_g"] > 0).all(), "the fit itself has none"
    one_sided = bent.assign(bid=bent["bid"].mask(at))
    assert quoted_butterflies(one_sided).tolist() == [0, 0, 0], "what has no bid cannot be sold"


def test_quoted_calendars_are_found_at_one_forward_alone() -> None:
    rows = chain()
    assert quoted_calendars(rows).tolist() == [0, 0, 0]
    at = (rows["expiry"] == EXPIRIES[2]) & (rows["strike"] == 100)
    cheap = rows.assign(bid=rows["bid"] - 4.0 * at, ask=rows["ask"] - 4.0 * at, mid=rows["mid"] - 4.0 * at)
    assert quoted_calendars(cheap).tolist() == [0, 0, 2]
    assert not fit_smiles(cheap).calendar_free
    other = cheap.assign(forward=cheap["forward"].mask(cheap["expiry"] == EXPIRIES[2], 101.0))
    assert quoted_calendars(other).tolist() == [0, 0, 0]


def test_butterflies_against_a_slow_twin() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        rows = chain(half=0.3)
        moved = rng.normal(0.0, 0.6, len(rows))
        rows = rows.assign(bid=rows["bid"] + moved, ask=rows["ask"] + moved)
        expected = []
        for expiry in EXPIRIES:
            n = 0
            for right in ("call", "put"):
                own = rows[(rows["expiry"] == expiry) & (rows["right"] == right)].sort_values("strike")
                quotes = list(zip(own["strike"], own["bid"], own["ask"], strict=True))
                for (k1, _, a1), (k2, b2, _), (k3, _, a3) in zip(quotes, quotes[1:], quotes[2:], strict=False):
                    n += (k3 - k2) * a1 + (k2 - k1) * a3 - (k3 - k1) * b2 < -1e-5
            expected.append(n)
        assert quoted_butterflies(rows).tolist() == expected


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"forward": np.nan}, "ACME has no forward; its future, perpetual or spot needs a bid and an ask"),
        ({"mid": np.nan}, "no option out of the money has a vol of 54; 54 nan_input"),
        ({"years": 0.0}, "no option out of the money has a vol of 54; 54 expired"),
        ({"mid": 500.0}, "no option out of the money has a vol of 54; 54 above_maximum"),
    ],
)
def test_a_fit_that_fails_says_why(change: dict[str, Any], reason: str) -> None:
    smiles = fit_smiles(chain().assign(**change))
    assert smiles.surface is None
    assert smiles.reason == reason
    assert smiles.quotes["iv"].isna().all()
    assert (smiles.quotes["iv_status"] != "ok").all()
    assert smiles.expiries["atm_vol"].isna().all()
    assert all(smiles.curve(e)[0].size == 0 for e in EXPIRIES)
    assert reason in repr(smiles)
    assert reason in smiles._repr_html_()


def test_too_few_quotes_say_so() -> None:
    rows = chain()
    few = rows[rows["strike"] == 100.0]
    assert "no expiry has 3" in fit_smiles(few).reason
    part = rows[(rows["expiry"] != EXPIRIES[0]) | (rows["strike"] == 100.0)]
    smiles = fit_smiles(part)
    assert smiles.reason == ""
    assert smiles.expiries["n_used"].tolist()[0] == 0
    assert smiles.expiries["atm_vol"].isna().tolist() == [True, False, False]
    assert smiles.curve(EXPIRIES[0])[0].size == 0


def test_an_option_without_a_vol_has_its_status() -> None:
    rows = chain()
    deep = (rows["strike"] == 80.0) & (rows["right"] == "call") & (rows["expiry"] == EXPIRIES[0])
    smiles = fit_smiles(rows.assign(mid=rows["mid"].mask(deep, 19.5), bid=rows["bid"].mask(deep, 19.4)))
    assert smiles.quotes.loc[deep[deep].index[0], "iv_status"] == "below_intrinsic"
    assert smiles.expiries["no_vol"].tolist()[0] >= 1


def test_what_is_no_chain_is_refused() -> None:
    with pytest.raises(InputError, match="no column 'ask'"):
        fit_smiles(chain().drop(columns="ask"))
    with pytest.raises(InputError, match="2 underlyings"):
        fit_smiles(chain().assign(underlying=["A", "B"] * 27))


def test_the_picture_and_the_page() -> None:
    smiles: Smiles = fit_smiles(chain())
    assert type(smiles.plot()).__module__.startswith("holoviews")
    assert "butterfly-free True" in smiles._repr_html_()
