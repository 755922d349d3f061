"""The way to Kafka: confirmed is what Kafka has, numbered without a hole; a broker that dies is told of in time."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import numpy as np
import pytest

from qflib.api.problems import ProblemError
from qflib.api.sender import Sender
from qflib.api.state import Ack
from qflib.broker import topics
from qflib.broker.clients import Connection
from qflib.broker.local import LocalBroker
from qflib.broker.reading import read, watermarks
from qflib.broker.seen import Seen
from qflib.desk.deployment import Deployment
from qflib.records import CONTROLS, Batch, Header, Instrument, Instruments, Partitions
from qflib.records.codec import decode
from qflib.records.topics import MARKET_RAW, ORDERS_INCOMING
from qflib.steps.exchange.validation import Request
from qflib.steps.normalize import Normalize
from qflib.stream.audit.numbering import Numbering
from qflib.stream.audit.tally import Tally
from qflib.views import Views

NAMES = ("ACME", "BETA", "GAMA", "DLTA")
TABLE = Partitions.spread(4, NAMES)


def row(k: int, account: str = "A") -> Request:
    return Request(1, 0, 1, 2, 1, 100, 1, account.encode(), b"P", 1, f"o-{k}".encode(), b"", 0, k, 0)


def seen(c: Connection, topic: str, since: dict[int, int]) -> Iterator[Seen]:
    for p in range(4):
        for m in read(c, topic, p, since[p]):
            yield Seen.of(m)


def ends(c: Connection, topic: str) -> dict[int, int]:
    return {p: watermarks(c, topic, p)[1] for p in range(4)}


def rows_of(records: list[Seen], sources: set[str] | None = None) -> list[tuple[int, int, int, int, str]]:
    made = []
    for s in records:
        assert s.value is not None
        batch = decode(s.value)
        if batch.kind == "order" and (sources is None or batch.header.source in sources):
            made += [
                (s.append_ms, s.partition, s.offset, k, c.decode()) for k, c in enumerate(batch.orders.client_order_id)
            ]
    return made


def test_an_order_is_confirmed_where_kafka_has_it(kafka: Connection) -> None:
    since = ends(kafka, ORDERS_INCOMING)

    async def run() -> list[Ack]:
        sender = Sender(kafka, TABLE)
        sender.start()
        await sender.ready()
        made = []
        for turn in range(5):
            made += [sender.order(NAMES[k % 4], row(100 * turn + k)) for k in range(40)]
            await asyncio.sleep(0)
        acks = await asyncio.gather(*made)
        await sender.stop()
        return acks

    acks = asyncio.run(run())
    records = list(seen(kafka, ORDERS_INCOMING, since))
    rows = {name: tuple(at) for *at, name in rows_of(records)}
    assert {f"o-{100 * t + k}": tuple(acks[40 * t + k]) for t in range(5) for k in range(40)} == rows
    assert len(records) == 20  # the orders of one turn and underlying are one record
    tally, headers = Tally(), {}
    for p in range(4):
        numbering = Numbering(ORDERS_INCOMING, p, False, tally)
        for s in (s for s in records if s.partition == p):
            batch = decode(s.value or b"")
            headers.setdefault((batch.header.source, p), []).append(batch.header.seq)
            assert numbering.take(s.offset, "order", batch.header, s.value or b"")
            assert s.key is not None
            assert TABLE.place(s.key.decode().partition("#")[0]) == p
        numbering.finish()
    assert all(seqs == list(range(len(seqs))) for seqs in headers.values())
    assert len({source for source, _ in headers}) == 1


def test_a_signal_is_read_by_normalize_from_kafka(kafka: Connection) -> None:
    since = ends(kafka, MARKET_RAW)

    async def run() -> None:
        sender = Sender(kafka, TABLE)
        sender.start()
        await sender.ready()
        payload = b'{"instrument": "ACME", "direction": "buy", "signal_id": "%d"}'
        await asyncio.gather(*(sender.signal(payload % k, 7 + k) for k in range(3)))
        await sender.signal(payload % 3, 10)
        await sender.stop()

    asyncio.run(run())
    records = [s for s in seen(kafka, MARKET_RAW, since) if (s.key or b"").startswith(b"signals:api")]
    step = Normalize(Instruments((Instrument("ACME"),)))
    out = [b for s in records for b in step.feed(decode(s.value or b""))]
    assert [b.kind for b in out] == ["signal", "signal"]
    assert np.concatenate([b.signals.receipt_ns for b in out]).tolist() == [7, 8, 9, 10]
    assert step.checks["gaps"] == step.checks["dead"] == 0


def test_controls_go_to_every_partition_in_one_transaction(kafka: Connection) -> None:
    since = ends(kafka, ORDERS_INCOMING)
    control = CONTROLS.make(control_id=["c-1"], kind=[2], instrument=[0xFFFF_FFFF], name=["max_es"], value=[1.0])
    batch = Batch.of("control", Header("api.x"), ORDERS_INCOMING, "", controls=control)

    async def run() -> int:
        sender = Sender(kafka, TABLE)
        sender.start()
        await sender.ready()
        sent = await sender.publish([batch])
        await sender.stop()
        return sent

    assert asyncio.run(run()) == 4
    end = time.monotonic() + 15  # a commit returns before its markers stand in every partition
    parts: list[int] = []
    while len(parts) < 4 and time.monotonic() < end:
        parts = sorted(decode(s.value or b"").header.part for s in seen(kafka, ORDERS_INCOMING, since))
    assert parts == [0, 1, 2, 3]


def test_in_flight_is_bounded(kafka: Connection) -> None:
    async def run() -> None:
        sender = Sender(kafka, TABLE, in_flight=10)
        sender.start()
        await sender.ready()
        first = [sender.order("ACME", row(k)) for k in range(10)]
        with pytest.raises(ProblemError) as refused:
            sender.order("ACME", row(11))
        assert (refused.value.status, refused.value.code) == (503, "overloaded")
        await asyncio.gather(*first)
        await sender.order("ACME", row(12))
        await sender.stop()
        with pytest.raises(ProblemError, match="ending"):
            sender.order("ACME", row(13))

    asyncio.run(run())


def test_a_broker_that_dies_and_comes_back(own_broker: LocalBroker, own_kafka: Connection) -> None:
    """What is not confirmed is told as unknown in time; each line's numbers have no hole; the views see it too."""
    topics.create(own_kafka, 4)
    desk = Deployment(Instruments((Instrument("ACME", source="s"),)), partitions=4)
    views = Views(desk, own_kafka)
    views.start()
    assert views.wait_ready()

    async def run() -> dict[str, Ack]:
        sender = Sender(own_kafka, TABLE, acknowledge_s=1.0)
        sender.start()
        await sender.ready()
        confirmed: dict[str, Ack] = {}
        unknown = 0
        codes: set[tuple[int, str]] = set()
        k = 0

        async def send() -> None:
            nonlocal k, unknown
            k += 1
            name = f"o-{k}"
            try:
                confirmed[name] = await sender.order(NAMES[k % 4], row(k))
            except ProblemError as e:
                codes.add((e.status, e.code))
                unknown += 1

        while len(confirmed) < 50:  # a broker that has just begun may keep the first ones waiting
            await send()
            await asyncio.sleep(0.005)
        unknown = 0
        pid = own_broker.pid
        assert pid is not None
        # told while it is away: each of them is answered before it is started again
        sending = asyncio.create_task(asyncio.wait_for(_steadily(send, lambda: unknown > 20), 30))
        await asyncio.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        await sending
        assert await _until(lambda: not views.connected, 10)
        await asyncio.to_thread(own_broker.start)
        assert await _until(lambda: views.connected, 20)  # of itself: nothing is written yet that it could read
        before = len(confirmed)
        await asyncio.wait_for(_steadily(send, lambda: len(confirmed) > before + 50), 40)
        await sender.stop()
        assert codes <= {(503, "unknown_outcome"), (503, "broker_unavailable")}
        return confirmed

    try:
        confirmed = asyncio.run(run())
    finally:
        views.stop()
    records = list(seen(own_kafka, ORDERS_INCOMING, dict.fromkeys(range(4), 0)))
    there = {(m, p, o, r): name for m, p, o, r, name in rows_of(records)}
    places = {name: ack for *ack, name in rows_of(records)}
    wrong = {name: (tuple(ack), places.get(name)) for name, ack in confirmed.items() if there.get(tuple(ack)) != name}  # type: ignore[call-overload]
    assert not wrong
    tally = Tally()
    for p in range(4):
        numbering = Numbering(ORDERS_INCOMING, p, True, tally)
        for s in (s for s in records if s.partition == p):
            numbering.take(s.offset, "order", decode(s.value or b"").header, s.value or b"")
        numbering.finish()
    assert tally.ok, tally.findings
    assert len({decode(s.value or b"").header.source for s in records}) >= 2


async def _steadily(send, done) -> None:  # type: ignore[no-untyped-def]
    tasks = set()
    while not done():
        tasks.add(asyncio.create_task(send()))
        tasks = {t for t in tasks if not t.done()}
        await asyncio.sleep(0.02)
    await asyncio.gather(*tasks)


async def _until(condition, seconds: float) -> bool:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        await asyncio.sleep(0.05)
    return bool(condition())
