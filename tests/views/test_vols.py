"""Smiles of the desk: fitted when asked, once a second at most, of the newest quotes."""

from __future__ import annotations

from threading import Thread

import numpy as np
import pandas as pd
import pytest

import qflib.pricing
from qflib.errors import DataError, InputError
from qflib.pricing import Smiles, black76
from qflib.records import Batch, Header, Instrument, Instruments
from qflib.records.tables import BY_KIND
from qflib.views import BookView, Views
from qflib.views.forwards import expiry_forwards
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


def test_what_fails_is_tried_once_a_second_too(monkeypatch: pytest.MonkeyPatch) -> None:
    tries, now = [0], [100.0]

    def fail(chain: object) -> Smiles:
        tries[0] += 1
        raise DataError(f"try {tries[0]} finds no vol")

    own = qflib.pricing.fit_smiles
    monkeypatch.setattr(qflib.pricing, "fit_smiles", fail)
    view = VolView(recorded().views().books, lambda: now[0])
    for _ in range(3):
        with pytest.raises(DataError, match="try 1 finds no vol"):
            view.fit("ACME")
    now[0] += 1.0
    with pytest.raises(DataError, match="try 2 finds no vol"):
        view.fit("ACME")
    monkeypatch.setattr(qflib.pricing, "fit_smiles", own)
    now[0] += 1.0
    assert view.fit("ACME") is view.latest("ACME") is not None


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


def test_an_expiry_with_a_future_of_its_own_has_that_forward() -> None:
    expiries = [pd.Timestamp("2026-02-20T21:00Z"), pd.Timestamp("2026-03-20T21:00Z")]
    names = [("perpetual", "X.P", None, ""), ("future", "X.MAR", expiries[1], ""), ("future", "X.FEB", expiries[0], "")]
    names += [("option", f"X-{j}-{r}", e, r) for j, e in enumerate(expiries) for r in ("call", "put")]
    table = Instruments(
        tuple(
            Instrument(s, kind=k, underlying="X", expiry=e, right=r, style="european" if r else "",
                       strike=100.0 if r else float("nan"))  # type: ignore[arg-type]
            for k, s, e, r in names
        )
    )  # fmt: skip
    view, at = BookView(table), 1_767_600_000_000_000_000

    def tell(offset: int, *rows: tuple[int, int, int]) -> None:
        i, bid, ask = (list(c) for c in zip(*rows, strict=True))
        tops = BY_KIND["analytics"].by_name["tops"].make(
            instrument=i, bid_ticks=bid, bid_qty=[int(b > 0) for b in bid], ask_ticks=ask, ask_qty=[1] * len(i),
            time_ns=[at + offset] * len(i),
        )  # fmt: skip
        view.take(Batch.of("analytics", Header("exchange", 0, offset), tops=tops), offset, 1)

    now = [0.0]
    vols = VolView(view, lambda: now[0])
    tell(1, (0, 9_999, 10_001), (1, 10_199, 10_201), *((i, 300, 310) for i in range(3, 7)))
    assert vols.fit("X").smiles.expiries["forward"].tolist() == [102.0, 102.0], "the desk's is the next future's"
    now[0] += 2.0
    tell(2, (2, 10_049, 10_051))
    assert vols.fit("X").smiles.expiries["forward"].tolist() == [100.5, 102.0]
    now[0] += 2.0
    tell(3, (1, 0, 10_201), (2, 0, 10_051))
    assert vols.fit("X").smiles.expiries["forward"].tolist() == [100.0, 100.0], (
        "the perpetual's, where they have no bid"
    )


def carried(inverse: bool) -> pd.DataFrame:
    """A chain whose expiries have forwards of their own, told at the one of the spot."""
    rows = pd.MultiIndex.from_product([range(2), np.arange(80.0, 121.0, 5.0), ("call", "put")])
    made = rows.to_frame(index=False).set_axis(["j", "strike", "right"], axis=1)
    made["expiry"] = pd.to_datetime(["2026-03-20T21:00Z", "2026-09-18T21:00Z"])[made["j"]]
    own = np.array([101.0, 104.0])[made["j"]]
    price = black76(made["right"], own, made["strike"], np.array([0.2, 0.7])[made["j"]], 0.4)
    made["mid"] = price / own if inverse else price
    made.index = pd.Index([f"o{i}" for i in range(len(made))], name="symbol")
    return made.assign(forward=100.0, inverse=inverse, own=own)


@pytest.mark.parametrize("inverse", [False, True])
def test_forwards_are_those_of_parity_where_there_is_no_future(inverse: bool) -> None:
    chain, none = carried(inverse), pd.DataFrame(columns=["bid", "ask"], dtype=float)
    assert np.allclose(expiry_forwards(chain, [], none), chain["own"], rtol=1e-6)
    later = Instrument("X.F", kind="future", underlying="X", expiry=pd.Timestamp("2026-12-18T21:00Z"))
    tops = pd.DataFrame({"bid": [99.9], "ask": [100.1]}, index=["X.F"])
    got = expiry_forwards(chain, [later], tops)
    assert np.allclose(got, chain["own"] if inverse else 100.0, rtol=1e-6), "what may be on the future is at it"
    sooner = Instrument("X.F", kind="future", underlying="X", expiry=pd.Timestamp("2026-06-19T21:00Z"))
    got = expiry_forwards(chain, [sooner], tops)
    far = chain["j"] == 1
    assert np.allclose(got[far], 104.0, rtol=1e-6)
    assert np.allclose(got[~far], 101.0 if inverse else 100.0, rtol=1e-6)


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
