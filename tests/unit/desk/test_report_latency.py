"""What became of orders reaches the desk late, in the order it happened; market data and bookings do not wait."""

from __future__ import annotations

import numpy as np
import pytest

import qflib as qf
from qflib.desk import Desk, DeskConfig
from qflib.desk.deployment import Deployment
from qflib.errors import InputError
from qflib.records import Batch, ExecType
from qflib.records.topics import ORDERS_EXECUTED

MS = 1_000_000


def run(**latency):
    """A run, and what exposures heard of executions: (desk's time, their times, their kinds, their ids)."""
    feed = qf.datasets.load("sim", seed=7, duration="12s")
    desk = Desk(feed, hedger=qf.hedgers.Band(risk_aversion=1.0), config=DeskConfig(**latency))
    step, heard = desk._chain["exposures"].step, []
    feed_step = step.feed

    def listening(batch: Batch):
        if batch.topic == ORDERS_EXECUTED:
            x = batch.executions
            heard.append((desk._now_ns, x.time_ns.copy(), x.exec_type.copy(), x.exec_id.copy()))
        return feed_step(batch)

    step.feed = listening
    return desk.run(), heard


def of_orders(heard):
    return [h for h in heard if not np.isin(h[2], [ExecType.BOOKING]).all()]


@pytest.mark.parametrize("latency", [30 * MS, [5 * MS, 40 * MS, 90 * MS]])
def test_reports_take_their_time(latency):
    made, heard = run(report_latency_ns=latency)
    least, most = np.min(latency), np.max(latency)
    late = [now - times.max() for now, times, _, _ in of_orders(heard)]
    assert len(late) >= 4
    assert min(late) >= least
    assert max(late) <= most + least  # at the next clock: they come as often as the shortest
    ids = np.concatenate([h[3] for h in heard])
    assert (np.diff(ids.astype(np.int64)) > 0).all()
    assert len(made.executions) == len(ids)
    bookings = [now - times.max() for now, times, kinds, _ in heard if np.isin(kinds, [ExecType.BOOKING]).all()]
    assert bookings
    assert max(bookings) < least


def test_a_hedge_that_takes_its_time_both_ways_is_sent_once():
    soon, _ = run()
    late, heard = run(report_latency_ns=200 * MS, order_latency_ns=50 * MS)
    fills = [made.executions[made.executions["exec_type"] == "fill"] for made in (soon, late)]
    for x in fills:
        by_order = x.groupby("client_order_id")
        assert (by_order["qty"].sum() == by_order["cum_qty"].max()).all()
    asked = late.executions[late.executions["exec_type"] == "new"].groupby("instrument")["qty"].first()
    done = fills[1].groupby("instrument")["qty"].sum()
    assert (done <= asked[done.index]).all()  # nothing is sent again while its report is on its way
    assert min(now - times.max() for now, times, _, _ in of_orders(heard)) >= 200 * MS


def test_a_setting_of_one_process_is_not_of_a_desk_on_kafka():
    table = qf.datasets.load("sim", seed=7, duration="1s").instruments
    made, late = Deployment(table), Deployment(table, DeskConfig(report_latency_ns=5))
    assert made.digest == late.digest


def test_what_cannot_be_a_latency_is_named():
    feed = qf.datasets.load("sim", seed=7, duration="1s")
    with pytest.raises(InputError, match="report_latency_ns -1"):
        Desk(feed, config=DeskConfig(report_latency_ns=-1))
