"""The parity ladder: green for steps that are right, red and naming the first event for planted faults."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from qflib.errors import InputError, StateError
from qflib.promote.ladder import climb, compute, cut, difference, inputs_sha256, tried, whole
from qflib.records import MARKET_EVENTS, Instrument, Instruments
from qflib.records.schema import frozen
from qflib.steps.promoted.definition import Definition
from qflib.steps.promoted.running import Working
from qflib.steps.state import pack, unpack

TABLE = Instruments((Instrument("ACME", kind="spot"), Instrument("BETA", kind="spot")))
State = np.dtype([("sum", "f8"), ("n", "i8")])
Out = np.dtype([("instrument", "u4"), ("time_ns", "i8"), ("sum", "f8")])


@njit
def running_sum(events, state, out, params):
    for i in range(events.instrument.size):
        k = events.instrument[i]
        s = state[k]
        s.sum += 0.1 * events.qty[i]
        s.n += 1
        out[i].instrument, out[i].time_ns, out[i].sum = k, events.receipt_ns[i], s.sum
    return events.instrument.size


@njit
def batch_sum(events, state, out, params):
    """The planted fault: a reduction over the batch."""
    total = np.sum(0.1 * events.qty)
    for i in range(events.instrument.size):
        k = events.instrument[i]
        state[k].sum += total
        out[i].instrument, out[i].time_ns, out[i].sum = k, events.receipt_ns[i], state[k].sum
    return events.instrument.size


@njit(fastmath=True)
def reordered_sum(events, state, out, params):
    """The planted fault: a sum that may be taken in any order, told at each batch's end."""
    total = 0.0
    for i in range(events.instrument.size):
        total += 0.1 * events.qty[i]
    state[0].sum += total
    n = events.instrument.size
    out[0].instrument, out[0].time_ns, out[0].sum = 0, events.receipt_ns[n - 1], state[0].sum
    return 1


@njit
def past_the_end(events, state, out, params):
    """The planted fault: the row after the last."""
    for i in range(events.instrument.size):
        out[i].sum = events.qty[i + 1]
    return events.instrument.size


def defined(f: Any, **more: Any) -> Definition:
    return Definition.of({"State": State, "Out": Out, "f": f, **more}, name="tried")


def events(n: int, seed: int = 1) -> list[tuple[str, Any]]:
    rng = np.random.default_rng(seed)
    rows = MARKET_EVENTS.make(
        kind=np.ones(n, np.uint32), instrument=rng.integers(0, 2, n).astype(np.uint32),
        qty=rng.integers(1, 1_000, n), receipt_ns=1_700_000_000_000_000_000 + np.arange(n) * 1_000_000,
    )  # fmt: skip
    return [("events", rows)]


def test_a_step_that_is_right_is_green_on_every_rung() -> None:
    reference, rungs = climb(defined(running_sum), TABLE, events(3_000))
    assert [(r.name, r.ok) for r in rungs] == [
        (n, True) for n in ("whole", "random_cuts", "one_by_one", "restore", "apart", "bounds")
    ]
    assert len(reference.out) == 3_000


def test_a_batch_wide_reduction_is_red_at_the_first_event() -> None:
    _, rungs = climb(defined(batch_sum), TABLE, events(3_000))
    found = {r.name: r.first for r in rungs if not r.ok}
    assert set(found) == {"random_cuts", "one_by_one", "restore", "apart"}
    assert all(f.startswith("event 0 (events of ") for f in found.values())
    assert "2023-11-14 22:13:20+00:00" in found["one_by_one"]
    assert "sum is" in found["one_by_one"]


def test_fastmath_is_red() -> None:
    _, rungs = climb(defined(reordered_sum), TABLE, events(3_000))
    found = {r.name: r for r in rungs}
    assert not found["random_cuts"].ok
    assert "event" in found["random_cuts"].first


def test_a_state_that_is_not_restored_is_red() -> None:
    """The planted fault: what the next worker begins with is not what the one before it kept."""
    definition, inputs = defined(running_sum), events(3_000)
    reference = compute(definition, TABLE, whole(inputs))

    def forgetful() -> Any:
        first, second = cut(inputs, np.array([1_500]))
        before = compute(definition, TABLE, [first])
        working = Working(definition, TABLE)  # and nothing loaded
        out = working.take(*second)
        return replace(before, out=np.concatenate([before.out, out]), state=working.state())

    rung = tried("restore", definition, TABLE, inputs, reference, forgetful)
    assert not rung.ok
    assert rung.first.startswith("event 1,500 (events of ")


def test_a_read_past_the_end_is_refused_on_the_first_rung() -> None:
    with pytest.raises(InputError, match="IndexError: index is out of bounds"):
        climb(defined(past_the_end), TABLE, events(500))


def test_a_step_that_mixes_underlyings_is_red() -> None:
    """The planted fault: all bytes are the same in one partition, however it is cut, and others in two."""

    @njit
    def mixed(events, state, out, params):
        for i in range(events.instrument.size):
            state[0].sum += 0.1 * events.qty[i]
            out[i].instrument, out[i].time_ns, out[i].sum = events.instrument[i], events.receipt_ns[i], state[0].sum
        return events.instrument.size

    inputs = events(300)
    _, rungs = climb(defined(mixed), TABLE, inputs)
    assert [r.name for r in rungs if not r.ok] == ["apart"]
    first_of_beta = int(np.flatnonzero(inputs[0][1].instrument == inputs[0][1].instrument[0] ^ 1)[0])
    [red] = [r for r in rungs if not r.ok]
    assert red.first.startswith(f"event {first_of_beta:,} (events of ")


def test_a_row_for_another_partitions_instrument_is_red() -> None:
    @njit
    def on_others(events, state, out, params):
        for i in range(events.instrument.size):
            out[i].instrument, out[i].time_ns = 1, events.receipt_ns[i]
        return events.instrument.size

    _, rungs = climb(defined(on_others), TABLE, events(300))
    assert [r.name for r in rungs if not r.ok] == ["apart"]


def test_a_state_alone_that_differs_is_named() -> None:
    definition, inputs = defined(running_sum), events(10)
    made = compute(definition, TABLE, whole(inputs))
    other = made.state.copy()
    other["n"][1] += 1
    told = difference(definition, TABLE, inputs, made, replace(made, state=other))
    assert "State.n of BETA" in told
    assert difference(definition, TABLE, inputs, made, made) == ""


@given(st.lists(st.integers(1, 199), max_size=30))
@settings(max_examples=30)
def test_the_stream_is_the_same_wherever_it_is_cut(at: list[int]) -> None:
    inputs = events(200)
    pieces = list(cut(inputs, np.unique(np.array(at, np.int64))))
    assert sum(len(c[0]) for _, c in pieces) == 200
    assert inputs_sha256(pieces) == inputs_sha256(inputs)


def test_a_stream_without_rows_is_refused() -> None:
    with pytest.raises(InputError, match="has no rows of events"):
        climb(defined(running_sum), TABLE, [])


def test_a_failing_row_leaves_the_state_as_it_was() -> None:
    @njit
    def picky(events, state, out, params):
        for i in range(events.instrument.size):
            state[events.instrument[i]].n += 1
            if events.qty[i] == 13:
                raise ValueError("thirteen")
        return 0

    working = Working(defined(picky), TABLE)
    rows = MARKET_EVENTS.make(kind=[1, 1], instrument=[0, 0], qty=[5, 13], receipt_ns=[1, 2])
    with pytest.raises(InputError, match=r"step 'tried' failed on 2 rows of events: ValueError: thirteen"):
        working.take("events", rows)
    assert working.state()["n"].tolist() == [0, 0]


def test_a_changed_state_asks_for_a_migration() -> None:
    old = defined(running_sum)
    kept = unpack(pack({"s": compute(old, TABLE, events(10)).state}))["s"]
    wider = np.dtype([*State.descr, ("last", "f8")])

    @njit
    def newer(events, state, out, params):
        return 0

    def migrate(former: Any) -> Any:
        made = np.zeros(len(former), wider)
        for name in former.dtype.names:
            made[name] = former[name]
        return made

    cell = {"State": wider, "Out": Out, "f": newer}
    with pytest.raises(StateError, match="asks for a new VERSION"):
        Working(Definition.of(cell, name="tried"), TABLE).load(kept, 1)
    with pytest.raises(StateError, match=r"a changed State asks for a new VERSION and migrate\(old\)"):
        Working(Definition.of(cell | {"VERSION": 2}, name="tried"), TABLE).load(kept, 1)
    working = Working(Definition.of(cell | {"VERSION": 2, "migrate": migrate}, name="tried"), TABLE)
    working.load(kept, 1)
    assert working.state()["sum"].tobytes() == kept["sum"].tobytes()


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ({}, "no function of the cell is a step"),
        ({"f": running_sum}, "State is None"),
        ({"f": running_sum, "State": State}, "Out is None"),
        ({"f": running_sum, "State": State, "Out": np.dtype([("time_ns", "i8")])}, "Out has no field 'instrument'"),
        ({"f": running_sum, "g": batch_sum, "State": State, "Out": Out}, "another function of the cell takes, too"),
        ({"f": running_sum, "State": State, "Out": Out, "INITIAL": {"summ": 1.0}}, "which State has not"),
        ({"f": running_sum, "State": State, "Out": Out, "PARAMS": {"a": "b"}}, "expected names and numbers"),
        ({"f": running_sum, "State": State, "Out": Out, "VERSION": 0}, "VERSION is 0"),
        ({"f": running_sum, "State": State, "Out": Out, "ROWS": 10**9}, "ROWS is 1000000000; expected"),
        ({"f": running_sum, "State": State, "Out": Out, "PARAMS": 3}, "PARAMS is 3; expected names"),
        ({"f": running_sum, "State": State, "Out": Out, "PARAMS": {"_a": 1}}, r"PARAMS\['_a'\]"),
        ({"f": running_sum, "State": State, "Out": Out, "PARAMS": {"class": 1}}, r"PARAMS\['class'\]"),
        ({"f": running_sum, "State": State, "Out": Out, "INITIAL": {"sum": "x"}}, "which State cannot hold"),
        ({"f": running_sum, "State": State, "Out": Out, "INITIAL": {"n": 2**70}}, "which State cannot hold"),
    ],
)
def test_a_cell_that_defines_no_step_says_what_is_missing(cell: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Definition.of(cell, name="tried")


def test_params_hold_what_the_table_tells() -> None:
    @njit
    def priced(events, state, out, params):
        out[0].sum = params.tick[1] * 100.0 + params.own
        return 1

    table = Instruments((TABLE.rows[0], replace(TABLE.rows[1], tick_schedule=(("0", "0.25"),))))
    definition = defined(priced, PARAMS={"own": 7.0})
    rows = MARKET_EVENTS.make(kind=[1], instrument=[1], qty=[1], receipt_ns=[1])
    assert Working(definition, table).take("events", rows)["sum"].tolist() == [32.0]
    with pytest.raises(InputError, match="PARAMS has 'tick'"):
        Working(defined(priced, PARAMS={"tick": 7.0}), table)
    assert not frozen(np.zeros(1)).flags.writeable
