"""LOBSTER's and JACOBI's files at hand: the figures of a right replay."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from qflib.desk.replay import replay
from qflib.orderbook.books import Books
from qflib.records import MARKET_EVENTS, EventKind, Header
from qflib.venues.jacobi import read
from qflib.venues.lobster import Decoder
from qflib.venues.lobster import read as read_lobster
from qflib.venues.venue import frames_of

MESSAGES = "lobster/AMZN_2012-06-21_34200000_57600000_message_1.csv.gz"
EMPTY = 9_999_999_999


@pytest.mark.data
def test_jacobi_knows_every_order_over_a_wide_range_of_prices(test_data: Path) -> None:
    path = test_data / "jacobi/issueN0003.bin.gz"
    figures = replay(path, "jacobi")
    assert (figures["events"], figures["unknown_ids"], figures["refused"], figures["dead_letters"]) == (7_523, 0, 0, 0)
    prices = np.concatenate([np.frombuffer(c.payload, "<u8").reshape(-1, 4) for c in read(path).chunks()])
    told = prices[np.isin(prices[:, 0] >> 32 & 0xFF, (0, 3)), 3]  # of adds and modifications
    assert (told.min(), told.max()) == (190, 200_000)


@pytest.mark.data
def test_lobster_day(test_data: Path) -> None:
    figures = replay(test_data / MESSAGES, "lobster")
    assert figures["dead_letters"] == 0
    assert figures["events"] == 57_515 + 3  # the seed: CLEAR and two levels
    assert figures["refused"] == figures["unknown_ids"]  # levels that entered the window, which nobody announced


@pytest.mark.data
def test_lobster_one_step(test_data: Path) -> None:
    """Each row of the orderbook file and the message after it give the next row, as far as the window shows it."""
    messages = gzip.decompress((test_data / MESSAGES).read_bytes()).splitlines()[1:]
    books = gzip.decompress((test_data / MESSAGES.replace("message", "orderbook")).read_bytes()).splitlines()[1:]
    table = read_lobster(test_data / MESSAGES).instruments
    n = len(messages) - 1
    payloads = [line for i in range(n) for line in (books[i], messages[i + 1])]
    receipts = [1_340_251_200_000_000_000 + 40_000 * 10**9] * (2 * n)
    made = Decoder(table, "s").decode(frames_of(receipts, list(range(2 * n)), payloads), Header())
    assert made.refused == ()
    events, state = made.events, Books(table)
    ends = np.flatnonzero(events.flags & 1) + 1
    assert len(ends) == 2 * n
    right = hidden = wrong = 0
    rows = np.array([[int(x) for x in line.split(b",")] for line in books], np.int64)
    for i in range(n):
        state.apply(MARKET_EVENTS.slice(events, 0 if i == 0 else ends[2 * i - 1], ends[2 * i + 1]))
        top = state.tops()
        got = np.array([top.ask_ticks[0], top.ask_qty[0], top.bid_ticks[0], top.bid_qty[0]])
        want = rows[i + 1].copy()
        for k, worse in ((0, 1), (2, -1)):
            if got[k + 1] == 0:  # the level went: what comes into the window was never announced, but is worse
                gone = rows[i, k]
                assert abs(want[k]) == EMPTY or (want[k] - gone) * worse > 0
                want[k : k + 2] = got[k : k + 2]
        if events.kind[ends[2 * i + 1] - 1] == EventKind.TRADE:
            hidden += bool((rows[i + 1] == rows[i]).all())
            wrong += not (rows[i + 1] == rows[i]).all()
        else:
            right += bool((got == want).all())
            wrong += not (got == want).all()
    assert (right, hidden, wrong) == (55_070, 2_444, 0)
