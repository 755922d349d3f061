"""Promoted steps as one step of the stream: figures, orders, refusals, state."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from qflib.errors import InputError, StateError
from qflib.records import EXECUTIONS, TOPS, Batch, Header, Instrument, Instruments, Side
from qflib.records.codec import decode, encode
from qflib.records.topics import ANALYTICS_RESULTS, EXCHANGE_MARKS, ORDERS_EXECUTED, ORDERS_INCOMING, dead_letters
from qflib.steps.promoted.definition import Definition
from qflib.steps.promoted.running import Working
from qflib.steps.promoted.step import Placed, Promoted
from qflib.steps.state import pack, unpack

TABLE = Instruments((Instrument("ACME", kind="spot"), Instrument("BETA", kind="spot")))
START = 1_700_000_000_000_000_000
State = np.dtype([("mids", "f8"), ("n", "i8"), ("held", "i8")])
Out = np.dtype([("instrument", "u4"), ("time_ns", "i8"), ("mean", "f8"), ("n", "i8")])
Traded = np.dtype([*Out.descr, ("side", "i8"), ("qty", "i8"), ("price_ticks", "i8")])


@njit
def mean_mid(tops, state, out, params):
    for i in range(tops.instrument.size):
        k = tops.instrument[i]
        if tops.bid_ticks[i] == 13:
            raise ValueError("thirteen")
        s = state[k]
        s.mids += 0.5 * (tops.bid_ticks[i] + tops.ask_ticks[i])
        s.n += 1
        out[i].instrument, out[i].time_ns, out[i].mean, out[i].n = k, tops.time_ns[i], s.mids / s.n, s.n
    return tops.instrument.size


@njit
def buys_thirds(tops, state, out, params):
    n = 0
    for i in range(tops.instrument.size):
        k = tops.instrument[i]
        state[k].n += 1
        if state[k].n % 3 == 0:
            row = out[n]
            row.instrument, row.time_ns, row.n = k, tops.time_ns[i], state[k].held
            row.side, row.qty, row.price_ticks = 1, 2, tops.ask_ticks[i]
            n += 1
    return n


@njit
def own(executions, state, out, params):
    for i in range(executions.instrument.size):
        state[executions.instrument[i]].held += executions.qty[i]
    return 0


MEAN = Definition.of({"State": State, "Out": Out, "mean_mid": mean_mid})
BUYER = Definition.of({"State": State, "Out": Traded, "buys": buys_thirds, "own": own}, name="buyer")


def marks(ticks: Any, instrument: Any = 0, at: int = 0) -> Batch:
    ticks = np.asarray(ticks, np.int64)
    n = len(ticks)
    tops = TOPS.make(
        instrument=np.full(n, 0, np.uint32) + np.asarray(instrument, np.uint32), bid_ticks=ticks, bid_qty=np.full(n, 5),
        ask_ticks=ticks + 2, ask_qty=np.full(n, 5), time_ns=START + at + np.arange(n),
    )  # fmt: skip
    return Batch.of("marks", Header("exchange/0", 0, at), EXCHANGE_MARKS, "ACME", tops=tops)


def figures(batches: list[Batch]) -> bytes:
    told = [b.values for b in batches]
    return b"".join(v.value.tobytes() for v in told) + b"".join(v.time_ns.tobytes() for v in told)


def test_every_output_row_is_told_a_field_a_row() -> None:
    [out] = Promoted([Placed(MEAN)], TABLE).feed(marks([100, 102]))
    assert (out.topic, out.key) == (ANALYTICS_RESULTS, "ACME")
    v = out.values
    assert v.step.tolist() == [b"mean_mid"] * 4
    assert v.field.tolist() == [b"mean", b"n"] * 2
    assert v.value.tolist() == [101.0, 1.0, 102.0, 2.0]
    assert decode(encode(out)).values.value.tobytes() == v.value.tobytes()


@given(st.lists(st.integers(1, 59), max_size=8), st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_neither_cuts_nor_a_restore_change_a_bit(cuts: list[int], stop: int) -> None:
    rng = np.random.default_rng(1)
    ticks, who = rng.integers(90, 110, 60), rng.integers(0, 2, 60)
    whole = Promoted([Placed(MEAN), Placed(BUYER, orders=True, live=True)], TABLE)
    expected = whole.feed(marks(ticks, who))
    other = Promoted([Placed(MEAN), Placed(BUYER, orders=True, live=True)], TABLE)
    edges = [0, *sorted({*cuts, stop} - {0, 60}), 60]
    got: list[Batch] = []
    for a, b in itertools.pairwise(edges):
        if a == stop:
            kept = unpack(pack(other.state()))
            other = Promoted([Placed(MEAN), Placed(BUYER, orders=True, live=True)], TABLE)
            other.load(kept)
        got += other.feed(marks(ticks[a:b], who[a:b], a))
    for label in ("mean_mid", "buyer"):
        assert other.state()[f"promoted.{label}"].tobytes() == whole.state()[f"promoted.{label}"].tobytes()
    mine = [b for b in got if b.kind == "analytics" and b.values.step[0] == b"mean_mid"]
    theirs = [b for b in expected if b.kind == "analytics" and b.values.step[0] == b"mean_mid"]
    assert figures(mine) == figures(theirs)
    orders = [[bytes(i) for b in x if b.kind == "order" for i in b.orders.client_order_id] for x in (got, expected)]
    assert orders[0] == orders[1]
    assert len(set(orders[0])) == len(orders[0])


def test_a_refused_row_is_a_dead_letter_and_the_others_count() -> None:
    step = Promoted([Placed(MEAN), Placed(BUYER)], TABLE)
    out = step.feed(marks([100, 13, 104]))
    [letter] = [b for b in out if b.kind == "dead"]
    assert letter.topic == dead_letters(EXCHANGE_MARKS)
    assert b"mean_mid" in letter.dead.detail[0]
    assert letter.dead.position.tolist() == [1]
    told = next(b for b in out if b.kind == "analytics" and b.values.step[0] == b"mean_mid")
    assert told.values.value[told.values.field == b"mean"].tolist() == [101.0, 103.0]
    assert any(b.kind == "analytics" and b.values.step[0] == b"buyer" for b in out)  # a step's fault is its own


def test_a_strategy_is_in_shadow_until_it_is_let_live() -> None:
    [shadow] = Promoted([Placed(BUYER, orders=True)], TABLE).feed(marks([100, 100, 100]))
    assert shadow.topic == ANALYTICS_RESULTS
    assert shadow.orders.qty.tolist() == [2]
    told, live = Promoted([Placed(BUYER, orders=True, live=True)], TABLE).feed(marks([100, 100, 100]))
    assert (told.topic, live.topic) == (ANALYTICS_RESULTS, ORDERS_INCOMING)
    assert not len(told.orders.qty)
    o = live.orders
    assert (o.account[0], o.portfolio[0], o.client_order_id[0]) == (b"BUYER", b"BUYER", b"BUYER/ACME/1")
    assert (o.side[0], o.price_ticks[0]) == (Side.BID, 102)


def test_a_strategy_hears_of_its_own_executions_alone() -> None:
    step = Promoted([Placed(BUYER, orders=True, live=True)], TABLE)
    rows = EXECUTIONS.make(instrument=[0, 0], qty=[7, 9], account=["BUYER", "OTHER"])
    assert step.feed(Batch.of("execution", Header("exchange/0"), ORDERS_EXECUTED, "ACME", executions=rows)) == []
    assert step.state()["promoted.buyer"]["held"].tolist() == [7, 0]


def test_steps_come_and_go_and_versions_stand_beside_each_other() -> None:
    first = Promoted([Placed(MEAN)], TABLE)
    first.feed(marks([100]))
    kept = first.state()
    newer = Definition.of({"State": State, "Out": Out, "mean_mid": mean_mid, "VERSION": 2})
    both = Promoted([Placed(MEAN), Placed(newer, beside=True), Placed(BUYER)], TABLE)
    both.load(kept)
    assert both.state()["promoted.mean_mid"]["n"].tolist() == [1, 0]
    assert both.state()["promoted.mean_mid@2"]["n"].tolist() == [1, 0]  # begins where the one in force stands
    [same, other] = [b.values for b in both.feed(marks([104], at=1)) if b.topic == ANALYTICS_RESULTS]
    assert same.value.tobytes() == other.value.tobytes()
    assert set(same.step) | set(other.step) == {b"mean_mid", b"mean_mid@2"}
    taken_over = Promoted([Placed(newer)], TABLE)
    taken_over.load(kept)
    assert taken_over.state()["promoted.mean_mid"]["n"].tolist() == [1, 0]
    with pytest.raises(StateError, match="of version 2, and the step of 1; promote the later one"):
        Promoted([Placed(MEAN)], TABLE).load(taken_over.state())
    with pytest.raises(InputError, match="bear a name twice"):
        Promoted([Placed(MEAN), Placed(newer)], TABLE)


def test_another_layout_goes_through_migrate() -> None:
    first = Promoted([Placed(MEAN)], TABLE)
    first.feed(marks([100]))
    wider = np.dtype([*State.descr, ("more", "f8")])
    cell = {"State": wider, "Out": Out, "mean_mid": mean_mid, "VERSION": 2}
    with pytest.raises(StateError, match=r"a changed State asks for a new VERSION and migrate\(old\)"):
        Promoted([Placed(Definition.of(cell))], TABLE).load(first.state())

    def migrate(old):
        new = np.zeros(len(old), wider)
        for name in old.dtype.names:
            new[name] = old[name]
        new["more"] = 7.0
        return new

    made = Promoted([Placed(Definition.of(cell | {"migrate": migrate}))], TABLE)
    made.load(first.state())
    assert made.state()["promoted.mean_mid"]["more"].tolist() == [7.0, 7.0]
    assert made.state()["promoted.mean_mid"]["n"].tolist() == [1, 0]


def test_a_strategy_tells_what_an_order_needs() -> None:
    with pytest.raises(InputError, match="its Out has no 'side'"):
        Placed(MEAN, orders=True)


@njit
def sells_wrongly(tops, state, out, params):
    for i in range(tops.instrument.size):
        row = out[i]
        row.instrument, row.time_ns = tops.instrument[i], tops.time_ns[i]
        row.side, row.qty, row.price_ticks = tops.bid_ticks[i], 1, tops.ask_ticks[i]
    return tops.instrument.size


def test_an_order_that_is_none_is_a_dead_letter_and_the_others_are_sent() -> None:
    wrong = Definition.of({"State": State, "Out": Traded, "sells_wrongly": sells_wrongly})
    out = Promoted([Placed(wrong, orders=True, live=True)], TABLE).feed(marks([1, 77, 2]))
    [letter] = [b for b in out if b.kind == "dead"]
    assert letter.topic == dead_letters(EXCHANGE_MARKS)
    assert letter.dead.position.tolist() == [1]
    assert b"told an order of {'side': 77" in letter.dead.detail[0]
    [sent] = [b for b in out if b.topic == ORDERS_INCOMING]
    assert sent.orders.client_order_id.tolist() == [b"SELLS_WRONGLY/ACME/1", b"SELLS_WRONGLY/ACME/2"]


def test_a_strategy_that_was_away_numbers_its_orders_on() -> None:
    """The exchange takes an id once: orders numbered anew would be refused as those sent before."""
    first = Promoted([Placed(BUYER, orders=True, live=True), Placed(MEAN)], TABLE)
    first.feed(marks([100, 100, 100]))
    without = Promoted([Placed(MEAN)], TABLE)
    without.load(first.state())
    back = Promoted([Placed(MEAN), Placed(BUYER, orders=True, live=True)], TABLE)
    back.load(unpack(pack(without.state())))
    assert back.state()["promoted.buyer"]["n"].tolist() == [0, 0]
    [sent] = [b for b in back.feed(marks([100, 100, 100])) if b.topic == ORDERS_INCOMING]
    assert sent.orders.client_order_id.tolist() == [b"BUYER/ACME/2"]


def test_a_long_name_does_not_cut_the_number_off() -> None:
    long = Definition.of({"State": State, "Out": Traded, "buys": buys_thirds}, name="b" * 48)
    table = Instruments((Instrument("A" * 40, underlying="ACME"), TABLE.rows[1]))
    out = Promoted([Placed(long, orders=True, live=True)], table).feed(marks([100] * 6))
    [sent] = [b for b in out if b.topic == ORDERS_INCOMING]
    assert [i[-2:] for i in sent.orders.client_order_id.tolist()] == [b"/1", b"/2"]


def test_what_a_refused_row_did_to_another_instrument_is_undone() -> None:
    @njit
    def counts_elsewhere(tops, state, out, params):
        for i in range(tops.instrument.size):
            state[1].n += 1
            if tops.bid_ticks[i] == 13:
                raise ValueError("thirteen")
        return 0

    step = Promoted([Placed(Definition.of({"State": State, "Out": Out, "f": counts_elsewhere}))], TABLE)
    step.feed(marks([100, 13, 104]))
    assert step.state()["promoted.f"]["n"].tolist() == [0, 2]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([("instrument", "f8"), ("time_ns", "i8")], "Out.instrument is float64"),
        ([("instrument", "u4"), ("time_ns", "f8")], "Out.time_ns is float64"),
        ([("instrument", "u4"), ("time_ns", "i8"), ("größe", "f8")], "Out has 'größe'"),
        ([("instrument", "u4"), ("time_ns", "i8"), ("x" * 65, "f8")], "plain letters, 64 at most"),
    ],
)
def test_an_out_that_no_record_can_tell_is_refused(fields: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Definition.of({"State": State, "Out": np.dtype(fields), "mean_mid": mean_mid})


@njit
def two_for_one(tops, state, out, params):
    n = 0
    for i in range(tops.instrument.size):
        for _ in range(2):
            out[n].instrument, out[n].time_ns = tops.instrument[i], tops.time_ns[i]
            n += 1
    return n


@njit
def misspelt(tops, state, out, params):
    for i in range(tops.instrument.size):
        out[i].mean = tops.bid_tick[i]
    return 0


def test_what_would_write_past_its_room_is_refused_and_says_why() -> None:
    """Unchecked, it writes into others' memory, and the process dies of it."""
    cell = {"State": State, "Out": Out, "two_for_one": two_for_one}
    letters = Promoted([Placed(Definition.of(cell))], TABLE).feed(marks([100, 101]))
    assert [b.dead.detail[0].decode() for b in letters] == [
        "step 'two_for_one' failed on 1 rows of tops: IndexError: index i"  # of 64 bytes
    ] * 2
    [told] = Promoted([Placed(Definition.of(cell | {"ROWS": 2}))], TABLE).feed(marks([100, 101]))
    assert len(told.values.value) == 2 * 2 * 2
    with pytest.raises(InputError, match=r"IndexError: .*; an input row has room for ROWS rows of out"):
        Working(Definition.of(cell), TABLE).take("tops", marks([100, 101]).tops)
    with pytest.raises(InputError, match=r"rows of tops: Unknown attribute 'bid_tick' \(line \d+\)$"):
        Working(Definition.of({"State": State, "Out": Out, "f": misspelt}), TABLE).take("tops", marks([100]).tops)
