"""Orders that may only rest or that end at a time, and where they stand in the queue, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from qflib.records import ExecType, OrderOption, Reason
from qflib.steps.exchange.terms import Terms
from tests.unit.steps.exchange.conftest import SECOND, Scene

POST, TELL = int(OrderOption.POST_ONLY), int(OrderOption.TELL_QUEUE)
GTD = 6


def kinds(rows):
    return [(r.exec_type, r.reason) for r in rows]


def test_an_order_that_may_only_rest_never_takes(scene):
    scene.market((1, 0, 2, 1, 10010, 5))
    rows, batches = scene.order(price=10010, options=POST)
    assert kinds(rows) == [(ExecType.REJECTED, Reason.WOULD_TAKE)]
    assert [b.kind for b in batches] == ["execution"]
    assert kinds(scene.order(price=10009, options=POST)[0]) == [(ExecType.NEW, 0)]
    scene.order(side=2, price=10005, account="B")  # trades with ours that rests at 10009
    assert scene.position(0) == 0  # bought by A, sold by B, one portfolio
    scene.order(side=2, price=10007, account="B")
    assert kinds(scene.order(price=10008, options=POST)[0]) == [(ExecType.REJECTED, Reason.WOULD_TAKE)]  # B's is there


def test_a_replacement_that_may_only_rest(scene):
    scene.market((1, 0, 2, 1, 10010, 5), (1, 0, 1, 2, 9990, 5))
    scene.order(price=9990, client_order_id="a", options=POST)
    to = {"action": 3, "options": POST, "orig_client_order_id": "a"}
    assert kinds(scene.order(price=10010, client_order_id="b", **to)[0]) == [(ExecType.REJECTED, Reason.WOULD_TAKE)]
    assert kinds(scene.order(price=10000, client_order_id="c", **to)[0]) == [(ExecType.REPLACED, 0)]
    plain = {"action": 3, "orig_client_order_id": "c"}
    rows, _ = scene.order(price=10010, client_order_id="d", **plain)  # it may take now
    assert [r.exec_type for r in rows] == [ExecType.REPLACED, ExecType.FILL]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"options": 2}, Reason.UNSUPPORTED_TYPE),  # slide
        ({"options": 4}, Reason.UNSUPPORTED_TYPE),  # hidden
        ({"options": POST, "tif": 3}, Reason.UNSUPPORTED_TYPE),
        ({"options": POST, "ord_type": 1, "price": 0}, Reason.UNSUPPORTED_TYPE),
        ({"ord_type": 3}, Reason.UNSUPPORTED_TYPE),  # a stop
        ({"tif": 2}, Reason.UNSUPPORTED_TYPE),  # at the open
        ({"tif": GTD}, Reason.BAD_EXPIRY),
        ({"tif": GTD, "expire_ns": -5}, Reason.BAD_EXPIRY),
        ({"tif": GTD, "expire_ns": 1}, Reason.BAD_EXPIRY),
        ({"tif": 1, "expire_ns": 2**62}, Reason.BAD_EXPIRY),
        ({"tif": 1, "expire_ns": -5}, Reason.BAD_EXPIRY),
    ],
)
def test_what_is_not_taken_has_its_reason(scene, told, reason):
    scene.market((1, 0, 1, 1, 9990, 5))
    assert kinds(scene.order(**({"price": 9990} | told))[0]) == [(ExecType.REJECTED, reason)]


def test_orders_end_when_market_time_reaches_their_date(scene):
    scene.market((1, 0, 1, 1, 9990, 5))
    end = scene.now + SECOND
    scene.order(price=9990, tif=GTD, expire_ns=end + 5, client_order_id="a")
    scene.order(price=9990, tif=GTD, expire_ns=end, client_order_id="b")
    scene.order(price=9990, tif=1)
    assert scene.clock(end - 1)[0] == []
    rows, batches = scene.clock(end)
    assert [(r.exec_type, r.order_id, r.qty, r.leaves_qty, r.time_ns) for r in rows] == [
        (ExecType.EXPIRED, 2, 5, 0, end)
    ]
    assert batches[-1].kind == "marks"
    rows, _ = scene.clock(end + SECOND)
    assert [(r.exec_type, r.order_id) for r in rows] == [(ExecType.EXPIRED, 1)]
    assert scene.step._core.engine.resting() == [2]


def test_a_row_at_the_end_comes_after_it(scene):
    """The execution behind us that would fill us is received at the very time at which our order ends."""
    scene.market((1, 0, 1, 1, 9990, 5), (1, 0, 2, 2, 10010, 5))
    scene.order(side=1, price=9995, tif=GTD, expire_ns=scene.now + 1000)
    rows, _ = scene.market((1, 0, 2, 3, 9995, 5))
    assert [r.exec_type for r in rows] == [ExecType.EXPIRED]


def test_a_replaced_date_is_the_one_that_counts(scene):
    scene.market((1, 0, 1, 1, 9990, 5))
    end = scene.now + SECOND
    to = {"action": 3, "price": 9990}
    scene.order(price=9990, tif=GTD, expire_ns=end, client_order_id="a")
    scene.order(**to, tif=GTD, expire_ns=end + SECOND, client_order_id="b", orig_client_order_id="a")
    assert scene.clock(end)[0] == []
    scene.order(**to, tif=1, client_order_id="c", orig_client_order_id="b")
    assert scene.clock(end + 10 * SECOND)[0] == []
    assert scene.step._core.engine.resting() == [0]


def test_places_are_told_to_orders_that_ask(scene):
    scene.market((1, 0, 1, 1, 9990, 5), (1, 0, 1, 2, 9990, 3))
    rows, _ = scene.order(price=9990, options=TELL, client_order_id="a")
    assert [(r.exec_type, r.queue_ahead) for r in rows] == [(ExecType.NEW, 8)]
    assert [r.queue_ahead for r in scene.order(price=9990)[0]] == [0]  # it does not ask
    scene.market((3, 0, 1, 1, 9990, 2))
    to = {"action": 3, "options": TELL, "price": 9990}
    rows, _ = scene.order(**to, qty=4, client_order_id="b", orig_client_order_id="a")  # keeps its place
    assert [(r.exec_type, r.queue_ahead) for r in rows] == [(ExecType.REPLACED, 6)]
    rows, _ = scene.order(**to, qty=9, client_order_id="c", orig_client_order_id="b")  # behind all that is there
    assert [r.queue_ahead for r in rows] == [6]
    rows, _ = scene.market((3, 0, 1, 2, 9990, 3), (4, 0, 1, 1, 9990, 3), (1, 0, 1, 9, 9990, 50), (4, 0, 1, 9, 9990, 7))
    told = [(r.exec_type, r.order_id, r.leaves_qty, r.queue_ahead) for r in rows]
    assert told == [(ExecType.FILL, 2, 0, 0), (ExecType.FILL, 1, 7, 0)]


def told_places(batches):
    return [
        (int(o), int(a), int(t), c.decode())
        for b in batches
        if "places" in b.tables
        for o, a, t, c in zip(b.places.order_id, b.places.queue_ahead, b.places.time_ns, b.places.client_order_id,
                              strict=True)
    ]  # fmt: skip


def test_places_that_change_are_published_with_analytics():
    scene = Scene()
    scene.market((1, 0, 1, 1, 9990, 5))
    start = scene.now - scene.now % 100_000_000
    scene.order(price=9990, options=TELL, client_order_id="a")
    scene.order(price=9990)
    assert told_places(scene.clock(start + 100_000_000)[1]) == []  # as it was acknowledged
    scene.market((3, 0, 1, 1, 9990, 2))
    assert told_places(scene.clock(start + 200_000_000)[1]) == [(1, 3, start + 200_000_000, "a")]
    assert told_places(scene.clock(start + 300_000_000)[1]) == []
    scene.market((3, 0, 1, 1, 9990, 3))
    assert told_places(scene.clock(start + 400_000_000)[1]) == [(1, 0, start + 400_000_000, "a")]


def test_the_step_tells_where_all_orders_stand(scene):
    assert len(scene.step.resting) == 0
    scene.market((1, 0, 1, 1, 9990, 5), (1, 3, 2, 2, 400, 7))
    scene.order(3, side=2, price=400, qty=4)
    scene.order(price=9990, qty=3)
    scene.order(price=9980, qty=2)
    scene.market((3, 0, 1, 1, 9990, 2))
    told = [(1, 3, 2, 400, 4, 7), (2, 0, 1, 9990, 3, 3), (3, 0, 1, 9980, 2, 0)]
    assert scene.step.resting.tolist() == told


def test_ends_set_and_forgotten_take_no_room():
    terms = Terms()
    terms.set(0, 0, 5)
    for slot in range(1, 20_000):
        terms.set(slot, 0, 10 + slot)
        terms.set(slot, 0, 11 + slot)  # replaced
        terms.forget(slot)
        terms.set(0, POST, 5)
    assert len(terms._ends) <= 64 + 2
    assert terms.due_ns() == 5
    terms.forget(0)
    assert terms.due_ns() == 2**63 - 1


@pytest.mark.parametrize("seed", range(3))
def test_ends_come_in_order_whatever_was_dropped(seed):
    """Beside a table without a heap, through a state now and then."""
    rng, terms, plain = np.random.default_rng(seed), Terms(), {}
    for _ in range(3000):
        slot, end, act = int(rng.integers(300)), int(rng.integers(1, 500)), rng.random()
        if act < 0.5:
            terms.set(slot, 0, end)
            plain[slot] = end
        elif act < 0.9:
            terms.forget(slot)
            plain.pop(slot, None)
        elif act < 0.91:
            saved, terms = terms.state(), Terms()
            terms.load(saved)
        assert terms.due_ns() == min(plain.values(), default=2**63 - 1)
    while (slot := terms.due(500)) >= 0:
        assert (plain.pop(slot), slot) <= min(((e, s) for s, e in plain.items()), default=(500, 0))
        terms.forget(slot)
    assert not plain
