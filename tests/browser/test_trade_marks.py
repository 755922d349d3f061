"""Trades reach as far back in the picture as depth does; no browser is needed."""

from __future__ import annotations

import numpy as np

from dashboards.access import Login
from dashboards.desk import SharedDesk
from dashboards.pages.market import MarketPage
from qflib.broker.seen import Seen
from qflib.desk.deployment import Deployment
from qflib.records import Batch, Header, Instrument, Instruments
from qflib.records.codec import encode
from qflib.records.tables import BY_KIND
from qflib.records.topics import ANALYTICS_RESULTS
from qflib.views import Views
from tests.browser.running import KEYS, READER

_STEP_NS = 250_000_000
_A_RECORD = 60  # trades: 240 a second


def told(views: Views, record: int) -> None:
    """A moment of the book, and many trades at few prices."""
    now = (record + 1) * _STEP_NS
    tables = BY_KIND["analytics"].by_name
    top = {"instrument": [0], "bid_ticks": [100], "bid_qty": [5], "ask_ticks": [101], "ask_qty": [5], "time_ns": [now]}
    k = np.arange(_A_RECORD)
    trades = tables["trades"].make(
        instrument=[0] * _A_RECORD, side=(1 + k % 2).tolist(), price_ticks=(100 + k % 2 + record % 7).tolist(),
        qty=(1 + k).tolist(), receipt_ns=(now - _STEP_NS + 4_000_000 * k).tolist(),
    )  # fmt: skip
    batch = Batch.of("analytics", Header("exchange", 0, record), tops=tables["tops"].make(**top), trades=trades)
    views.take(Seen(ANALYTICS_RESULTS, 0, record, b"ACME", encode(batch), (), now // 10**6))


def test_trades_reach_as_far_as_depth() -> None:
    views = Views(Deployment(Instruments((Instrument("ACME.F", kind="spot"),))))
    desk, records = SharedDesk(views), 2_000  # 500 s, and 120,000 trades: the view keeps 20,000
    for record in range(records):
        told(views, record)
    page = MarketPage(desk, Login(KEYS[READER], READER, float("inf")))
    sent: list[dict] = []
    page.heatmap.is_ready, page.heatmap.send = True, sent.append  # type: ignore[method-assign]
    page.fast()
    n, k, blob = sent[0]["n"], sent[0]["k"], sent[0]["blob"]
    times = np.frombuffer(blob, "f8", n + k)
    depth, trades = times[:n], times[n:]
    assert n == records
    assert trades[0] - depth[0] < 1e3, "the first dot stands where depth begins"
    assert k == 2 * (records - 1), "a record, price and side is one dot; the first record's were before the picture"
    assert (np.diff(trades) >= 0).all()
    quantities = np.frombuffer(blob, "f4", k, offset=8 * (n + k) + 4 * 80 * n + 4 * k)
    assert quantities.sum() == (records - 1) * _A_RECORD * (_A_RECORD + 1) / 2, "what is added up is all there was"
    told(views, records)
    page.fast()
    assert (sent[1]["full"], sent[1]["n"], sent[1]["k"]) == (False, 1, 2)
    desk.stop()
