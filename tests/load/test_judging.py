"""What the programs of load make of what they saw: no desk, only their arithmetic and their judgement."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest

from qflib.broker.seen import Seen
from qflib.records import EXECUTIONS, ORDERS, Batch, ExecType, Header
from qflib.records.codec import encode
from qflib.records.topics import ORDERS_EXECUTED, ORDERS_INCOMING
from qflib.stream.metrics import LONG, Buckets
from tests.load import burst, soak
from tests.load.burst import Sample, Times, Watched
from tests.load.looking import Taken
from tests.load.orders import OrdersSent, Way

FIGURES: dict[str, Any] = {
    "events": 1_000,
    "events_per_s": 100.0,
    "drained": True,
    "sequence_gaps": 0,
    "audit": {"ok": True, "topics": {}},
    "stages": {"exchange": {"restarts": 0, "dead_letters": 0}},
    "windows": [{"latency_ms": {"p50": 1.0, "p99": 2.0}}] * 8,
}
TIMES = Times(10.0, 10.0, 10.0)


def orders() -> OrdersSent:
    return OrdersSent(None, None, 1, ["ACME.F"], "ACME.F")  # type: ignore[arg-type]


def seen(topic: str, value: bytes, ms: int) -> Seen:
    return Seen(topic, 0, 0, b"k", value, (), ms)


class Orders:
    """As many orders as are wanted, a half of a second apart, each in a report 0.1 s later."""

    def __init__(self, n: int) -> None:
        self.sent, self.again, self.fault = n, list[str](), None
        self._ways = [Way(100 + k / 2, 100 + k / 2 + 0.05, 100 + k / 2 + 0.1) for k in range(n)]

    def ways(self) -> list[Way]:
        return self._ways


def watched(n: int, silent: slice = slice(0, 0)) -> Watched:
    """Thirty seconds of looks; ingest is ten times as fast in the second ten."""
    at = np.arange(0, 30, 0.5)
    sent = 10.0 * at + 90.0 * np.clip(at - 10, 0, 10)
    samples = [
        Sample(100 + t, s, s, int(50 * (10 <= t < 22)), {"up": 1.0}) for t, s in zip(at.tolist(), sent, strict=True)
    ]
    for k in range(*silent.indices(len(samples))):
        samples[k] = samples[k]._replace(sent=None, taken=None, behind=None)
    return Watched(samples, Orders(n), 100.0)  # type: ignore[arg-type]


def test_no_quantile_is_beyond_what_was_seen() -> None:
    made = burst._spread(Way(0.0, 0.0, ms / 1e3) for ms in (1.0, 2.0, 10.0))
    assert made["p50"] == pytest.approx(2.0)
    assert 2.0 < made["p99"] < made["max"] == pytest.approx(10.0)


def test_an_order_sent_again_is_timed_from_its_first_copy() -> None:
    made = orders()
    for at in (1_000, 5_000):
        rows = ORDERS.make(client_order_id=["load-1", "other"], instrument=[0, 0])
        made._take(seen(ORDERS_INCOMING, encode(Batch.of("order", Header("api", 0, at), orders=rows)), at))
        fills = EXECUTIONS.make(client_order_id=["load-1"], exec_type=[int(ExecType.FILL)], instrument=[0])
        record = encode(Batch.of("execution", Header("exchange/0", 0, at), executions=fills))
        made._take(seen(ORDERS_EXECUTED, record, at + 100))
    assert made._at == {ORDERS_INCOMING: {b"load-1": 1.0}, ORDERS_EXECUTED: {b"load-1": 1.1}}


def test_a_burst_is_where_it_was_asked_for_and_silence_is_not_nothing_behind() -> None:
    whole = burst._figures(watched(60), TIMES, FIGURES)
    assert whole["faults"] == []
    assert whole["sent_per_s"] / whole["usual_per_s"] == pytest.approx(10.0)
    assert whole["behind"] == 50
    assert whole["drained_s"] == pytest.approx(1.5)
    holed = burst._figures(watched(60, slice(30, 34)), TIMES, FIGURES)  # of the burst's own
    assert holed["unanswered"] == 4
    assert holed["sent_per_s"] == pytest.approx(whole["sent_per_s"])
    assert holed["drained_s"] == whole["drained_s"]


@pytest.mark.parametrize(("n", "said"), [(0, "0 orders before"), (25, "5 orders burst"), (46, "5 orders after")])
def test_a_run_with_few_orders_falls_short(n: int, said: str) -> None:
    assert said in burst._figures(watched(n), TIMES, FIGURES)["faults"]


def test_a_run_without_a_burst_is_none() -> None:
    made = watched(60)
    flat = [s._replace(sent=10.0 * k, taken=10.0 * k) for k, s in enumerate(made.samples)]
    with pytest.raises(SystemExit, match="there was no burst"):
        burst._figures(made._replace(samples=flat), TIMES, FIGURES)


def test_a_reader_that_cannot_begin_lets_nobody_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    from qflib.broker.clients import Connection
    from qflib.errors import BrokerError
    from tests.load import orders as module

    def refuse(*_: object) -> None:
        raise BrokerError("nobody answers; start the broker")

    monkeypatch.setattr(module, "ends", refuse)
    made = OrdersSent(None, Connection("127.0.0.1:1"), 1, ["ACME.F"], "ACME.F")  # type: ignore[arg-type]
    made.start()
    for thread in made._threads:
        thread.join(20)
    assert not any(t.is_alive() for t in made._threads)
    assert made.fault == "nobody answers; start the broker"
    assert made.sent == 0


def test_a_desk_that_is_slower_than_was_asked_for_falls_short() -> None:
    assert soak._judged(FIGURES, 102.0) == []
    assert soak._judged(FIGURES, 103.0) == ["100 events a second, of 103 that were asked for"]


def test_quantiles_of_buckets_are_as_exact_as_these() -> None:
    h, rng = Buckets(LONG), np.random.default_rng(3)
    h.observe(40.0)  # of before
    before = {float(b): float(n) for b, n in h.cumulative()}
    values = rng.gamma(3.0, 0.01, 5_000)
    for v in values:
        h.observe(float(v))
    after = {float(b): float(n) for b, n in h.cumulative()}
    for q in (0.5, 0.99):
        found, right = soak._quantile(before, after, q), float(np.quantile(values, q))
        [k] = np.flatnonzero(np.array(LONG) >= right)[:1]
        assert LONG[k - 1] <= found <= LONG[k]
    assert np.isnan(soak._quantile(after, after, 0.5))


def test_a_look_is_written_down_at_once_and_growth_is_found() -> None:
    class Desk:
        at = 0

        def scraped(self, _: str) -> dict[str, float]:
            return {'qflib_e2e_latency_seconds_bucket{le="+Inf"}': float(self.at)}

        def events(self, _: str) -> float:
            return 1.0

        def taken(self) -> dict[str, Taken]:
            return {"up": Taken(100.0 + 2 * self.at, 9, 3), "broker": Taken(300.0, 9, 3)}

        def disk(self) -> dict[str, float]:
            return {"broker": 10.0}

    out, desk = io.StringIO(), Desk()
    series = soak.Series(out)
    for desk.at in range(40):
        series.look(desk, 10.0 * desk.at)  # type: ignore[arg-type]
        assert len(out.getvalue().splitlines()) == desk.at + 1
    assert json.loads(out.getvalue().splitlines()[-1])["taken"]["up"]["memory_mb"] == 178.0
    rows, faults = soak._rows(series)
    assert faults == ["up: memory_mb rose from 129 to 169"]
    own = rows[1]
    assert (own["start"], own["end"], own["quarters"]) == (100.0, 178.0, [109.0, 129.0, 149.0, 169.0])
    assert own["slope_mb_per_h"] == pytest.approx(720.0)
