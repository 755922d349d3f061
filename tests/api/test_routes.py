"""The routes say what the views and the library say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args, get_type_hints
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib.api.requests import ShortfallBody
from qflib.api.shapes import book_form, encode
from qflib.broker.seen import Seen
from qflib.desk.deployment import Deployment
from qflib.records import BookingAction, ControlKind, Header, Instrument, Instruments, codec
from qflib.shortfall.conventions import DEFAULT, PEERS, RULES
from qflib.shortfall.methods import METHODS
from qflib.steps.normalize import Normalize
from qflib.venues.venue import frames_of
from qflib.views import Views
from qflib.views.valuation import closing_of
from tests.api.served import NOW_NS, ORDER, Served, served
from tests.views.recorded import recorded


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return served(tmp_path_factory.mktemp("api"))


def test_books_are_the_views_with_an_etag(api: Served) -> None:
    book = api.state.views.books.latest("ACME.F")
    assert book is not None
    with api.client("read") as client:
        answer = client.get("/v1/books/ACME.F", params={"levels": 3})
        told = answer.json()
        assert (told["seq"], told["prev_seq"], len(told["bids"])) == (book.stamp.seq, book.stamp.prev_seq, 3)
        assert told["age_ms"] == (NOW_NS - book.stamp.append_ns) // 1_000_000
        tag = answer.headers["etag"]
        again = client.get("/v1/books/ACME.F", params={"levels": 3}, headers={"if-none-match": f'"x", W/{tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert client.get("/v1/books/ACME.F", headers={"if-none-match": tag}).status_code == 200  # other levels


def test_a_books_bytes_are_its_form_whatever_its_age(api: Served) -> None:
    views = api.state.views
    for book in views.books.every()[:20]:
        for levels, age in ((20, 0), (3, 17), (3, 12_345), (20, 1)):
            now = book.stamp.append_ns + age * 1_000_000
            assert api.state.books.of(book, levels, now) == encode(book_form(book, views.instruments, levels, now))


def test_an_instrument_may_have_a_slash(tmp_path: Path) -> None:
    table = Instruments((Instrument("XBT/USD", kind="spot", underlying="XBT", source="kraken:0"),))
    api = served(tmp_path, Views(Deployment(table)))
    with api.client("read") as client:
        for path in ("/v1/books/XBT/USD", "/v1/books/XBT%2FUSD"):
            assert client.get(path).json()["code"] == "no_book_yet"
        assert client.get("/v1/instruments").json()["items"][0]["symbol"] == "XBT/USD"


def test_instruments_are_paged(api: Served) -> None:
    table, seen, cursor = api.state.views.instruments, [], None
    with api.client("read") as client:
        while True:
            page = client.get("/v1/instruments", params={"limit": 50} | ({"cursor": cursor} if cursor else {})).json()
            seen += [r["symbol"] for r in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        options = client.get("/v1/instruments", params={"kind": "option", "underlying": "ACME", "limit": 1_000}).json()
    assert seen == [r.symbol for r in table]
    assert {(r["kind"], r["underlying"]) for r in options["items"]} == {("option", "ACME")}


def test_orders_and_executions_are_paged_and_filtered(api: Served) -> None:
    views = api.state.views
    with api.client("read") as client:
        for path, every in (
            ("/v1/orders", [o.cursor for o in views.orders.orders(limit=10_000)]),
            ("/v1/executions", [x.cursor for x in views.orders.executions(limit=10_000)]),
        ):
            cursors, cursor = [], None
            while True:
                params = {"limit": 7} | ({"cursor": cursor} if cursor else {})
                page = client.get(path, params=params).json()
                cursors += [i["cursor"] for i in page["items"]]
                cursor = page["next"]
                if cursor is None:
                    break
            assert len(cursors) == len(set(cursors)) == len(every)
        fills = client.get("/v1/executions", params={"exec_type": "fill", "account": "HEDGER", "limit": 1_000}).json()
        assert {x["exec_type"] for x in fills["items"]} == {"fill"}
        filled = client.get("/v1/orders", params={"ord_status": "filled", "live": "false", "limit": 1_000}).json()
        assert {o["ord_status"] for o in filled["items"]} == {"filled"}
        one = filled["items"][0]
        told = client.get(f"/v1/orders/{one['client_order_id']}", params={"account": one["account"]}).json()
        assert told == one


def test_risk_and_positions_are_the_reports(api: Served) -> None:
    report = api.state.views.risk.latest("DESK1")
    assert report is not None
    with api.client("read") as client:
        risk = client.get("/v1/portfolios/DESK1/risk").json()
        positions = client.get("/v1/portfolios/DESK1/positions").json()["items"]
        [row] = client.get("/v1/portfolios").json()["items"]
    assert [x["es_current"] for x in risk["levels"]] == report.risk["es_current"].tolist()
    assert (row["portfolio"], row["pnl"]) == ("DESK1", report.pnl)
    frame = report.positions
    assert [p["instrument"] for p in positions] == frame["instrument"].tolist()
    assert [float(p["qty"]) for p in positions] == frame["qty"].tolist()
    assert [p["delta"] for p in positions] == frame["delta"].tolist()
    for name in ("avg_price", "mark"):  # prices: exact, and null where there is none
        told = [p[name] for p in positions]
        assert {type(x) for x in told} <= {str, type(None)}
        assert any(told)
        figures = [float("nan") if x is None else float(x) for x in told]
        assert figures == pytest.approx(frame[name].tolist(), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("by", ["underlying", "greek"])
def test_what_if_is_the_librarys_own(api: Served, by: str) -> None:
    views = api.state.views
    report, scen = views.risk.latest("DESK1"), views.shortfall.scenarios
    assert report is not None
    assert scen is not None
    trades = pd.DataFrame({"instrument": ["ACME.F", "BETA.F"], "qty": [50.0, -20.0], "cost": [100.0, 0.0]})
    body = {"trades": [{"instrument": "ACME.F", "qty": "50", "cost": 100.0}, {"instrument": "BETA.F", "qty": "-20"}],
            "level": 0.99, "by": by}  # fmt: skip
    with api.client("read") as client:
        told = client.post("/v1/portfolios/DESK1/what-if", json=body).json()
    closing = closing_of(report, views.deployment.config.currency, views.books)
    portfolio, market = closing.portfolio, closing.market
    assert portfolio is not None
    own = portfolio.what_if(trades, market, scen, 0.99)
    after = portfolio.traded(trades).component_es(market, scen, 0.99, by)
    assert (told["before"]["es"], told["after"]["es"]) == (own.es_before, own.es_after)
    assert told["before"]["es"] == pytest.approx(report.figure("es_current", 0.99), rel=1e-9)
    assert (told["time_ns"], told["left_out"]) == (report.stamp.time_ns, [])
    assert (told["before"]["var"], told["after"]["var"]) == (own.var_before, own.var_after)
    assert [g["delta"] for g in told["after"]["greeks"]] == own.greeks_after["delta"].tolist()
    assert [c["component_es"] for c in told["after"]["components"]] == after.contribution.tolist()
    assert sum(c["component_es"] for c in told["before"]["components"]) == pytest.approx(own.es_before)


def test_prices_greeks_and_vols_are_the_librarys_own(api: Served) -> None:
    k = [90.0, 100.0, 110.0]
    with api.client("read") as client:

        def ask(**body: object) -> dict[str, list[float]]:
            answer = client.post("/v1/pricing", json=body)
            assert answer.status_code == 200, answer.text
            made: dict[str, list[float]] = answer.json()
            return made

        bs = ask(model="black_scholes", right="call", strike=k, years=0.5, spot=100, vol=0.2, rate=0.01)
        b76 = ask(model="black76", right=["call", "put", "put"], strike=k, years=0.5, forward=100, vol=0.2)
        normal = ask(model="bachelier", right="put", strike=k, years=0.5, forward=100, vol=9.0)
        iv = ask(model="black76", right=["call", "put", "put"], strike=k, years=0.5, forward=100, price=b76["price"])
        wrong = client.post("/v1/pricing", json={"model": "black76", "right": "call", "strike": k, "years": [1, 2],
                                                 "forward": 100, "vol": 0.2})  # fmt: skip
    assert bs["price"] == qf.pricing.black_scholes(["call"] * 3, 100, k, 0.5, 0.01, 0.0, 0.2).tolist()
    greeks = qf.pricing.greeks(["call"] * 3, k, 0.5, 0.2, spot=100, rate=0.01)
    assert bs["greeks"] == {c: greeks[c].tolist() for c in greeks.columns if c != "price"}  # type: ignore[comparison-overlap]
    assert normal["price"] == qf.pricing.bachelier(["put"] * 3, 100, k, 0.5, 9.0).tolist()
    assert iv["iv"] == pytest.approx([0.2] * 3)
    assert iv["iv_status"] == ["ok"] * 3
    assert wrong.json()["code"] == "bad_input"


def test_shortfall_is_the_librarys_own(api: Served) -> None:
    values = [float(v) for v in range(-50, 150)]
    with api.client("read") as client:
        told = client.post("/v1/shortfall", json={"values": values, "kind": "pnl", "level": [0.9, 0.975]}).json()
        hull = client.post("/v1/shortfall", json={"values": values, "kind": "loss", "level": 0.9, "convention": "hull"})
        one = client.post("/v1/shortfall", json={"values": [1.0], "kind": "pnl", "convention": "hull"})
    own = qf.expected_shortfall(values, [0.9, 0.975], kind="pnl")
    assert [x["es"] for x in told["levels"]] == own.es.tolist()
    assert hull.json()["levels"][0]["es"] == qf.expected_shortfall(values, 0.9, kind="loss", convention="hull").es
    assert (one.status_code, one.json()["code"]) == (422, "bad_input")


def test_every_estimator_and_convention_has_its_name_here(api: Served) -> None:
    hints = get_type_hints(ShortfallBody)
    assert set(get_args(hints["method"])) == set(METHODS)
    assert set(get_args(hints["convention"])) == {DEFAULT, *RULES, *PEERS}
    values = (np.random.default_rng(3).standard_t(5, 400) * 0.01).tolist()
    asked: list[dict[str, Any]] = [
        {"method": "student_t"}, {"method": "evt", "threshold": 0.85}, {"convention": "performance_analytics"},
        {"method": "filtered", "model": "ewma", "decay": 0.97},
    ]  # fmt: skip
    with api.client("read") as client:
        for more in asked:
            told = client.post("/v1/shortfall", json={"values": values, "kind": "return", **more}).json()
            own = qf.expected_shortfall(values, kind="return", **more)
            one = told["levels"][0]
            assert (one["es"], one["var"], told["method"]) == (own.es, own.var, own.method)
            assert told["parameters"] == own.parameters
            assert one["var_low"] == (own.var_low if np.isfinite(own.var_low) else None)
        wrong = client.post("/v1/shortfall", json={"values": values, "kind": "pnl", "threshold": 0.9})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_input")
    assert "takes no threshold" in wrong.json()["detail"]


def test_arrays_are_bounded(tmp_path: Path) -> None:
    api = served(tmp_path, array=10)
    with api.client("read") as client:
        body = {"model": "black76", "right": "call", "strike": [1.0] * 11, "years": 1, "forward": 1, "vol": 1}
        assert client.post("/v1/pricing", json=body).json()["code"] == "bad_input"
        assert client.post("/v1/shortfall", json={"values": [1.0] * 11, "kind": "pnl"}).status_code == 422


def test_controls_go_to_every_partition_and_are_seen(tmp_path: Path) -> None:
    views = recorded().views()
    api = served(tmp_path, views)
    with api.client() as client:
        limit = client.put("/v1/limits", json={"name": "max_order_qty", "value": 5, "instrument": "ACME.F"})
        switch = client.put("/v1/kill-switch", json={"on": True, "portfolio": "DESK9", "control_id": "k-1"})
        assert (limit.status_code, switch.json()) == (202, {"control_id": "k-1"})
        for k, batch in enumerate(api.sender.batches):
            assert batch.key == ""  # to every partition
            value = codec.encode(batch)
            for copy in range(2):
                views.take(Seen("orders.incoming", copy, 500 + k, b"every", value, (), 1_767_600_020_000))
        assert client.get("/v1/limits").json()["items"] == [
            {"name": "max_order_qty", "portfolio": None, "instrument": "ACME.F", "value": 5.0}
        ]
        told = client.get("/v1/kill-switch").json()
        assert told == {"on": True, "items": [{"portfolio": "DESK9", "instrument": None, "on": True}]}
    assert [int(b.controls.kind[0]) for b in api.sender.batches] == [ControlKind.LIMIT, ControlKind.KILL_SWITCH]
    assert len({b.header.source for b in api.sender.batches}) == 2


def test_bookings_are_one_transaction_an_underlying_each(tmp_path: Path) -> None:
    api = served(tmp_path)
    body = {"bookings": [
        {"booking_id": "b-1", "instrument": "ACME.F", "qty": "-5", "price": "100.003"},
        {"booking_id": "b-2", "instrument": "BETA.F", "qty": "7", "action": "transfer", "to_portfolio": "DESK2"},
    ]}  # fmt: skip
    with api.client() as client:
        assert client.post("/v1/portfolios/DESK1/positions", json=body).json()["booking_ids"] == ["b-1", "b-2"]
        for wrong, code in (
            ({"qty": "0"}, "bad_quantity"), ({"qty": "0.5"}, "bad_quantity"), ({"price": None}, "bad_price"),
            ({"instrument": "NOPE"}, "unknown_instrument"), ({"action": "transfer"}, "bad_text"),
        ):  # fmt: skip
            answer = client.post("/v1/portfolios/DESK1/positions", json={"bookings": [body["bookings"][0] | wrong]})
            assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert [b.key for b in api.sender.batches] == ["ACME", "BETA"]
    rows = [b.bookings for b in api.sender.batches]
    assert [int(r.qty[0]) for r in rows] == [-5, 7]
    assert [int(r.action[0]) for r in rows] == [BookingAction.BOOK, BookingAction.TRANSFER]
    assert rows[1].to_portfolio[0] == b"DESK2"


@pytest.mark.parametrize("name", ["a\x00", "DESK1\n", " DESK1", "DESK1 ", "\xe9", "x" * 65])
def test_a_portfolio_that_cannot_be_is_not_booked(tmp_path: Path, name: str) -> None:
    api = served(tmp_path)
    body = {"bookings": [{"booking_id": "b", "instrument": "ACME.F", "qty": "1", "price": "1"}]}
    with api.client() as client:
        answer = client.post(f"/v1/portfolios/{quote(name)}/positions", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_parameter")
        client.post("/v1/orders", json=ORDER)
        for wrong in ({"account": "ALICE\n"}, {"account": "ALICE", "cancel_id": "c\n"}):
            assert client.delete("/v1/orders/o-1", params=wrong).json()["code"] == "bad_parameter"
    assert not api.sender.batches
    assert len(api.sender.orders) == 1


def test_a_signal_goes_through_normalize(tmp_path: Path) -> None:
    from qflib.api.sender import _frames

    api = served(tmp_path)
    with api.client("trade") as client:
        sent = {"instrument": "ACME.F", "direction": "sell", "strength": 0.5, "horizon": "5min", "signal_id": "s-1"}
        told = client.post("/v1/signals", json=sent)
        assert told.status_code == 202
        until = client.post("/v1/signals", json=sent | {"valid_until": "2026-01-05T15:00:00Z", "strategy": "mean"})
        assert until.status_code == 202
        assert client.post("/v1/signals", json=sent | {"valid_until": "2026-13-05T15:00:00Z"}).status_code == 422
        assert client.post("/v1/signals", json=sent | {"instrument": "NOPE"}).json()["code"] == "unknown_instrument"
    now = api.state.views.books.market_time_ns()
    assert told.json() == {"signal_id": "s-1", "instrument": "ACME.F", "time_ns": now}
    from qflib.records import Batch

    raw = Batch("raw", _frames("signals:api-1", api.sender.signals), Header("signals:api-1", 5, 0), "market.data.raw")
    out = Normalize(api.state.views.instruments).feed(raw)
    assert [b.kind for b in out] == ["signal"]
    s = out[0].signals
    assert s.direction.tolist() == [-1, -1]
    assert s.receipt_ns.tolist() == [now, now]
    assert s.valid_until_ns.tolist() == [now + 300 * 10**9, pd.Timestamp("2026-01-05T15:00Z").value]
    assert json.loads(api.sender.signals[0][0])["horizon_ns"] == 300 * 10**9
    assert frames_of([1], [0], [b"x"]).length.tolist() == [1]
