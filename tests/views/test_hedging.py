"""Hedges of a recorded desk: what the views tell is the hedger's own arithmetic."""

from __future__ import annotations

import math
from dataclasses import replace
from threading import Event, Thread
from typing import Any

import numpy as np
import pandas as pd
import pytest

import qflib.hedging.frontier
from qflib.errors import DataError, InputError, UnknownInstrumentError
from qflib.hedging import hedge_effectiveness
from qflib.hedging.hedgers import Band, LimitMarket, band_halfwidth
from qflib.records import BY_KIND, MIN_VARIANCE, Instruments
from qflib.records.codec import decode
from qflib.records.topics import RISK_METRICS
from qflib.views.rehedging import Frontiers, hedge_states
from qflib.views.report import Report
from qflib.views.shown_book import ShownBook
from qflib.views.views import Views
from tests.views.recorded import recorded


@pytest.fixture(scope="module")
def views() -> Views:
    return recorded().views()


@pytest.fixture(scope="module")
def report(views: Views) -> Report:
    made = views.risk.latest("DESK1")
    assert made is not None
    return made


def test_states_are_the_reports_greeks_and_positions(views: Views, report: Report) -> None:
    greeks, held = report.greeks, report.positions
    for s in hedge_states(views, report):
        mine = greeks[greeks["underlying"] == s.underlying].set_index("book")
        assert (s.client_delta, s.hedge_delta) == pytest.approx(tuple(mine["delta"][b] for b in ("client", "hedge")))
        lots = held[(held["instrument"] == s.instrument) & (held["book"] == "hedge")]["qty"].sum()
        assert s.position == lots
        assert s.hedge_delta == pytest.approx(s.position * s.unit_delta), "a future's delta is linear"
        assert s.net == pytest.approx((s.client_delta + s.hedge_delta) / s.unit_delta)
        assert s.ratio == pytest.approx(s.position / s.neutral)
        assert s.halfwidth == band_halfwidth(s.gamma / s.unit_delta, s.mid, s.half_spread, 1.0)


def test_at_each_decision_net_delta_and_band_are_the_hedgers_own() -> None:
    whole, n = recorded(), 0
    views = Views(whole.deployment)
    for seen in whole.seen:
        views.take(seen)
        if seen.topic != RISK_METRICS or seen.value is None:
            continue
        h = decode(seen.value).hedges
        for k in np.flatnonzero(h.price > 0).tolist():
            underlying = views.instruments[int(h.instrument[k])].underlying
            report = views.risk.latest("DESK1")
            assert report is not None
            s = next(s for s in hedge_states(views, report) if s.underlying == underlying)
            assert s.net * s.unit_delta == pytest.approx(h.net_delta[k], rel=1e-12)
            assert s.halfwidth * s.unit_delta == pytest.approx(h.band[k], rel=1e-12)
            assert (s.working, s.to_edge.qty) == (h.qty[k], 0.0), "it is on its way, and asked for once"
            row = views.hedging.in_band("DESK1", underlying, 1)
            assert (row["net"][0], row["halfwidth"][0]) == pytest.approx((s.net, s.halfwidth), rel=1e-9)
            n += 1
    assert n >= 8


def test_the_next_order_falls_where_the_rule_says_so(views: Views, report: Report) -> None:
    band = views.deployment.hedger
    assert band is not None
    for s in hedge_states(views, report):
        same = {"gamma": s.gamma, "mid": s.mid, "half_spread": s.half_spread, "unit_delta": s.unit_delta,
                "position": int(s.position), "working": 0}  # fmt: skip
        assert s.working == 0
        for price, inside in ((s.next_below, 1.0), (s.next_above, -1.0)):
            for shift, trades in ((inside * 1e-6, False), (-inside * 1e-6, True)):
                net = s.net * s.unit_delta + s.gamma * (price + shift - s.mid)
                assert bool(band.decide(net_delta=net, **same)) is trades, (s.underlying, price, shift)  # type: ignore[arg-type]


@pytest.mark.parametrize("uses", [False, True])
def test_a_hedger_that_uses_the_fit_has_another_neutral(report: Report, uses: bool) -> None:
    rows = MIN_VARIANCE.make(portfolio=["DESK1"], underlying=["ACME"], used=[1], correction=[250.0], n=[99])
    batch = report.batch
    told = type(batch)(batch.kind, batch.tables | {"min_variance": rows}, batch.header)
    other = Report("DESK1", report.stamp._replace(seq=report.stamp.seq + 1), told, report.instruments)
    own = Views(replace(recorded().deployment, hedger=Band(1.0, min_variance=uses)))
    for seen in recorded().seen:
        own.take(seen)
    own.hedging.take(other)
    plain, moved = hedge_states(own, report)[0], hedge_states(own, other)[0]
    contracts = 2.5 if uses else 0.0
    assert moved.correction == 100.0 * contracts
    assert moved.net == pytest.approx(plain.net + contracts)
    assert moved.neutral == pytest.approx(plain.neutral - contracts)
    assert (moved.client_delta, moved.position) == (plain.client_delta, plain.position)
    assert own.hedging.in_band("DESK1", "ACME", 1)["net"][0] == pytest.approx(moved.net)


def test_a_hedge_out_of_its_band_is_walked(views: Views, report: Report) -> None:
    """The same report with some hedges gone: what would be traded comes off the live book, level by level."""
    p = report.batch.positions
    hedge = np.flatnonzero((p.book == 2) & (p.qty != 0))[0]
    g, missing = report.batch.greeks, int(np.sign(p.qty[hedge])) * 300
    name = views.instruments[int(p.instrument[hedge])].underlying.encode()
    qty, delta = p.qty.copy(), g.delta.copy()
    qty[hedge] -= missing
    delta[(g.underlying == name) & (g.book == 2)] -= missing * 100.0
    tables = report.batch.tables | {"positions": p._replace(qty=qty), "greeks": g._replace(delta=delta)}
    batch = type(report.batch)(report.batch.kind, tables, report.batch.header)
    other = Report("DESK1", report.stamp, batch, report.instruments)
    s = next(s for s in hedge_states(views, other) if s.underlying == name.decode())
    assert abs(s.net) == pytest.approx(300.0, abs=2.0)
    assert 0 < abs(s.to_edge.qty) <= abs(s.to_neutral.qty)
    assert s.to_neutral.qty == pytest.approx(-s.net, abs=0.5)
    told = views.books.latest(s.instrument)
    assert told is not None
    levels = told.asks if s.to_neutral.qty > 0 else told.bids
    cost, left = 0.0, abs(int(s.to_neutral.qty))
    for ticks, lots in levels.tolist():
        taken = min(left, lots)
        cost += 100.0 * taken * abs(views.instruments.to_price(told.instrument, ticks) - s.mid)
        left -= taken
    assert s.to_neutral.cost == pytest.approx(cost)
    assert abs(s.to_neutral.filled) == abs(s.to_neutral.qty) - left
    assert s.next_below == s.next_above == s.mid, "it falls now"


def test_the_band_through_time_is_that_of_each_moment() -> None:
    """As-of joined: replayed up to each report, the last row is what it was then."""
    whole, n = recorded(), 0
    views = Views(whole.deployment)
    told: list[tuple[int, float, float]] = []
    for seen in whole.seen:
        views.take(seen)
        if seen.topic == RISK_METRICS:
            row = views.hedging.in_band("DESK1", "ACME", 1)
            told += [(int(row["seq"][0]), float(row["net"][0]), float(row["halfwidth"][0]))] if len(row) else []
    after = views.hedging.in_band("DESK1", "ACME")
    assert after["seq"].tolist() == [t[0] for t in told]
    assert after["net"].tolist() == [t[1] for t in told]
    for (_, _, then), now in zip(told, after["halfwidth"].tolist(), strict=True):
        n += math.isclose(then, now)
    assert n >= 0.8 * len(told), "but where the top of that moment was read after the report"
    assert after["position"].tolist()[-1] == after["neutral"][-1] + after["net"][-1]


def test_effectiveness_is_that_of_the_reports(views: Views) -> None:
    rows = views.risk.series("DESK1")
    whole = views.hedging.series("DESK1")
    assert whole["client_pnl"] + whole["hedge_pnl"] == pytest.approx(rows["pnl"])
    made = views.hedging.effectiveness("DESK1", period_ns=10**9)
    assert made is not None
    frame = pd.DataFrame({n: whole[n] for n in ("client_pnl", "hedge_pnl")}, index=whole["time_ns"] // 10**9)
    ends = frame.groupby(level=0).last().iloc[:-1].diff().dropna()  # the last second is not over
    own = hedge_effectiveness(ends["client_pnl"], ends["hedge_pnl"])
    assert (made.n, made.effectiveness, made.slope) == (own.n, own.effectiveness, own.slope)
    assert views.hedging.effectiveness("DESK1", period_ns=10**13) is None
    assert views.hedging.effectiveness("NONE") is None


def test_a_frontier_is_the_reports_and_is_kept_a_while(views: Views, report: Report) -> None:
    now = [10**18]
    frontiers = Frontiers(views, 1.0, lambda: now[0])
    made = frontiers.get("DESK1", "ACME")
    assert made.frontier.at(made.frontier.held)["es"] == pytest.approx(report.figure("es_current"), rel=1e-9)
    state = next(s for s in hedge_states(views, report) if s.underlying == "ACME")
    assert made.frontier.held == state.position
    assert made.frontier.neutral == pytest.approx(state.neutral, rel=1e-6)
    now[0] += 999_999_999
    assert frontiers.get("DESK1", "ACME") is made
    assert frontiers.get("DESK1", "BETA").underlying == "BETA"
    now[0] += 1
    assert frontiers.get("DESK1", "ACME") is not made
    with pytest.raises(UnknownInstrumentError, match="it holds ACME, BETA"):
        frontiers.get("DESK1", "OMEG")
    with pytest.raises(DataError, match="reported nothing on 'NONE'"):
        frontiers.get("NONE", "ACME")


def test_a_frontier_that_fails_is_tried_once_a_second_too(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    tries, now = [0], [10**18]

    def fail(*_: object, **__: object) -> None:
        tries[0] += 1
        raise InputError(f"try {tries[0]}")

    monkeypatch.setattr(qflib.hedging.frontier, "hedge_frontier", fail)
    frontiers = Frontiers(views, 1.0, lambda: now[0])
    for _ in range(3):
        with pytest.raises(DataError, match="the hedge of ACME cannot be revalued: try 1"):
            frontiers.get("DESK1", "ACME")
    now[0] += 10**9
    with pytest.raises(DataError, match="try 2"):
        frontiers.get("DESK1", "ACME")
    now[0] += 61 * 10**9
    with pytest.raises(DataError, match="try 3"):
        frontiers.get("DESK1", "BETA")
    assert list(frontiers._slots) == [("DESK1", "BETA")], "what nobody asks for goes"


def test_frontiers_of_two_underlyings_do_not_wait_for_each_other(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    own, begun, go = qflib.hedging.frontier.hedge_frontier, Event(), Event()

    def waits(*args: Any, instrument: str, **named: Any) -> Any:
        if instrument == "ACME.F":
            begun.set()
            assert go.wait(60.0)
        return own(*args, instrument=instrument, **named)

    monkeypatch.setattr(qflib.hedging.frontier, "hedge_frontier", waits)
    frontiers, slow = Frontiers(views), []
    threads = [Thread(target=lambda: slow.append(frontiers.get("DESK1", "ACME")), daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert begun.wait(60.0)
    quick: list[Any] = []
    other = Thread(target=lambda: quick.append(frontiers.get("DESK1", "BETA")), daemon=True)
    other.start()
    other.join(30.0)
    assert [q.underlying for q in quick] == ["BETA"]
    go.set()
    for thread in threads:
        thread.join(60.0)
    assert slow[0] is slow[1], "who asks for the same waits for it"


@pytest.mark.parametrize(("costs", "working"), [(-2.5, 0), (0.0, 0), (2.5, 7)])
def test_an_order_that_rests_is_not_on_its_way(report: Report, costs: float, working: int) -> None:
    """The step decides as if it were not there, and cancels it."""
    own = Views(replace(recorded().deployment, hedger=LimitMarket(1.0)))
    for seen in recorded().seen:
        own.take(seen)
    short = _short(report, "ACME")
    hedges = (
        BY_KIND["risk"]
        .by_name["hedges"]
        .make(portfolio=["DESK1"], instrument=[own.instruments.id("ACME.F")], qty=[7], cost=[costs], hedge_no=[3])
    )
    batch = type(short.batch)(short.batch.kind, short.batch.tables | {"hedges": hedges}, short.batch.header)
    s = hedge_states(own, Report("DESK1", short.stamp, batch, short.instruments))[0]
    assert s.working == working
    due = LimitMarket(1.0).decide(
        net_delta=s.net * s.unit_delta, gamma=s.gamma, mid=s.mid, half_spread=s.half_spread, unit_delta=s.unit_delta,
        position=int(s.position), working=working,
    )  # fmt: skip
    assert s.to_edge.qty == due != 0


def test_a_desk_without_hedger_has_no_band(views: Views, report: Report) -> None:
    plain = Views(replace(recorded().deployment, hedger=None))
    for seen in recorded().seen:
        plain.take(seen)
    s = hedge_states(plain, report)[0]
    assert math.isnan(s.halfwidth)
    assert math.isnan(s.next_above)
    assert s.to_edge.qty == 0.0
    assert s.net == hedge_states(views, report)[0].net
    assert np.isnan(plain.hedging.in_band("DESK1", "ACME")["halfwidth"]).all()


def test_a_book_that_is_not_there_costs_nothing_and_fills_nothing(views: Views) -> None:
    at = views.instruments.id("ACME.F")
    empty = ShownBook(None, views.instruments, at)
    assert math.isnan(empty.mid)
    assert empty.cost_to_trade("sell", 5.0).filled == 0.0
    told = views.books.latest(at)
    double, single = (ShownBook(told, views.instruments, at, fx).cost_to_trade("buy", 60.0).cost for fx in (2.0, 1.0))
    assert double == 2.0 * single > 0


def _told_of(changed: str, config: dict[str, Any] | None = None, **row: Any) -> Views:
    """The same records, read by a desk whose table has another row of one instrument."""
    whole = recorded().deployment
    table = Instruments(tuple(replace(r, **row) if r.symbol == changed else r for r in whole.instruments))
    views = Views(replace(whole, instruments=table, config=replace(whole.config, **config or {})))
    for seen in recorded().seen:
        views.take(seen)
    return views


def test_fees_of_an_inverse_hedge_are_coin_as_the_ledger_charges_them(views: Views, report: Report) -> None:
    fees = {"taker_fee": 0.25}
    linear = hedge_states(_told_of("ACME.F", fees), _short(report, "ACME"))[0]
    coin = _told_of("ACME.F", fees, inverse=True, contract_value=1e4)
    inverse = hedge_states(coin, _short(report, "ACME"))[0]
    forward = float(report.batch.greeks.forward[report.batch.greeks.underlying == b"ACME"][0])
    assert linear.to_neutral.fees == pytest.approx(0.25 * abs(linear.to_neutral.filled))
    assert inverse.to_neutral.fees == pytest.approx(0.25 * forward * abs(inverse.to_neutral.filled))
    assert abs(inverse.to_neutral.filled) > 0
    paid, free = (Frontiers(_told_of("ACME.F", f, inverse=True, contract_value=1e4)).get("DESK1", "ACME").frontier
                  for f in (fees, {}))  # fmt: skip
    both = paid.points.merge(free.points, on="qty").dropna()
    assert len(both) > 3
    np.testing.assert_allclose(both["cost_x"] - both["cost_y"], 0.25 * forward * both["qty"].abs(), rtol=1e-9)


def test_an_underlying_without_a_rate_takes_nothing_else_down(views: Views, report: Report) -> None:
    own = _told_of("BETA.F", quote_currency="EUR")
    before, now = ({s.underlying: s for s in hedge_states(v, report)} for v in (views, own))
    assert list(now) == list(before)
    assert all(repr(now[u]) == repr(before[u]) for u in now if u != "BETA")
    there = now["BETA"]
    assert (there.instrument, there.to_neutral.qty, there.to_edge.qty) == ("", 0.0, 0.0)
    assert all(math.isnan(v) for v in (there.unit_delta, there.to_neutral.cost, there.to_neutral.fees, there.halfwidth))
    assert Frontiers(own).get("DESK1", "ACME").underlying == "ACME"
    with pytest.raises(DataError, match="hedged in EUR, of which the desk knows no rate"):
        Frontiers(own).get("DESK1", "BETA")
    known = _told_of("BETA.F", {"fx": {"EUR": 2.0}}, quote_currency="EUR")
    there = next(s for s in hedge_states(known, report) if s.underlying == "BETA")
    assert there.unit_delta == 2.0 * before["BETA"].unit_delta


@pytest.mark.parametrize("ticks", [0, 1])
def test_a_crossed_book_is_no_better_than_one_side(views: Views, report: Report, ticks: int) -> None:
    own = _told_of("ACME.F")
    at = own.instruments.id("ACME.F")
    told = own.books.latest(at)
    assert told is not None
    bids = told.bids.copy()
    bids[0, 0] = told.asks[0, 0] + ticks
    own.books._latest[at] = replace(told, bids=bids)
    rest, now = (hedge_states(v, report) for v in (views, own))
    assert repr(now[1:]) == repr(rest[1:])
    assert all(math.isnan(v) for v in (now[0].mid, now[0].half_spread, now[0].halfwidth, now[0].next_above))
    assert now[0].to_edge.qty == 0.0
    assert now[0].net == rest[0].net
    with pytest.raises(DataError, match=r"the book of ACME\.F has one side or is crossed"):
        Frontiers(own).get("DESK1", "ACME")


def _short(report: Report, underlying: str, lots: int = 300) -> Report:
    """The report with so many lots of a hedge gone."""
    g, name = report.batch.greeks, underlying.encode()
    delta = g.delta.copy()
    delta[(g.underlying == name) & (g.book == 2)] -= 100.0 * lots
    batch = type(report.batch)(report.batch.kind, report.batch.tables | {"greeks": g._replace(delta=delta)},
                               report.batch.header)  # fmt: skip
    return Report("DESK1", report.stamp, batch, report.instruments)
