"""Deribit's recorded instrument lists and a recorded book (Tardis), in frames made by the venue's documentation.

The frames are synthetic: no websocket recording was at hand. Instruments, levels and their order are recorded.
"""

from __future__ import annotations

import csv
import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from qflib.desk.replay import replay
from qflib.orderbook.books import Books
from qflib.records import EventKind, Header, Side
from qflib.venues.deribit import Decoder
from qflib.venues.table import venue
from qflib.venues.venue import frames_of

LISTS = "crypto/cryptofeed_DERIBIT.0.gz"
SAMPLE = "crypto/tardis_deribit_incremental_book_L2_BTC-PERPETUAL.csv"


def _frame(channel: str, data: Any) -> bytes:
    told = {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}
    return json.dumps(told).encode()


def _decoded(decoder: Decoder, frames: list[bytes]) -> Any:
    return decoder.decode(frames_of([1] * len(frames), list(range(len(frames))), frames), Header())


@pytest.mark.data
def test_a_recorded_book_in_frames_is_the_recorded_book(test_data: Path) -> None:
    with (test_data / SAMPLE).open() as f:
        rows = list(csv.DictReader(f))
    frames, number = [], 0
    for (time, snapshot), group in groupby(rows, lambda r: (r["timestamp"], r["is_snapshot"] == "true")):
        levels = [
            (r["side"], ["new" if float(r["amount"]) else "delete", float(r["price"]), float(r["amount"])])
            for r in group
        ]
        data = {
            "type": "snapshot" if snapshot else "change", "timestamp": int(time) // 1000, "change_id": number + 7,
            "instrument_name": "BTC-PERPETUAL", **({} if snapshot else {"prev_change_id": number}),
            **{f"{s}s": [level for side, level in levels if side == s] for s in ("bid", "ask")},
        }  # fmt: skip
        number += 7
        frames.append(_frame("book.BTC-PERPETUAL.raw", data))
    table = venue("deribit").instruments(test_data / LISTS)
    decoder = Decoder(table, "deribit:0")
    made = _decoded(decoder, frames)
    assert (made.refused, decoder.checks) == ((), {"gaps": 0})
    books, at = Books(table), table.id("BTC-PERPETUAL")
    books.apply(made.events)
    mine = {
        (int(side), table.to_price(at, int(ticks))): int(lots) * table[at].contract_value
        for side, ticks, lots in zip(*(books.levels_of(at)[c] for c in ("side", "price_ticks", "qty")), strict=True)
    }
    expected: dict[tuple[int, float], float] = {}
    for r in rows:
        key = (int(Side.BID if r["side"] == "bid" else Side.ASK), float(r["price"]))
        expected[key] = float(r["amount"])
    assert mine == {k: v for k, v in expected.items() if v}  # lots are contracts of 10 USD
    told = replay(test_data / SAMPLE, "tardis")["instruments"]["BTC-PERPETUAL"]
    assert len(mine) == told["levels"] == 15


@pytest.mark.data
def test_tickers_of_recorded_options_are_quotes_on_their_ticks(test_data: Path) -> None:
    table = venue("deribit").instruments(test_data / LISTS)
    options = [r for r in table if r.kind == "option" and r.underlying in ("BTC", "ETH")]
    assert len(options) > 500
    tops = [(round(0.0005 * (k % 40), 4), float(k % 7), round(0.0005 * (k % 40 + 3), 4)) for k in range(len(options))]
    frames = [
        _frame(
            f"ticker.{r.venue_symbol}.100ms",
            {"timestamp": 1626993723000, "instrument_name": r.venue_symbol, "best_bid_price": bid,
             "best_bid_amount": bid_qty, "best_ask_price": ask, "best_ask_amount": 10.0, "mark_iv": 80.1,
             "mark_price": 0.02, "greeks": {"delta": 0.4}, "state": "open"},
        )
        for r, (bid, bid_qty, ask) in zip(options, tops, strict=True)
    ]  # fmt: skip
    made = _decoded(Decoder(table, "deribit:0"), frames)
    assert made.refused == ()
    e = made.events
    assert e.kind.tolist() == [EventKind.QUOTE] * (2 * len(options))
    assert [table[i].symbol for i in e.instrument[::2].tolist()] == [r.symbol for r in options]
    price, qty = table.to_price(e.instrument, e.price_ticks), table.to_qty(e.instrument, e.qty)
    for k, (bid, bid_qty, ask) in enumerate(tops):
        there = (bid, bid_qty) if bid and bid_qty else (0.0, 0.0)
        assert (price[2 * k], qty[2 * k]) == pytest.approx(there)
        assert (price[2 * k + 1], qty[2 * k + 1]) == pytest.approx((ask, 10.0))
