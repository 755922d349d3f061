"""Faults planted in a running desk, each until its alert has come to the receiver, and mended until it has ended.

`make faults` runs it (some six minutes) and prints what each took, in the fast motion of tests/deploy/watching.py: a
minute of the rules is four seconds.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest
from confluent_kafka import Producer

import qflib as qf
from qflib.broker.clients import Connection, producer_config
from qflib.desk.market_quality import LEAST
from qflib.records import TOPS, Batch, Header
from qflib.records.codec import MAX_BYTES, encode
from qflib.records.topics import ANALYTICS_RESULTS, MARKET_RAW, snapshots
from tests.deploy.watching import Watching, over, seen, watching
from tests.processes import broker_in, stopped

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watching]:
    for one in watching(tmp_path_factory.mktemp("faults"), "--rate", "2000", "--faces"):
        one.until(lambda one=one: settled(one), "the market's windows are not full", 150.0)
        yield one


def settled(one: Watching) -> bool:
    """Prices have been looked at for as long as a score needs."""
    return float(one.query("time() - process_start_time_seconds{process='up-0'}")[0]["value"][1]) > LEAST + 30


def send(one: Watching, topic: str, value: bytes, key: bytes = b"ACME") -> None:
    """A record of somebody else's."""
    c = Connection(one.desk.running()["bootstrap"])
    producer = Producer(producer_config(c, client_id="stranger"))
    producer.produce(topic, value, key, partition=0)
    assert producer.flush(10) == 0


def live(one: Watching) -> qf.Live:
    return qf.connect(f"http://127.0.0.1:{one.environment['QFLIB_API__PORT']}", key=key(one))


def key(one: Watching) -> str:
    text = (one.state / "up" / "client.toml").read_text()
    return text.partition("qf_")[1] + text.partition("qf_")[2].partition('"')[0]


def top(one: Watching, seq: int, bid: int, ask: int) -> bytes:
    """A top of the first future, as the exchange would tell it."""
    kept = one.desk.kept()
    assert kept is not None
    future = next(k for k, r in enumerate(kept.instruments) if r.kind == "future")
    tops = TOPS.make(
        instrument=[future], bid_ticks=[bid], bid_qty=[1], ask_ticks=[ask], ask_qty=[1], time_ns=[2**62 + seq * 10**10]
    )
    return encode(Batch.of("analytics", Header("stranger", 0, seq), ANALYTICS_RESULTS, "ACME", tops=tops))


def test_the_broker_stands_still(watched: Watching) -> None:
    with stopped(broker_in(watched.state)) as since, live(watched) as desk:
        with pytest.raises(qf.ApiError, match="did not confirm it"):
            desk.buy("ACME.F", 1, 90.0)
        seen(watched, "QflibApiOutcomesUnknown", since)
        seen(watched, "QflibBrokerSilent", since)
    over(watched, "QflibBrokerSilent", time.monotonic())
    over(watched, "QflibApiOutcomesUnknown", since)
    watched.until(lambda: not watched.query("qflib_lag_seconds > 2"), "it does not catch up")


def test_a_stage_stands_still_and_nothing_is_reported(watched: Watching) -> None:
    with stopped(watched.pid("portfolio-0")) as since:
        seen(watched, "QflibNoReports", since)
        seen(watched, "QflibStageStalled", since, consumergroup="qflib.portfolio")
    mended = time.monotonic()
    over(watched, "QflibStageStalled", mended)
    over(watched, "QflibNoReports", since)  # where the stopped stage holds the market back, sooner


def test_the_broker_is_slow_and_a_stage_holds_the_market_back(watched: Watching) -> None:
    pid, since = broker_in(watched.state), time.monotonic()
    slow = ("QflibCommitSlow", "QflibLatencyHigh")
    while any(watched.receiver.when(alert, "firing", since) is None for alert in slow):
        with stopped(pid):
            time.sleep(1.5)  # not so long that the broker is taken for silent, which would hide both
        time.sleep(0.5)
        assert time.monotonic() < since + 60
    for alert in slow:
        seen(watched, alert, since)
    with stopped(watched.pid("exchange-0")) as later:
        seen(watched, "QflibBackPressure", later)
    mended = time.monotonic()
    over(watched, "QflibCommitSlow", since)
    over(watched, "QflibBackPressure", mended)
    over(watched, "QflibLatencyHigh", since)  # while the stage stood still there were no reports to be late


def test_the_archive_stands_still(watched: Watching) -> None:
    with stopped(watched.pid("archive-0")) as since:
        seen(watched, "QflibArchiveBehind", since)
    over(watched, "QflibArchiveBehind", time.monotonic())


def test_the_market_falls_silent(watched: Watching) -> None:
    with stopped(watched.pid("ingest-0")) as since:
        seen(watched, "QflibInstrumentStale", since, instrument="ACME.F")
    over(watched, "QflibInstrumentStale", time.monotonic(), instrument="ACME.F")


def test_a_worker_dies_again_and_again(watched: Watching) -> None:
    since = time.monotonic()
    for _ in range(7):
        watched.send("normalize-0", signal.SIGKILL)
    seen(watched, "QflibWorkerFlapping", since, stage="normalize")
    over(watched, "QflibWorkerFlapping", since, stage="normalize")


def test_a_snapshot_is_broken(watched: Watching) -> None:
    """It is passed over, which is logged as an error; a restore that took no time is not called slow."""
    since = time.monotonic()
    send(watched, snapshots("portfolio"), b"\xff\x00")
    watched.send("portfolio-0", signal.SIGKILL)
    seen(watched, "QflibErrorsLogged", since, process="portfolio-0")
    assert '"event": "snapshot broken"' in (watched.desk.logs / "portfolio-0.log").read_text()
    over(watched, "QflibErrorsLogged", since, process="portfolio-0")
    assert watched.receiver.when("QflibRestoreSlow", "firing", since) is None


def test_a_poison_record_and_one_that_is_missing(watched: Watching) -> None:
    since = time.monotonic()
    send(watched, MARKET_RAW, b"poison")
    send(watched, MARKET_RAW, bytes(MAX_BYTES + 1))
    for number in (0, 7):
        told = Batch.of("analytics", Header("other", 0, number), ANALYTICS_RESULTS, "ACME")
        send(watched, ANALYTICS_RESULTS, encode(told))
    seen(watched, "QflibDeadLetters", since, stage="normalize")
    seen(watched, "QflibSequenceGap", since, topic=ANALYTICS_RESULTS)
    seen(watched, "QflibRecordTooLong", since, stage="normalize", reason="oversized")
    over(watched, "QflibDeadLetters", since, stage="normalize")
    over(watched, "QflibRecordTooLong", since, stage="normalize")
    over(watched, "QflibSequenceGap", since, topic=ANALYTICS_RESULTS)


def test_the_market_goes_wild(watched: Watching) -> None:
    since, seq = time.monotonic(), 0
    while watched.receiver.when("QflibBookCrossed", "firing", since) is None:
        send(watched, ANALYTICS_RESULTS, top(watched, seq, 9_000_000, 8_000_000))
        seq += 1
        assert seq < 2_000
    send(watched, ANALYTICS_RESULTS, top(watched, seq, 1, 9_000_000))
    seen(watched, "QflibBookCrossed", since, instrument="ACME.F")
    seen(watched, "QflibPriceJump", since, instrument="ACME.F")
    seen(watched, "QflibSpreadWide", since, instrument="ACME.F")
    for alert in ("QflibBookCrossed", "QflibPriceJump", "QflibSpreadWide"):
        over(watched, alert, since, instrument="ACME.F")


def test_positions_leap_over_their_limit(watched: Watching) -> None:
    since = time.monotonic()
    with live(watched) as desk:
        desk.set_limit("max_es", 1.0, portfolio="DESK1")
        seen(watched, "QflibLimitBreached", since, portfolio="DESK1", limit="max_es")
        mended = time.monotonic()
        desk.set_limit("max_es", 1e15, portfolio="DESK1")
    over(watched, "QflibLimitBreached", mended)
    body = {"bookings": [{"booking_id": "LEAP", "instrument": "ACME.F", "qty": "100000", "price": "100"}]}
    address = f"http://127.0.0.1:{watched.environment['QFLIB_API__PORT']}/v1/portfolios/DESK1/positions"
    since = time.monotonic()
    assert httpx.post(address, json=body, headers={"authorization": f"Bearer {key(watched)}"}).status_code == 202
    seen(watched, "QflibShortfallLeap", since, portfolio="DESK1")
    over(watched, "QflibShortfallLeap", since, portfolio="DESK1")


def test_hedges_are_refused(watched: Watching) -> None:
    since = time.monotonic()
    with live(watched) as desk:
        desk.set_limit("price_band", 1e-9)
        seen(watched, "QflibHedgesRejected", since)
        desk.set_limit("price_band", 0.1)
    over(watched, "QflibHedgesRejected", since)


def test_the_desk_ends(watched: Watching) -> None:
    since = time.monotonic()
    os.kill(watched.desk.running()["pid"], signal.SIGINT)
    watched.ended = True
    seen(watched, "QflibDeskAway", since)
