"""The smiles that the API tells are the library's own, at most one fit a second; what is not to be had says why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from qflib.api.client.vols import vols_of
from qflib.api.vols import VolExpiry, VolForm, VolQuote
from qflib.desk.chains import chain_of
from qflib.pricing import fit_smiles
from qflib.views import Views
from tests.api.served import NOW_NS, Served, served
from tests.views.recorded import recorded


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return served(tmp_path_factory.mktemp("api"))


def test_the_smiles_are_the_librarys_own(api: Served) -> None:
    books = api.state.views.books
    with api.client("read") as client:
        answer = client.get("/v1/vols/ACME")
    told: dict[str, Any] = answer.json()
    assert answer.status_code == 200
    assert tuple(told) == VolForm.__struct_fields__
    assert tuple(told["quotes"][0]) == VolQuote.__struct_fields__
    assert tuple(told["expiries"][0]) == VolExpiry.__struct_fields__
    when = pd.Timestamp(books.market_time_ns("ACME"), unit="ns", tz="UTC")
    own = fit_smiles(chain_of(books.instruments, "ACME", books.tops_frame(), when))
    assert own.surface is not None
    assert told["surface"]["eta"] == own.surface.eta
    assert [e["theta"] for e in told["expiries"]] == own.surface.theta.tolist()
    assert [e["least_g"] for e in told["expiries"]] == own.expiries["least_g"].tolist()
    assert [q["instrument"] for q in told["quotes"]] == own.quotes.index.tolist()
    for name in ("bid_iv", "iv", "ask_iv", "svi", "ssvi", "iv_status", "used"):
        assert [q[name] for q in told["quotes"]] == own.quotes[name].tolist()
    assert (told["reason"], told["butterfly_free"], told["calendar_free"]) == ("", True, True)
    assert told["time_ns"] == when.value
    newest = max(b.stamp.append_ns for b in books.every() if b.symbol.startswith("ACME-"))
    assert told["age_ms"] == (NOW_NS - newest) // 1_000_000


def test_the_client_has_the_surface_again(api: Served) -> None:
    with api.client("read") as client:
        told = vols_of(client.get("/v1/vols/ACME").json())
    own = api.state.views.vols.latest("ACME")
    assert own is not None
    assert told.surface is not None
    assert own.smiles.surface is not None
    assert (told.seq, told.time.value) == (own.stamp.seq, own.stamp.time_ns)
    expiry = told.smiles.expiries.index[-1]
    assert told.surface.vol(97.0, 0.1) == own.smiles.surface.vol(97.0, 0.1)
    for fit in ("svi", "ssvi"):
        assert told.smiles.curve(expiry, fit)[1].tolist() == own.smiles.curve(expiry, fit)[1].tolist()
    for e, s in own.smiles.slices.items():
        again = told.smiles.slices[e]
        assert (again.a, again.b, again.rho, again.m, again.sigma) == (s.a, s.b, s.rho, s.m, s.sigma)
        assert (again.butterfly_free, again.rmse) == (s.butterfly_free, pytest.approx(s.rmse, rel=1e-9))
    pd.testing.assert_frame_equal(told.to_frame(), own.smiles.to_frame(), check_dtype=False, check_exact=True)
    pd.testing.assert_frame_equal(told.smiles.expiries, own.smiles.expiries, check_dtype=False, check_freq=False)
    assert type(told.plot()).__module__.startswith("holoviews")
    assert "ACME" in told._repr_html_()


def test_what_is_not_there_says_so(api: Served, tmp_path: Path) -> None:
    with api.client("read") as client:
        answer = client.get("/v1/vols/NONE")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_underlying")
        assert "these have: ACME, BETA" in answer.json()["detail"]
    silent = served(tmp_path, Views(recorded().deployment))
    with silent.client("read") as client:
        answer = client.get("/v1/vols/ACME")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_quotes_yet")


def test_a_fit_that_fails_says_why(tmp_path: Path) -> None:
    """The books of the future and of the calls have gone: puts are quoted, and no forward is told."""
    views = recorded().views()
    for i, r in enumerate(views.instruments):
        if r.underlying == "ACME" and (r.kind == "future" or r.right == "call"):
            views.books._latest[i] = None
    api = served(tmp_path, views)
    with api.client("read") as client:
        text = client.get("/v1/vols/ACME").text
    told = json.loads(text)
    assert told["surface"] is None
    assert told["reason"] == "ACME has no forward; its future, perpetual or spot needs a bid and an ask"
    assert {q["iv_status"] for q in told["quotes"]} == {"nan_input"}
    assert {q["iv"] for q in told["quotes"]} == {None}
    assert [e["atm_vol"] for e in told["expiries"]] == [None, None]
    assert vols_of(told).surface is None


def test_without_a_future_parity_tells_the_forward(tmp_path: Path) -> None:
    views = recorded().views()
    future = views.books.tops_frame().loc["ACME.F", ["bid", "ask"]].mean()
    views.books._latest[views.instruments.id("ACME.F")] = None
    with served(tmp_path, views).client("read") as client:
        told = client.get("/v1/vols/ACME").json()
    assert told["reason"] == ""
    assert [e["forward"] for e in told["expiries"]] == pytest.approx([future] * 2, abs=0.05)
