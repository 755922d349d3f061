"""Smiles with their bid and ask: vols come back, flags rise where there is arbitrage, a failed fit says why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from qflib.errors import InputError
from qflib.pricing import Smiles, black76, fit_smiles
from qflib.pricing.quoted_arbitrage import quoted_butterflies, quoted_calendars
from qflib.pricing.smile_slices import slice_flags
from qflib.pricing.svi import svi_total_variance
from qflib.pricing.svi_forms import fit_svi

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
    assert (smiles.expiries["least_rise"].iloc[1:] > 0).all()
    used = q[q["used"]]
    assert (np.where(used["right"] == "call", used["k"] >= 0, used["k"] <= 0)).all()
    assert np.allclose(used["ssvi"], smiles.surface.quotes["fitted"].to_numpy())
    assert smiles.expiries["n_used"].sum() == len(smiles.surface.quotes)
    half = 0.5 * (q["ask_iv"] - q["bid_iv"])
    for fit in ("svi", "ssvi"):
        assert np.allclose((q[f"{fit}_miss"] * half)[two], (q[fit] - q["iv"])[two])
        assert q[f"{fit}_miss"].isna().equals(~two)
        outside = ((used[fit] < used["bid_iv"]) | (used[fit] > used["ask_iv"])).groupby(used["expiry"]).sum()
        assert smiles.expiries[f"{fit}_outside"].tolist() == outside.tolist()
        rmse = ((used[fit] - used["iv"]) ** 2).groupby(used["expiry"]).mean() ** 0.5
        assert np.allclose(smiles.expiries[f"{fit}_rmse"], rmse)
    assert (smiles.expiries["svi_rmse"] < 0.5 * smiles.expiries["ssvi_rmse"]).all(), "a slice is closer to its quotes"
    at = [smiles.slices[e].total_variance(0.0) / t for e, t in zip(EXPIRIES, YEARS, strict=True)]
    assert np.allclose(smiles.expiries["atm_vol"] ** 2, at)


def test_the_curve_goes_through_the_fitted_vols() -> None:
    smiles = fit_smiles(chain())
    used = smiles.quotes[smiles.quotes["used"]]
    for expiry in EXPIRIES:
        own = used[used["expiry"] == expiry]
        for fit in ("svi", "ssvi"):
            strikes, vols = smiles.curve(expiry, fit, 401)
            assert strikes[0] < own["strike"].min() < own["strike"].max() < strikes[-1]
            assert np.allclose(np.interp(own["strike"], strikes, vols), own[fit], atol=1e-5)
    with pytest.raises(InputError, match="not in the chain"):
        smiles.curve(pd.Timestamp("2030-01-01T00:00Z"))


def test_a_smile_with_a_butterfly_is_flagged() -> None:
    """Axel Vogt's slice, as Gatheral and Jacquier show it: its g is negative at k from 0.6 to 1.1."""
    k = np.linspace(-1.2, 1.4, 27)
    total = svi_total_variance(k, -0.0410, 0.1331, 0.3060, 0.3586, 0.4153)
    rows = pd.DataFrame({"strike": 100.0 * np.exp(k), "right": np.where(k < 0, "put", "call"), "forward": 100.0})
    rows = rows.assign(years=1.0, expiry=EXPIRIES[0], rate=0.0)
    rows["mid"] = black76(rows["right"], 100.0, rows["strike"], 1.0, np.sqrt(total))
    rows["bid"], rows["ask"] = 0.98 * rows["mid"], 1.02 * rows["mid"]
    smiles = fit_smiles(rows)
    flags = smiles.expiries.iloc[0]
    assert flags["least_g"] < -0.02
    assert 0.6 < flags["least_g_k"] < 1.1
    assert not smiles.butterfly_free
    assert smiles.calendar_free
    assert smiles.surface is not None
    assert smiles.surface.butterfly_free, "the surface may not follow it there"
    assert np.allclose(smiles.quotes["svi"] ** 2, total, rtol=1e-3)


def test_total_variance_that_falls_is_flagged() -> None:
    rows = chain(half=0.001)
    later = rows["expiry"] == EXPIRIES[2]
    low = black76(rows["right"], 100.0, rows["strike"], rows["years"], 0.12)
    smiles = fit_smiles(rows.assign(mid=rows["mid"].mask(later, low), bid=rows["bid"].mask(later, 0.99 * low),
                                    ask=rows["ask"].mask(later, 1.01 * low)))  # fmt: skip
    rise = smiles.expiries["least_rise"]
    assert np.isnan(rise.iloc[0])
    assert rise.iloc[1] > 0 > rise.iloc[2]
    assert not smiles.calendar_free


def test_slices_without_a_common_range_are_not_compared() -> None:
    def of(low: float, high: float, level: float) -> Any:
        k = np.linspace(low, high, 9)
        return fit_svi(k, level + 0.1 * k * k)

    flags = slice_flags({"a": of(-0.5, -0.1, 0.2), "b": of(0.1, 0.5, 0.1), "c": of(0.0, 0.4, 0.05)})
    assert flags["least_rise"].isna().tolist() == [True, True, False]
    assert flags["least_rise"].iloc[2] == pytest.approx(-0.05, abs=1e-3)


def test_quoted_butterflies_are_found() -> None:
    rows = chain()
    assert quoted_butterflies(rows).tolist() == [0, 0, 0]
    at = (rows["expiry"] == EXPIRIES[1]) & (rows["strike"] == 100) & (rows["right"] == "call")
    bent = rows.assign(bid=rows["bid"] + 5.0 * at, ask=rows["ask"] + 5.0 * at, mid=rows["mid"] + 5.0 * at)
    assert quoted_butterflies(bent).tolist() == [0, 1, 0]
    smiles = fit_smiles(bent)
    assert smiles.expiries["butterflies"].tolist() == [0, 1, 0]
    assert not smiles.butterfly_free
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


def test_american_calendars_are_compared_as_they_are_paid() -> None:
    """A deep put of a high rate: worth its payoff, 40, at every expiry; grown at the rate the later one is dearer."""
    terms = {"right": "put", "strike": 140.0, "forward": 100.0, "expiry": EXPIRIES, "years": [0.1, 0.5, 1.0]}
    rows = pd.DataFrame({**terms, "rate": -0.1, "bid": 39.9, "ask": 40.1})  # grown prices fall
    assert quoted_calendars(rows).tolist() == [0, 1, 1]
    assert quoted_calendars(rows.assign(style="european")).tolist() == [0, 1, 1]
    assert quoted_calendars(rows.assign(style="american")).tolist() == [0, 0, 0]
    # with a rate above 0, growth would hide what costs less
    cheap = rows.assign(rate=0.1, bid=[40.0, 39.0, 38.0], ask=[40.1, 39.1, 38.1])
    assert quoted_calendars(cheap).tolist() == [0, 0, 0]
    assert quoted_calendars(cheap.assign(style="american")).tolist() == [0, 1, 1]
    # styles are not set against each other, nor keep each other's rows apart
    both = pd.concat([cheap.assign(style="american"), cheap.assign(style="european")], ignore_index=True)
    assert quoted_calendars(both).tolist() == [0, 1, 1]
    mixed = cheap.assign(style=["american", "european", "american"])
    assert quoted_calendars(mixed).tolist() == [0, 0, 1]


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
    assert all(smiles.curve(EXPIRIES[0], fit)[0].size == 0 for fit in ("svi", "ssvi"))
    assert smiles.expiries["svi_outside"].isna().tolist() == [True, False, False]
    four = rows[(rows["expiry"] != EXPIRIES[0]) | rows["strike"].between(100.0, 110.0)]
    smiles = fit_smiles(four)
    assert (EXPIRIES[0] in smiles.slices, smiles.curve(EXPIRIES[0])[0].size) == (False, 0)
    assert smiles.curve(EXPIRIES[0], "ssvi")[0].size > 0, "four quotes tell the surface its level"
    assert smiles.expiries["least_g"].isna().tolist() == [True, False, False]
    assert np.isfinite(smiles.expiries["atm_vol"]).all()


@pytest.mark.parametrize("j", [0, 2])
def test_an_expiry_of_one_strike_has_no_slice(j: int) -> None:
    rows = chain()
    own = rows[(rows["expiry"] == EXPIRIES[j]) & (rows["strike"] == 105.0)]
    copies = pd.concat([own] * 6).set_axis([f"{i}" for i in range(12)])
    smiles = fit_smiles(pd.concat([copies, rows[rows["expiry"] != EXPIRIES[j]]]))
    assert smiles.reason == ""
    assert smiles.surface is not None
    assert list(smiles.slices) == [e for e in EXPIRIES if e != EXPIRIES[j]]
    assert smiles.expiries["least_g"].isna().tolist() == [e == EXPIRIES[j] for e in EXPIRIES]
    assert smiles.expiries.loc[EXPIRIES[j], "n_used"] == 6
    assert np.isfinite(smiles.expiries["atm_vol"]).all()
    one = fit_svi(np.full(6, 0.05), np.full(6, 0.02))
    assert slice_flags({EXPIRIES[j]: one}).isna().all(axis=None)


def test_a_slice_whose_fit_does_not_end_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from qflib.pricing import smile_slices

    rows, whole = chain(), fit_smiles(chain())

    def failing(k: Any, w: Any, **more: Any) -> Any:
        if np.array_equal(w, whole.slices[EXPIRIES[1]].quotes["variance"]):
            raise np.linalg.LinAlgError("SVD did not converge")
        return fit_svi(k, w, **more)

    monkeypatch.setattr(smile_slices, "fit_svi", failing)
    smiles = fit_smiles(rows)
    assert list(smiles.slices) == [EXPIRIES[0], EXPIRIES[2]]
    assert smiles.surface is not None


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
