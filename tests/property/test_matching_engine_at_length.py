"""A few long-lived engines against their plain twins: ten instruments, deep books, auctions asked about at any time.

Each thousand commands all that stands is compared: the engine's, the twin's, and what the events alone rebuild.

Many short lives are in `test_matching_engine.py`. Counts are printed (`pytest -s`).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from qflib.kernels.book_state import NO_PRICE
from qflib.kernels.engine_auction import auction_price
from qflib.kernels.engine_codes import HIDDEN, POST_ONLY, SLIDE, TRADED
from qflib.orderbook.engine_codes import Action, OrderType, TimeInForce
from qflib.orderbook.engine_running import Running
from tests.property.engine_orders import RULES, Flow, as_rows
from tests.property.test_matching_engine import COMMANDS, Rebuilt, tuples
from tests.reference.plain_engine import PlainEngine

ENGINES = 4
EACH = COMMANDS * 4 // 5 // ENGINES
CHUNK = 1_000
MANY_RULES = (
    *RULES,
    {"algorithm": 1, "lowest": 80, "highest": 118, "top_order": 9},
    {"max_qty": 25},
    {"collar": 1},
    {"algorithm": 1, "least_share": 4, "collar": 6},
    {},
    {"algorithm": 1, "top_order": 1000},
)


def pair() -> tuple[Running, PlainEngine]:
    """An engine that begins small, and its twin."""
    made = Running(len(MANY_RULES), 4)
    names = {n for r in MANY_RULES for n in r}
    for k, rules in enumerate(MANY_RULES):
        for name, value in rules.items():
            made.state.rules[name][k] = value
    return made, PlainEngine(len(MANY_RULES), **{n: [r.get(n, 0) for r in MANY_RULES] for n in names})


def stands_in(plain: PlainEngine) -> list[tuple[int, ...]]:
    """All the twin's orders as (instrument, place, side, price, id, shown, open), each queue in its order."""
    return sorted(
        (k, int(place), side, price, i, o.id, o.shown, o.leaves)
        for k, queues in enumerate(plain.queues)
        for (place, side), prices in queues.items()
        for price, queue in prices.items()
        for i, o in enumerate(queue)
    )


def standing_in(made: Running) -> list[tuple[int, ...]]:
    """The same of the engine."""
    at: Counter[tuple[int, ...]] = Counter()
    out = []
    for o in made.save()["orders"]:
        where = tuple(int(o[n]) for n in ("instrument", "place", "side", "at"))
        out.append((*where, at[where], int(o["order_id"]), int(o["qty"]), int(o["leaves"])))
        at[where] += 1
    return sorted(out)


def rebuilt_of(told: Rebuilt) -> list[tuple[int, ...]]:
    """The same as the events alone tell it."""
    return sorted(
        (*where, i, oid, told.orders[where[0], oid]["shown"], told.orders[where[0], oid]["open"])
        for where, ids in told.queues.items()
        for i, oid in enumerate(ids)
    )


def indicative(made: Running, k: int) -> tuple[int, ...] | None:
    made.room_for_auction(k)
    price, lots, over = (int(v) for v in auction_price(made.state, np.int64(k)))
    return None if price == NO_PRICE else (price, lots, over)


def count(counts: Counter[str], commands: list[dict[str, int]], events: Any) -> None:
    for c in commands:
        action = Action(c["action"]).name if c["action"] < 8 else "unknown"
        counts[action] += 1
        if action == "NEW" and 1 <= c["ord_type"] <= 4 and c["time_in_force"] in list(TimeInForce):
            counts[f"{OrderType(c['ord_type']).name}/{TimeInForce(c['time_in_force']).name}"] += 1
            for name, is_so in (
                ("post-only", c["options"] & POST_ONLY), ("slide", c["options"] & SLIDE),
                ("hidden", c["options"] & HIDDEN), ("iceberg", c["display_qty"]), ("self-trade rule", c["self_trade"]),
            ):  # fmt: skip
                counts[name] += bool(is_so)
    counts["events"] += len(events)
    counts["fills"] += int((events["kind"] == TRADED).sum())


@pytest.mark.parametrize("seed", range(ENGINES))
def test_a_long_life_is_its_twins(seed: int) -> None:
    rng = np.random.default_rng(1_000 + seed)
    flow = Flow(len(MANY_RULES), ids=(60, 150, 400, 1_000)[seed % 4], span=(8, 15, 30, 60)[seed % 4], calm=0.8)
    made, plain = pair()
    told = Rebuilt()
    counts: Counter[str] = Counter()
    for chunk in range(max(1, EACH // CHUNK)):
        commands = flow.commands(rng, CHUNK)
        rows, at = as_rows(commands), 0
        while at < CHUNK:
            stop = min(CHUNK, at + int(rng.integers(1, 60)))
            events = made.run(rows[at:stop])
            for c in commands[at:stop]:
                plain.do(c)
            got, want = tuples(events), [tuple(int(v) for v in e) for e in plain.events]
            assert got == want, f"seed {seed}, chunk {chunk}, commands {at} to {stop}: {first_difference(got, want)}"
            plain.events.clear()
            k = int(rng.integers(len(MANY_RULES)))
            expected = plain.auction(k)
            assert indicative(made, k) == (expected and tuple(int(v) for v in expected)), (seed, chunk, stop, k)
            counts["indicative"] += 1
            counts["indicative that trade"] += expected is not None
            count(counts, commands[at:stop], events)
            for e in events:
                told.take(e)
            at = stop
        stood = standing_in(made)
        assert stood == stands_in(plain), (seed, chunk)
        assert stood == rebuilt_of(told), (seed, chunk)
        counts["most orders"] = max(counts["most orders"], len(stood))
        if rng.random() < 0.1:
            made = Running.of(made.save())
            counts["saved and loaded"] += 1
    print(f"\nlong life {seed}: {dict(sorted(counts.items()))}")
    assert counts["indicative that trade"] > 0
    assert counts["fills"] > counts["NEW"] // 10


def first_difference(got: list[tuple[int, ...]], want: list[tuple[int, ...]]) -> str:
    """The first event that is another."""
    at = next((i for i, (a, b) in enumerate(zip(got, want, strict=False)) if a != b), min(len(got), len(want)))
    return f"event {at}: {got[at : at + 2]} where its twin has {want[at : at + 2]}"
