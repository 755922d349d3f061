"""However many partitions: an underlying's records are the same but for who numbered them."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import replace

import numpy as np
import pytest

import qflib as qf
from qflib.desk.deployment import Deployment
from qflib.desk.opening import bookings, hedging_control, scenario_controls
from qflib.records import Batch
from qflib.records.codec import encode
from qflib.records.topics import (
    EXCHANGE_MARKS,
    MARKET_NORMALIZED,
    MARKET_RAW,
    ORDERS_EXECUTED,
    ORDERS_INCOMING,
    RISK_EXPOSURES,
)
from qflib.shortfall import scenarios as make_scenarios
from qflib.stream.stages import STAGES

PERIOD_NS = 250_000_000


def run(partitions: int) -> dict[tuple[str, str, str], list[bytes]]:
    """What every step sent, by topic, key and kind, without numbers; and the check that numbers rise by one."""
    feed = qf.datasets.load("sim", seed=5, duration="3s", rate=4_000)
    desk = Deployment(
        feed.instruments, risk=True, partitions=partitions
    )  # no hedger: another interleaving is another run
    table = desk.table
    steps = {(s, p): desk.step(s, p) for s in desk.stages for p in range(partitions)}
    sent: dict[tuple[str, str, str], list[bytes]] = defaultdict(list)
    numbers: dict[tuple[str, int, str], int] = defaultdict(int)

    def pump(first: Batch) -> None:
        queue = deque([first])
        while queue:
            batch = queue.popleft()
            p = table.place(batch.key)
            for name in desk.stages:
                if batch.topic not in STAGES[name].inputs:
                    continue
                for out in steps[name, p].feed(batch):
                    place = out.topic, table.place(out.key), out.header.source
                    assert out.header.seq == numbers[place], place
                    numbers[place] += 1
                    sent[out.topic, out.key, out.kind].append(_without_numbers(out))
                    queue.append(out)

    scenarios = make_scenarios.default(feed.history, n_historical=50, n_simulated=50)
    opened = False
    for batch in feed.raw(PERIOD_NS):
        pump(batch)
        if not opened and batch.kind == "clock" and batch.header.source == feed.instruments.sources[-1]:
            opened = True
            for control in (hedging_control("DESK1", on=False), *scenario_controls(scenarios)):
                for name in table.every if not control.key else [control.key]:
                    pump(control.to(ORDERS_INCOMING, name))
            for booking in bookings(feed.instruments, "DESK1", feed.positions):
                pump(booking)
            for name in table.every:
                pump(hedging_control("DESK1", on=True).to(ORDERS_INCOMING, name))
    assert opened
    return sent


def _without_numbers(batch: Batch) -> bytes:
    """A batch's bytes but for what numbers it: its own sequence, and the executions' of its partition."""
    tables = dict(batch.tables)
    if batch.kind == "execution":
        tables["executions"] = tables["executions"]._replace(exec_id=np.zeros(batch.count, np.uint64))
    return encode(replace(batch, tables=tables, header=replace(batch.header, source="", seq=0)))


@pytest.fixture(scope="module")
def alone() -> dict[tuple[str, str, str], list[bytes]]:
    return run(1)


@pytest.mark.parametrize("partitions", [2, 4, 5])
def test_an_underlyings_records_do_not_depend_on_the_count_of_partitions(alone, partitions: int) -> None:
    spread = run(partitions)
    keyed = {k: v for k, v in alone.items() if not k[1].startswith("every-")}
    assert keyed.keys() == {k for k in spread if not k[1].startswith("every-")}
    assert {t for t, _, _ in keyed} >= {MARKET_NORMALIZED, ORDERS_EXECUTED, EXCHANGE_MARKS, RISK_EXPOSURES}
    for key, records in keyed.items():
        if key[0] in (MARKET_NORMALIZED, ORDERS_EXECUTED):
            assert spread[key] == records, key
        # time is that of the partition's own sources: what is published when may differ, where it ends may not
        if key[0] == EXCHANGE_MARKS:
            assert spread[key][-1] == records[-1], key
    clocks = [k for k in spread if k[2] == "clock"]
    assert len(clocks) == partitions  # every partition hears every source


def test_raw_batches_are_read_by_normalize_alone() -> None:
    assert [s.name for s in STAGES.values() if MARKET_RAW in s.inputs] == ["normalize"]
