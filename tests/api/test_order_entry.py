"""Order entry: an id is used once, and the first reply is told again; what the exchange would refuse is refused."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import httpx
import msgspec
import pytest

from qflib.api import entry as entry_module
from qflib.api.entry import OrderEntry
from qflib.api.problems import ProblemError, away
from qflib.api.requests import NewOrder
from qflib.api.state import Ack
from qflib.broker.seen import Seen
from qflib.records import CONTROLS, EXECUTIONS, Batch, ControlKind, ExecType, Header, OrderStatus, Reason
from qflib.records.codec import encode
from qflib.views import Views
from tests.api.served import ORDER, SENT_MS, Memory, served
from tests.views.recorded import recorded


def controls(views: Views, kind: ControlKind, name: str, value: float, offset: int = 900) -> None:
    row = CONTROLS.make(
        control_id=[f"{name}-{value}"], kind=[int(kind)], instrument=[0xFFFF_FFFF], name=[name], value=[value]
    )
    batch = Batch.of("control", Header("test"), controls=row)
    views.take(Seen("orders.incoming", 0, offset, b"every", encode(batch), (), 1_767_600_005_000))


def test_an_order_is_sent_as_the_exchange_reads_it(tmp_path: Path) -> None:
    api = served(tmp_path)
    with api.client("trade") as client:
        answer = client.post("/v1/orders", json=ORDER)
        market = client.post("/v1/orders", json={**ORDER, "client_order_id": "m", "ord_type": "market", "price": None,
                                                 "time_in_force": "ioc"})  # fmt: skip
    assert (answer.status_code, market.status_code) == (202, 202)
    told = answer.json()
    assert (told["ord_status"], told["leaves_qty"], told["cum_qty"], told["seq"]) == ("pending_new", "3", "0", 10_000)
    (underlying, row), _ = api.sender.orders
    assert underlying == "ACME"
    batch = api.sender.order_batch(0)
    assert (row[5], row[6], batch.orders.price_ticks[0]) == (10_000, 3, 10_000)
    assert batch.orders.sent_ns[0] == api.state.views.books.market_time_ns()


def test_the_same_request_gets_the_first_reply_after_a_restart_too(tmp_path: Path) -> None:
    views = recorded().views()
    api = served(tmp_path, views)
    with api.client("trade") as client:
        first = client.post("/v1/orders", json=ORDER)
        spelled = client.post("/v1/orders", json=ORDER | {"time_in_force": "gtc", "ord_type": "limit"})
        assert (spelled.status_code, spelled.content) == (first.status_code, first.content)
        # Kafka has it and the views read it; the exchange fills it; the server is started anew
        batch = api.sender.order_batch(0)
        views.take(Seen("orders.incoming", 0, 10_000, b"ACME", encode(batch), (), SENT_MS))
        fill = EXECUTIONS.make(
            exec_type=[int(ExecType.FILL)], ord_status=[int(OrderStatus.FILLED)], instrument=batch.orders.instrument,
            account=["ALICE"], client_order_id=["o-1"], qty=[3], cum_qty=[3], price=[100.0], price_ticks=[10_000],
            request_hash=batch.orders.request_hash,
        )  # fmt: skip
        executed = Batch.of("execution", Header("exchange"), executions=fill)
        views.take(Seen("orders.executed", 0, 10_000, b"ACME", encode(executed), (), SENT_MS + 5))
    restarted = served(tmp_path, views)
    with restarted.client("trade") as client:
        again = client.post("/v1/orders", json=ORDER)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert client.get("/v1/orders/o-1", params={"account": "ALICE"}).json()["ord_status"] == "filled"
        other = client.post("/v1/orders", json=ORDER | {"qty": "4"})
        assert (other.status_code, other.json()["code"]) == (409, "duplicate_client_order_id")
        assert client.post("/v1/orders", json=ORDER | {"account": "BOB"}).status_code == 202  # unique an account
    assert len(restarted.sender.orders) == 1


@pytest.mark.parametrize("fails", [False, True])
def test_the_same_request_waits_for_the_one_in_flight(tmp_path: Path, fails: bool) -> None:
    async def run() -> None:
        memory = Memory()
        memory.held = []
        api = served(tmp_path, sender=memory)
        headers = api.headers("trade")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://api") as client:  # type: ignore[arg-type]
            posts = [asyncio.create_task(client.post("/v1/orders", json=ORDER, headers=headers)) for _ in range(3)]
            while not memory.held:
                await asyncio.sleep(0.01)
            other = await client.post("/v1/orders", json=ORDER | {"qty": "9"}, headers=headers)
            assert other.status_code == 409
            posts[0].cancel()  # its caller goes away; the order does not
            await asyncio.sleep(0.01)
            [future] = memory.held
            if fails:
                future.set_exception(away("not known", "unknown_outcome"))
            else:
                future.set_result(Ack(SENT_MS, 0, 7, 0))
            answers = await asyncio.gather(*posts[1:])
            assert {a.status_code for a in answers} == {503 if fails else 202}
            told = [{k: v for k, v in a.json().items() if k != "instance"} for a in answers]  # the request's own id
            assert told[0] == told[1]
            assert len(memory.orders) == 1
            memory.held = None
            again = await client.post("/v1/orders", json=ORDER, headers=headers)
            assert again.status_code == 202
            assert len(memory.orders) == (2 if fails else 1)  # unknown: it is sent again under the same id

    asyncio.run(run())


@pytest.mark.parametrize("fails", [False, True])
def test_an_order_that_nobody_waits_for_any_more_keeps_its_id(tmp_path: Path, fails: bool) -> None:
    async def run() -> None:
        memory = Memory()
        memory.held = []
        entry = OrderEntry(served(tmp_path, sender=memory).state)
        body = NewOrder(**ORDER)  # type: ignore[arg-type]
        strays: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: strays.append(context))
        callers = [asyncio.create_task(entry.enter(body)) for _ in range(2)]
        while not memory.held:
            await asyncio.sleep(0)
        [future], memory.held = memory.held, None
        for caller in callers:
            caller.cancel()
        assert all(
            isinstance(e, asyncio.CancelledError) for e in await asyncio.gather(*callers, return_exceptions=True)
        )
        if fails:
            future.set_exception(away("not known", "unknown_outcome"))
        else:
            future.set_result(Ack(SENT_MS, 0, 7, 0))
        await asyncio.sleep(0)
        with pytest.raises(ProblemError, match="for another request"):
            await entry.enter(msgspec.structs.replace(body, qty="9"))
        assert (await entry.enter(body)).seq == (10_001 if fails else 7)
        assert len(memory.orders) == 1 + fails
        del future, callers, caller
        gc.collect()
        assert strays == []

    asyncio.run(run())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"instrument": "NOPE"}, "unknown_instrument"),
        ({"price": "100.005"}, "off_tick"),
        ({"qty": "0.5"}, "bad_quantity"),
        ({"qty": "0"}, "bad_quantity"),
        ({"qty": "9" * 18}, "bad_quantity"),
        ({"price": "0"}, "bad_price"),
        ({"price": "9" * 18}, "bad_price"),
        ({"price": None}, "bad_price"),
        ({"ord_type": "market"}, "bad_price"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_sent(tmp_path: Path, change: dict[str, str | None], code: str) -> None:
    api = served(tmp_path)
    with api.client("trade") as client:
        answer = client.post("/v1/orders", json=ORDER | change)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert not api.sender.orders
    assert code.upper() in Reason.__members__


def test_known_limits_are_held(tmp_path: Path) -> None:
    views = recorded().views()
    api = served(tmp_path, views)
    with api.client("trade") as client:

        def post(k: str, **change: str) -> str:
            answer = client.post("/v1/orders", json=ORDER | {"client_order_id": k} | change)
            return str(answer.json().get("code", answer.status_code))

        assert post("a", price="500.00") == "202"  # no band is known
        controls(views, ControlKind.LIMIT, "price_band", 0.1, 901)
        assert post("b", price="500.00") == "price_band"
        assert post("c", price="105.00") == "202"
        controls(views, ControlKind.LIMIT, "max_order_qty", 10.0, 902)
        assert post("d", qty="11") == "order_size_limit"
        assert post("e", qty="10") == "202"
        controls(views, ControlKind.KILL_SWITCH, "", 1.0, 903)
        assert post("f") == "kill_switch"
        controls(views, ControlKind.KILL_SWITCH, "", 0.0, 904)
        assert post("g") == "202"
    stale = served(tmp_path, views, stale_s=1.0)
    with stale.client("trade") as client:
        assert client.post("/v1/orders", json=ORDER | {"client_order_id": "h"}).json()["code"] == "stale_market"


def test_cancels(tmp_path: Path) -> None:
    api = served(tmp_path)
    with api.client("trade") as client:
        client.post("/v1/orders", json=ORDER)
        told = client.delete("/v1/orders/o-1", params={"account": "ALICE"})
        assert told.status_code == 202
        request = told.json()
        assert (request["action"], request["orig_client_order_id"], request["ord_status"]) == (
            "cancel",
            "o-1",
            "pending_new",
        )
        once = client.delete("/v1/orders/o-1", params={"account": "ALICE", "cancel_id": "c-1"})
        twice = client.delete("/v1/orders/o-1", params={"account": "ALICE", "cancel_id": "c-1"})
        assert once.content == twice.content
        assert client.delete("/v1/orders/o-2", params={"account": "ALICE"}).json()["code"] == "unknown_order"
        taken = client.delete("/v1/orders/o-1", params={"account": "ALICE", "cancel_id": "o-1"})
        assert taken.json()["code"] == "duplicate_client_order_id"
        done = client.delete("/v1/orders/DESK1/GAMA.F/2", params={"account": "HEDGER"})
        assert (done.status_code, done.json()["code"]) == (409, "order_ended")
    assert len(api.sender.orders) == 3
    assert api.sender.orders[1][1][11] == b"o-1"


def test_an_id_of_unknown_outcome_stays_its_orders(tmp_path: Path) -> None:
    """The exchange sees two orders of one id in one partition only: elsewhere both would be taken."""
    api = served(tmp_path)
    with api.client("trade") as client:
        api.sender.fails = away("not known", "unknown_outcome")
        assert client.post("/v1/orders", json=ORDER).json()["code"] == "unknown_outcome"
        api.sender.fails = None
        for change in ({"qty": "4"}, {"instrument": "GAMA.F"}):
            other = client.post("/v1/orders", json=ORDER | change)
            assert (other.status_code, other.json()["code"]) == (409, "duplicate_client_order_id")
        assert client.post("/v1/orders", json=ORDER).status_code == 202  # the same one is sent again
        assert client.post("/v1/orders", json=ORDER | {"qty": "4"}).status_code == 409
        api.sender.fails = away("nothing was sent")
        told = ORDER | {"client_order_id": "o-2"}
        assert client.post("/v1/orders", json=told).json()["code"] == "broker_unavailable"
        api.sender.fails = None
        assert client.post("/v1/orders", json=told | {"qty": "4"}).status_code == 202  # it was never sent
    assert [row[10] for _, row in api.sender.orders] == [b"o-1", b"o-1", b"o-2", b"o-2"]


def test_doubtful_ids_are_bounded_in_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_module, "_DOUBTFUL", 2)
    api = served(tmp_path)
    entry = OrderEntry(api.state)
    for k in range(5):
        entry._doubt(("A", str(k)), k)
    assert dict(entry._doubtful) == {("A", "3"): 3, ("A", "4"): 4}


def test_cancels_under_way(tmp_path: Path) -> None:
    async def run() -> None:
        memory = Memory()
        api = served(tmp_path, sender=memory)
        headers = api.headers("trade")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://api") as client:  # type: ignore[arg-type]

            def delete(name: str, cancel_id: str) -> asyncio.Task[httpx.Response]:
                told = {"account": "ALICE", "cancel_id": cancel_id}
                return asyncio.create_task(client.delete(f"/v1/orders/{name}", params=told, headers=headers))

            for name in ("o-1", "o-2"):
                told = ORDER | {"client_order_id": name}
                assert (await client.post("/v1/orders", json=told, headers=headers)).status_code == 202
            memory.held = []
            twice = [delete("o-1", "c-1") for _ in range(2)]
            told = ORDER | {"client_order_id": "o-3"}
            posted = asyncio.create_task(client.post("/v1/orders", json=told, headers=headers))
            while len(memory.held) < 2:
                await asyncio.sleep(0)
            others = [
                await delete("o-2", "c-1"),  # of another order
                await delete("o-1", "o-3"),  # an order's id
                await client.post("/v1/orders", json=ORDER | {"client_order_id": "c-1"}, headers=headers),
            ]
            assert [a.status_code for a in others] == [409] * 3
            held, memory.held = memory.held, None
            held[0].set_exception(away("not known", "unknown_outcome"))
            held[1].set_result(Ack(SENT_MS, 0, 7, 0))
            answers = await asyncio.gather(*twice, posted)
            assert [a.status_code for a in answers] == [503, 503, 202]
            assert len(memory.orders) == 4
            assert (await delete("o-2", "c-1")).status_code == 409  # it may be o-1's
            assert (await delete("o-1", "c-1")).status_code == 202

    asyncio.run(run())


def test_without_a_broker_reads_go_on_and_orders_are_refused(tmp_path: Path) -> None:
    up = [False]
    api = served(tmp_path, up=up)
    with api.client() as client:
        assert client.get("/v1/books/ACME.F").status_code == 200
        for method, path, body in (
            ("POST", "/v1/orders", ORDER),
            ("POST", "/v1/signals", {"instrument": "ACME.F", "direction": "buy"}),
            ("PUT", "/v1/kill-switch", {"on": True}),
            ("PUT", "/v1/limits", {"name": "max_es", "value": 1}),
            ("POST", "/v1/portfolios/DESK1/positions",
             {"bookings": [{"booking_id": "b", "instrument": "ACME.F", "qty": "1", "price": "1"}]}),
        ):  # fmt: skip
            answer = client.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (503, "broker_unavailable"), path
            assert answer.headers["retry-after"] == "1"
        assert not api.sender.orders
        assert not api.sender.batches
        up[0] = True
        assert client.post("/v1/orders", json=ORDER).status_code == 202
