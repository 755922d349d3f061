"""What the monitor sees of a desk's records is what the desk itself shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from qflib.broker.seen import Seen
from qflib.cli.snapshots import snapshot
from qflib.desk import Desk, Progressed
from qflib.desk.datasets import load
from qflib.desk.deployment import Deployment
from qflib.desk.record import Recorder
from qflib.hedging.hedgers import Band
from qflib.records import Batch
from qflib.records.codec import encode
from qflib.records.topics import MARKET_NORMALIZED, RISK_METRICS
from qflib.stream.monitor.market_exported import MarketExported
from qflib.stream.monitor.observed import READ, Observed
from qflib.stream.monitor.surroundings import Surroundings

MS = 1_000_000


@pytest.fixture(scope="module")
def ran() -> tuple[list[Batch], Progressed, dict[str, Any], Deployment]:
    """A desk's batches, where it stood at the end, its summary, and its deployment on Kafka."""
    batches: list[Batch] = []
    last: list[Progressed] = []
    feed = load("sim", seed=5, duration="3s", rate=2_000)
    desk = Desk(feed, hedger=Band())
    with pytest.MonkeyPatch.context() as patch:
        take = Recorder.take
        patch.setattr(Recorder, "take", lambda self, b: (batches.append(b), take(self, b))[1])
        run = desk.run(progress=last.append)
    return batches, last[-1], run.summary(), Deployment(feed.instruments, risk=True, hedger=Band())


def seen(deployment: Deployment, batches: list[Batch], delay_ms: int = 7) -> list[Seen]:
    """The batches as a consumer gets them: market batches came a ms apart, all else is written `delay_ms` later."""
    table, offsets, now_ms, out = deployment.table, dict[tuple[str, int], int](), 1_000, []
    for b in batches:
        if b.topic not in READ:
            continue
        place = b.topic, table.place(b.key)
        offsets[place] = offsets.get(place, -1) + 1
        market = b.topic == MARKET_NORMALIZED
        now_ms += market
        headers = [("ingest_ns", str(now_ms * MS).encode())]
        append_ms = now_ms if market else now_ms + delay_ms
        out.append(Seen(*place, offsets[place], table.key(b.key), encode(b), headers, append_ms))
    return out


def test_the_view_is_the_desk_s_own(ran: Any) -> None:
    batches, desk, _, deployment = ran
    observed = Observed(deployment)
    for one in seen(deployment, batches):
        observed.take(one)
    made = snapshot(Progressed(desk.seconds, observed.market_time_ns, observed.events, observed.standing_now()))
    assert made == snapshot(desk)
    assert made["trades"]
    assert made["positions"]


def test_hedges_and_shortfall_are_the_desk_s_own(ran: Any) -> None:
    batches, _, summary, deployment = ran
    observed = Observed(deployment)
    for one in seen(deployment, batches):
        observed.take(one)
    standing = observed.standing
    assert standing.realised_cost == pytest.approx(summary["hedge"]["cost"])
    assert (standing.hedge_orders, standing.hedge_fills) == (summary["hedge"]["orders"], summary["hedge"]["fills"])
    es = summary["es"]
    assert observed.es.median() == [es[f"{k}_median"] for k in ("unhedged", "current", "target")]
    assert observed.gaps == {}


def test_fills_may_be_seen_before_their_order(ran: Any) -> None:
    batches, _, summary, deployment = ran
    records = seen(deployment, batches)
    observed = Observed(deployment)
    for one in sorted(records, key=lambda r: r.topic == RISK_METRICS):
        observed.take(one)
    assert observed.standing.realised_cost == pytest.approx(summary["hedge"]["cost"])


def test_delays_are_those_of_the_records(ran: Any) -> None:
    batches, _, _, deployment = ran
    for live in (False, True):
        observed = Observed(deployment if not live else Deployment(deployment.instruments, risk=True, source="kraken"))
        for one in seen(deployment, batches):
            observed.take(one)
        observed.settle(all_of_them=True)
        latency = observed.total.figures()["latency_ms"]
        if live:  # receipt times are the market's, long before 1970's first seconds
            assert latency == {"p50": 0.0, "p99": 0.0, "max": 0.0}
        else:  # the newest event came with the market batch before, or with one that came when its clock did
            assert 7 <= latency["p50"] <= 40
            assert observed.total.figures()["staleness_ms"]["p50"] <= latency["p50"]
        assert observed.reports > 10


def test_a_torn_record_is_passed_over(ran: Any) -> None:
    deployment = ran[3]
    observed = Observed(deployment)
    for topic in READ:
        observed.take(Seen(topic, 0, 0, None, b"\xff\xff", (), 5))
        observed.take(Seen(topic, 0, 1, None, None, (), 5))
    assert observed.events == 0


def test_gaps_and_dead_letters_are_counted(ran: Any) -> None:
    batches, _, _, deployment = ran
    records = seen(deployment, batches)
    at = next(k for k, r in enumerate(records) if r.topic == RISK_METRICS and k > 100)
    observed = Observed(deployment)
    for one in records[:at] + records[at + 1 :]:
        observed.take(one)
    assert observed.gaps == {RISK_METRICS: 1}


def test_what_a_desk_opens_on_is_no_delay(ran: Any) -> None:
    """Reports on events that the desk opened on came late, and say nothing of how late the desk is."""
    batches, _, _, deployment = ran
    records = seen(deployment, batches)
    reports = [r for r in records if r.topic == RISK_METRICS]
    late = [r._replace(append_ms=r.append_ms + 60_000) if r in reports[:3] else r for r in records]
    begins = records.index(reports[2]) + 1
    marked = [r._replace(headers=[*r.headers, ("opening", b"1")]) if i < begins else r for i, r in enumerate(late)]
    found = []
    for told in (late, marked):
        observed = Observed(deployment)
        for one in told:
            observed.take(one)
        observed.settle(all_of_them=True)
        found.append(observed)
    counted, opened = found
    assert counted.total.latency.max >= 60_000
    assert 0 < opened.total.latency.max < 60_000
    assert counted.opened_ns == counted.first_ns == opened.first_ns < opened.opened_ns
    assert counted.reports == opened.reports


def test_market_and_risk_are_told_to_prometheus(ran: Any) -> None:
    batches, _, summary, deployment = ran
    observed, registry = Observed(deployment), CollectorRegistry()
    MarketExported(observed, registry, deployment.risk)
    assert registry.get_sample_value("qflib_risk_reports_total") == 0
    for one in seen(deployment, batches):
        observed.take(one)
    last = [b for b in batches if b.topic == RISK_METRICS and len(b.risk.level)][-1]
    told = {"portfolio": "DESK1", "level": "0.975", "kind": "current"}
    assert registry.get_sample_value("qflib_es", told) == last.risk.es_current[0]
    assert registry.get_sample_value("qflib_hedge_orders_total") == summary["hedge"]["orders"] > 0
    assert registry.get_sample_value("qflib_market_crossed", {"instrument": "ACME.F"}) == 0
    assert registry.get_sample_value("qflib_market_spread_ticks", {"instrument": "ACME.F"}) >= 1
    assert registry.get_sample_value("qflib_market_spread_ticks", {"instrument": "ACME options"}) >= 1


def test_a_desk_without_portfolios_counts_no_reports(ran: Any) -> None:
    """A counter that stays at 0 beside a market that moves raises QflibNoReports."""
    live, registry = Deployment(ran[3].instruments, source="kraken"), CollectorRegistry()
    MarketExported(Observed(live), registry, live.risk)
    assert registry.get_sample_value("qflib_risk_reports_total") is None
    assert registry.get_sample_value("qflib_hedge_orders_total") == 0


def test_a_jump_of_the_wall_clock_is_counted(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    clock = [4.5]
    around = Surroundings(tmp_path, registry, lambda: clock[0])
    for wall, steady in ((100.0, 5.0), (100.5, 5.5), (101.1, 6.0), (71.6, 6.5), (72.1, 7.0)):
        clock[0] = steady
        around.see(steady < 7, wall)
    clock[0] = 9.0
    assert around.clock_steps == 1
    assert registry.get_sample_value("qflib_broker_silent_seconds") == 2.5  # whatever the wall clock did
    assert registry.get_sample_value("qflib_disk_size_bytes") > registry.get_sample_value("qflib_disk_free_bytes") > 0
