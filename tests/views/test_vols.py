"""Smiles of the desk: fitted when asked, once a second at most, of the newest quotes."""

from __future__ import annotations

from threading import Thread

import pytest

import qflib.pricing
from qflib.errors import DataError, InputError
from qflib.pricing import Smiles
from qflib.views import BookView, Views
from qflib.views.vols import VolState, VolView
from tests.views.recorded import recorded


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was fitted; the fit itself is the library's."""
    made: list[object] = []
    own = qflib.pricing.fit_smiles

    def fit(chain: object) -> Smiles:
        made.append(chain)
        return own(chain)  # type: ignore[arg-type]

    monkeypatch.setattr(qflib.pricing, "fit_smiles", fit)
    return made


def test_nothing_is_fitted_where_nobody_asks(fits: list[object]) -> None:
    views = recorded().views()
    assert views.vols.underlyings == ("ACME", "BETA", "GAMA", "DELT")
    assert views.vols.latest("ACME") is None
    assert not fits


def test_at_most_once_a_second_and_only_of_what_is_new(fits: list[object]) -> None:
    told, now = recorded(), [100.0]
    views = told.views(len(told.seen) // 2)
    view = VolView(views.books, lambda: now[0])
    first = view.fit("ACME")
    now[0] += 60.0
    assert view.fit("ACME") is first, "no quote has changed"
    for seen in told.seen[len(told.seen) // 2 :]:
        views.take(seen)
    now[0] = 100.9
    assert view.fit("ACME") is first, "it is not yet a second"
    now[0] = 101.1
    second = view.fit("ACME")
    assert second.stamp.seq > first.stamp.seq
    assert second.stamp.time_ns == views.books.market_time_ns("ACME")
    assert view.latest("ACME") is second
    assert len(fits) == 2
    view.fit("BETA")
    assert len(fits) == 3, "a second an underlying"


def test_who_asks_meanwhile_gets_the_same(fits: list[object]) -> None:
    view, got = recorded().views().vols, list[VolState]()
    threads = [Thread(target=lambda: got.append(view.fit("ACME"))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(fits) == 1
    assert len({id(s) for s in got}) == 1


def test_its_stamps_are_those_of_the_books() -> None:
    views = recorded().views()
    state, books = views.vols.fit("ACME"), views.books
    own = [b for b in books.every() if views.instruments[b.instrument].underlying == "ACME"]
    assert state.stamp.seq == max(b.stamp.seq for b in own)
    options = [b.stamp for b in own if views.instruments[b.instrument].kind == "option"]
    assert state.quoted_ns == max(s.append_ns for s in options)
    assert views.vols.quoted("ACME").seq == max(s.seq for s in options)
    forward = books.tops_frame().loc["ACME.F", ["bid", "ask"]].mean()
    assert state.smiles.expiries["forward"].tolist() == [forward, forward]


def test_tops_of_one_underlying_are_part_of_all() -> None:
    books: BookView = recorded().views().books
    own, every = books.tops_frame("BETA"), books.tops_frame()
    assert set(own.index) == {s for s in every.index if s.startswith("BETA")}
    assert own.equals(every.loc[own.index])


def test_what_is_not_there_is_a_sentence() -> None:
    with pytest.raises(InputError, match="'NONE' has no options in the table; these have: ACME, BETA"):
        recorded().views().vols.fit("NONE")
    with pytest.raises(DataError, match="nothing has been told of the options of ACME yet"):
        Views(recorded().deployment).vols.fit("ACME")
