"""Whatever is sent, a problem document with a stable code comes back, and the server goes on."""

from __future__ import annotations

from typing import Any

import pytest

from qflib.api.problems import MEDIA
from tests.api.served import ORDER, Served, served

DEEP = b'{"client_order_id":' + b"[" * 200_000 + b"]" * 200_000 + b"}"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return served(tmp_path_factory.mktemp("api"))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (b"[]", "malformed"),
        (b"null", "malformed"),
        (b'"x"', "malformed"),
        (b"{} trailing", "malformed"),
        (b"\xff\xfe\x00", "malformed"),
        (b'{"qty": NaN}', "malformed"),
        (b'{"qty": Infinity}', "malformed"),
        (b'{"qty": 1' + b"0" * 100_000 + b"}", "malformed"),
        (b'{"qty": 1e999999}', "malformed"),
        (DEEP, "malformed"),
        (b'{"client_order_id": "' + b"x" * 100_000 + b'"}', "malformed"),
        (b" " * (2 << 20), "too_large"),
    ],
)
def test_bodies_that_are_none(api: Served, body: bytes, code: str) -> None:
    with api.client() as client:
        for method, path in (
            ("POST", "/v1/orders"), ("POST", "/v1/signals"), ("PUT", "/v1/limits"), ("PUT", "/v1/kill-switch"),
            ("POST", "/v1/pricing"), ("POST", "/v1/shortfall"), ("POST", "/v1/portfolios/DESK1/what-if"),
            ("POST", "/v1/portfolios/DESK1/positions"),
        ):  # fmt: skip
            answer = client.request(method, path, content=body, headers={"content-type": "application/json"})
            assert answer.status_code == (413 if code == "too_large" else 400), path
            assert answer.headers["content-type"] == MEDIA
            assert answer.json()["code"] == code
            assert len(answer.text) < 2_000
    assert not api.sender.orders
    assert not api.sender.batches


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"price": 100.0}, "price"), ({"qty": 3}, "qty"), ({"price": "1e2"}, "price"), ({"price": "NaN"}, "price"),
        ({"qty": "-1"}, "qty"), ({"qty": "9" * 40}, "qty"), ({"side": "long"}, "side"), ({"side": 1}, "side"),
        ({"client_order_id": ""}, "client_order_id"), ({"client_order_id": "a/b"}, "client_order_id"),
        ({"client_order_id": "x" * 65}, "client_order_id"), ({"account": "a\n"}, "account"),
        ({"account": "ü"}, "account"), ({"portfolio": " "}, "portfolio"),
        ({"time_in_force": "at_open"}, "time_in_force"),
        ({"ord_type": "stop"}, "ord_type"), ({"post_only": "yes"}, "post_only"), ({"expire": "soon"}, "expire"),
        ({"price": None, "qty": None}, "qty"), ({"extra": 1}, ""), ({"account": {"$ne": ""}}, "account"),
    ],
)  # fmt: skip
def test_fields_that_are_wrong_are_named(api: Served, change: dict[str, Any], field: str) -> None:
    with api.client() as client:
        answer = client.post("/v1/orders", json=ORDER | change)
    assert answer.status_code == 400
    told = answer.json()
    assert told["code"] == "malformed"
    assert [e["field"] for e in told.get("errors", [])] == ([field] if field else [])


def test_a_number_for_a_price_is_explained(api: Served) -> None:
    with api.client() as client:
        told = client.post("/v1/orders", json=ORDER | {"price": 100.25}).json()
    assert 'give a decimal string as "100.25"' in told["detail"]


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/xml", "multipart/form-data", "application/x-www-form-urlencoded", "json",
             "application/jsonx"]
)  # fmt: skip
def test_content_types_that_are_not_json(api: Served, kind: str | None) -> None:
    with api.client() as client:
        answer = client.post("/v1/orders", content=b"{}", headers={} if kind is None else {"content-type": kind})
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/orders?cursor=x", 400, "bad_cursor"),
        ("/v1/executions?cursor=" + "A" * 33, 400, "bad_cursor"),
        ("/v1/history/orders.executed?cursor=zz", 400, "bad_cursor"),
        ("/v1/orders?limit=0", 400, "bad_parameter"),
        ("/v1/orders?limit=" + "9" * 400, 400, "bad_parameter"),
        ("/v1/orders?limit=1&limit=2", 400, "bad_parameter"),
        ("/v1/orders?limt=1", 400, "bad_parameter"),
        ("/v1/orders?ord_status=gone", 400, "bad_parameter"),
        ("/v1/orders?instrument=NOPE", 404, "unknown_instrument"),
        ("/v1/orders/nothing?account=A", 404, "unknown_order"),
        ("/v1/orders/nothing", 400, "bad_parameter"),
        ("/v1/books/NOPE", 404, "unknown_instrument"),
        ("/v1/books/%00", 404, "unknown_instrument"),
        ("/v1/books/..%2f..%2fetc%2fpasswd", 404, "unknown_instrument"),
        ("/v1/portfolios/NOPE/risk", 404, "unknown_portfolio"),
        ("/v1/history/nope", 404, "unknown_topic"),
        ("/v1/history/orders.executed", 404, "no_history"),
        ("/v1/nope", 404, "not_found"),
        ("/v2/orders", 404, "not_found"),
        ("/", 404, "not_found"),
    ],
)
def test_addresses_that_lead_nowhere(api: Served, path: str, status: int, code: str) -> None:
    with api.client() as client:
        answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == MEDIA
    assert answer.json()["instance"].endswith(answer.headers["x-request-id"])


def test_a_method_that_is_not_taken_tells_which_are(api: Served) -> None:
    with api.client() as client:
        answer = client.patch("/v1/orders", json={})
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == {"GET", "POST", "OPTIONS"}
        assert set(client.options("/v1/orders").headers["allow"].split(", ")) == {"GET", "POST", "OPTIONS"}


def test_every_error_is_declared_as_a_problem(api: Served) -> None:
    with api.client(None) as client:
        paths = client.get("/schema/openapi.json").json()["paths"]
    for path, operations in paths.items():
        for operation in operations.values():
            for status, told in operation["responses"].items():
                if int(status) >= 400:
                    assert list(told["content"]) == [MEDIA], (path, status)


@pytest.mark.parametrize(
    ("method", "path", "names"),
    [
        ("GET", "/v1/books/ACME.F", ("instrument", "request", "state_of", "scope", "entry")),
        ("GET", "/v1/orders/o-1", ("client_order_id", "entry", "state_of")),
        ("DELETE", "/v1/orders/o-1", ("client_order_id", "entry")),
        ("GET", "/v1/portfolios/DESK1/risk", ("portfolio",)),
        ("POST", "/v1/orders", ("data", "entry")),
        ("GET", "/v1/history/orders.executed", ("topic", "request")),
    ],
)
def test_what_is_inside_is_no_parameter(api: Served, method: str, path: str, names: tuple[str, ...]) -> None:
    with api.client() as client:
        for name in names:
            body = ORDER if method == "POST" else None
            params = {name: "GAMA.F", **({"account": "ALICE"} if "o-1" in path else {})}
            answer = client.request(method, path, params=params, json=body)
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_parameter"), name
            assert name in answer.json()["detail"]
    assert not api.sender.orders
