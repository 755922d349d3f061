"""The matching engine against its plain twin: event by event, however it is cut, saved, grown and told."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from qflib.kernels.engine_codes import (
    ACCEPTED,
    AUCTION,
    CANCELLED,
    DARK,
    EXPIRED,
    FILLED,
    FOR_CLOSE,
    HIDDEN,
    LOST_PRIORITY,
    PARKED,
    REJECTED,
    REPLACED,
    RESTING,
    SHOWN,
    STOP_WAITS,
    STOPS,
    TRADED,
    TRIGGERED,
)  # fmt: skip
from qflib.orderbook.engine_running import Running
from tests.property.engine_orders import RULES, as_rows, random_commands
from tests.reference.plain_engine import PlainEngine

#: In CI a tenth of a million; the million by ENGINE_COMMANDS=1000000. A fifth is lived here, many short lives; the rest
#: in `test_matching_engine_at_length.py`, few long ones.
COMMANDS = int(os.environ.get("ENGINE_COMMANDS", "100000"))
EACH = 2_000
_COLUMNS = (
    "kind", "side", "reason", "marks", "instrument", "order_id", "contra_id", "price_ticks", "qty", "leaves",
    "contra_leaves",
)  # fmt: skip


def engine(orders: int = 4) -> Running:
    """An engine with little room, so that it grows."""
    made = Running(len(RULES), orders)
    for k, rules in enumerate(RULES):
        for name, value in rules.items():
            made.state.rules[name][k] = value
    return made


def twin() -> PlainEngine:
    names = {n for r in RULES for n in r}
    return PlainEngine(len(RULES), **{n: [r.get(n, 0) for r in RULES] for n in names})


def tuples(events: Any) -> list[tuple[int, ...]]:
    return list(zip(*(events[n].tolist() for n in _COLUMNS), strict=True))


def in_pieces(made: Running, rows: Any, rng: np.random.Generator) -> Any:
    """The events of commands that come in batches of any size."""
    parts, at = [], 0
    while at < len(rows):
        n = int(rng.integers(1, 60))
        parts.append(made.run(rows[at : at + n]))
        at += n
    return np.concatenate(parts)


@pytest.mark.parametrize("seed", range(max(1, COMMANDS // 5 // EACH)))
def test_it_does_what_its_plain_twin_does(seed: int) -> None:
    commands = random_commands(np.random.default_rng(seed), EACH)
    plain, upto = twin(), []
    for c in commands:
        plain.do(c)
        upto.append(len(plain.events))
    got = tuples(in_pieces(engine(), as_rows(commands), np.random.default_rng(seed)))
    want = [tuple(int(v) for v in e) for e in plain.events]
    at = next((i for i, (a, b) in enumerate(zip(got, want, strict=False)) if a != b), min(len(got), len(want)))
    row = next((i for i, n in enumerate(upto) if n > at), -1)
    assert got[at : at + 3] == want[at : at + 3], f"seed {seed}, command {row} {commands[row]}, event {at}"
    assert len(got) == len(want)


@pytest.mark.parametrize("seed", range(5))
def test_everything_happens(seed: int) -> None:
    """The commands of the test above reach every kind of event and reason but few."""
    events = engine().run(as_rows(random_commands(np.random.default_rng(seed), 20_000)))
    assert set(np.unique(events["kind"])) == set(range(1, 11))
    assert set(range(1, 28)) - set(np.unique(events["reason"]).tolist()) <= {6, 10, 15, 16, 20, 21}  # not its own
    assert (events["marks"] & AUCTION).any()


@pytest.mark.parametrize("seed", range(5))
def test_cuts_saves_and_replays_change_nothing(seed: int) -> None:
    rows = as_rows(random_commands(np.random.default_rng(seed), 5_000))
    whole = engine(1_000)
    events = whole.run(rows)
    rng = np.random.default_rng(seed)
    cut = engine()
    assert (in_pieces(cut, rows, rng) == events).all()
    half = int(rng.integers(1, len(rows)))
    first = engine()
    before = first.run(rows[:half])
    second = Running.of(first.save())
    assert (np.concatenate([before, second.run(rows[half:])]) == events).all()
    for other in (cut, second):
        assert all(np.array_equal(a, other.save()[n]) for n, a in whole.save().items())


_PLACES = {int(STOP_WAITS): STOPS, int(FOR_CLOSE): PARKED, int(HIDDEN): DARK}


class Rebuilt:
    """All that stands in the engine, from its events alone: {(instrument, place, side, price): [[id, shown, open]]}."""

    def __init__(self) -> None:
        self.orders: dict[tuple[int, int], dict[str, Any]] = {}
        self.queues: dict[tuple[int, int, int, int], list[int]] = {}

    def take(self, e: Any) -> None:
        kind, key = e["kind"], (int(e["instrument"]), int(e["order_id"]))
        if kind == RESTING:
            self.leave(key)
            marks = int(e["marks"])
            place = next((p for mark, p in _PLACES.items() if marks & mark), SHOWN)
            where = (key[0], int(place), int(e["side"]), int(e["price_ticks"]))
            self.orders[key] = {"where": where, "shown": int(e["qty"]), "open": int(e["leaves"])}
            self.queues.setdefault(where, []).append(key[1])
        elif kind == TRADED:
            self.shrink(key, int(e["qty"]), int(e["leaves"]))
            if e["marks"] & AUCTION:
                self.shrink((key[0], int(e["contra_id"])), int(e["qty"]), int(e["contra_leaves"]))
        elif kind == REPLACED and key in self.orders:
            if e["marks"] & LOST_PRIORITY:
                self.leave(key)
            else:
                self.orders[key] |= {"shown": int(e["qty"]), "open": int(e["leaves"])}
        elif kind in (FILLED, CANCELLED, EXPIRED, TRIGGERED):
            self.leave(key)

    def shrink(self, key: tuple[int, int], qty: int, leaves: int) -> None:
        self.orders[key]["shown"] -= qty
        self.orders[key]["open"] = leaves

    def leave(self, key: tuple[int, int]) -> None:
        if order := self.orders.pop(key, None):
            self.queues[order["where"]].remove(key[1])


@pytest.mark.parametrize("seed", range(5))
def test_events_rebuild_all_that_stands(seed: int) -> None:
    rows = as_rows(random_commands(np.random.default_rng(100 + seed), 3_000))
    made, rebuilt = engine(), Rebuilt()
    for e in made.run(rows):
        rebuilt.take(e)
    want: dict[tuple[int, ...], list[tuple[int, int, int]]] = {}
    for o in made.save()["orders"]:
        where = (int(o["instrument"]), int(o["place"]), int(o["side"]), int(o["at"]))
        want.setdefault(where, []).append((int(o["order_id"]), int(o["qty"]), int(o["leaves"])))
    got = {
        where: [(i, rebuilt.orders[where[0], i]["shown"], rebuilt.orders[where[0], i]["open"]) for i in ids]
        for where, ids in rebuilt.queues.items()
        if ids
    }
    assert got == want


@pytest.mark.parametrize("seed", range(5))
def test_an_accepted_order_ends_once_and_lots_are_conserved(seed: int) -> None:
    """Open lots = asked + replaced − traded − taken out, and no order ends twice."""
    rows = as_rows(random_commands(np.random.default_rng(200 + seed), 3_000))
    events = engine().run(rows)
    alive: dict[tuple[int, int], int] = {}
    for e in events:
        key, kind = (int(e["instrument"]), int(e["order_id"])), e["kind"]
        if kind == ACCEPTED:
            assert key not in alive
            alive[key] = int(e["qty"])
        elif kind == TRADED:
            other = (key[0], int(e["contra_id"]))
            for one, left in ((key, e["leaves"]), (other, e["contra_leaves"])):
                alive[one] -= int(e["qty"])
                assert alive[one] == left
        elif kind == REPLACED:
            alive[key] = int(e["leaves"])
        elif kind in (FILLED, CANCELLED, EXPIRED):
            left = alive.pop(key)
            assert left == (0 if kind == FILLED else e["qty"])
        else:
            assert kind in (REJECTED, RESTING, TRIGGERED, 10)
