"""The short ways and the framework's way answer alike."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qflib.api import front
from qflib.api.admission import Admission
from qflib.api.keys import Scope
from qflib.api.problems import ProblemError
from qflib.api.short_way import Answer, body_of, has_plain_body, tell
from tests.api.served import ORDER, Served, served

_KEY = re.compile("key [0-9a-f]{12}")  # each of the two has its own
_OWN = {"x-request-id", "content-length"}  # of each reply; the length is the body's, which is compared


@pytest.fixture
def both(tmp_path: Path) -> tuple[Served, Served]:
    return served(tmp_path / "a"), served(tmp_path / "b")


def _told(answer: Any) -> tuple[int, Any, dict[str, str]]:
    body = json.loads(_KEY.sub("key", answer.text)) if answer.content else None
    if isinstance(body, dict):
        body.pop("instance", None)  # the request's own id
    headers = {k: v for k, v in answer.headers.items() if k not in _OWN}
    if answer.status_code == 429:
        assert int(headers.pop("retry-after")) > 900  # it falls meanwhile
    return answer.status_code, body, headers


@pytest.mark.parametrize("symbol", ["ACME.F", "ACME", "NONE", "a/b"])
@pytest.mark.parametrize("had", [None, "*", '"1-2-20"'])
def test_books(both: tuple[Served, Served], symbol: str, had: str | None) -> None:
    api, _ = both
    headers = {} if had is None else {"if-none-match": had}
    with api.client("read") as client:
        short = client.get(f"/v1/books/{symbol}", headers=headers)
        long = client.get(f"/v1/books/{symbol}", params={"levels": 20}, headers=headers)
    assert _told(short) == _told(long)
    assert len(short.content) == int(short.headers.get("content-length", 0))


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(ORDER).encode(),
        json.dumps(ORDER | {"price": None, "ord_type": "market"}).encode(),
        json.dumps(ORDER | {"price": "100.001"}).encode(),
        json.dumps(ORDER | {"instrument": "NONE"}).encode(),
        json.dumps(ORDER | {"qty": 3}).encode(),
        json.dumps(ORDER | {"more": 1}).encode(),
        b"{",
        b"[" * 50_000,
        b"\xff",
        b"x" * 2_000_000,
    ],
)
def test_orders(both: tuple[Served, Served], body: bytes) -> None:
    def pieces() -> Iterator[bytes]:  # sent without a length
        yield body[:10]
        yield body[10:]

    short, long = both
    kind = {"content-type": "application/json"}
    with short.client("trade") as a, long.client("trade") as b:
        one, other = (
            a.post("/v1/orders", content=body, headers=kind),
            b.post("/v1/orders", content=pieces(), headers=kind),
        )
    assert _told(one) == _told(other)
    assert short.sender.orders == long.sender.orders


@pytest.mark.parametrize(
    ("scope", "headers"),
    [
        (None, {}),
        (None, {"authorization": "Bearer qf_none"}),
        ("read", {}),
        ("trade", {"content-type": "text/plain"}),
        ("trade", {"content-type": "Application/JSON; charset=utf-8"}),
        ("trade", {"host": "a/b"}),
        ("trade", {"x-request-id": "mine-7"}),
    ],
)
def test_refusals_and_counts(tmp_path: Path, scope: Scope | None, headers: dict[str, str]) -> None:
    def sent(api: Served, whole: bool) -> tuple[Any, dict[tuple[str, int], int]]:
        body = json.dumps(ORDER).encode()
        with api.client(scope) as client:
            told = {"content-type": "application/json"} | headers
            answers = [
                client.post("/v1/orders", content=body if whole else iter([body]), headers=told) for _ in range(2)
            ]
        if "x-request-id" in headers:
            assert answers[0].headers["x-request-id"] == headers["x-request-id"]
        assert all("x-request-id" in a.headers for a in answers)
        return [_told(a) for a in answers], api.state.metrics._requests

    one, other = (served(tmp_path / name, rate=0.001, burst=1) for name in "ab")
    assert sent(one, whole=True) == sent(other, whole=False)


@pytest.mark.parametrize("path", ["/v1//orders", "/v1/orders/", "//v1/orders"])
def test_an_address_spelled_otherwise_is_the_same(both: tuple[Served, Served], path: str) -> None:
    short, long = both
    with short.client("trade") as a, long.client("trade") as b:
        assert _told(a.post("/v1/orders", json=ORDER)) == _told(b.post(f"http://testserver.local{path}", json=ORDER))
        assert _told(a.get("/v1/books/ACME.F")) == _told(b.get("http://testserver.local//v1/books//ACME.F/"))
        assert a.head("/v1/orders").status_code == b.head("/v1/orders/").status_code
        assert a.options("/v1/orders").headers["allow"] == b.options("/v1/orders/").headers["allow"]


def test_what_breaks_inside_is_told_as_by_the_framework(
    both: tuple[Served, Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("of the inside")

    monkeypatch.setattr(Admission, "row", broken)
    short, long = both
    with short.client("trade") as a, long.client("trade") as b:
        one = a.post("/v1/orders", json=ORDER)
        kind = {"content-type": "application/json"}
        other = b.post("/v1/orders", content=iter([json.dumps(ORDER).encode()]), headers=kind)
    assert one.status_code == 500
    assert "of the inside" not in one.text
    assert _told(one) == _told(other)


def test_the_door_stands_before_the_short_ways(both: tuple[Served, Served]) -> None:
    api, _ = both
    with api.client("read") as client:
        assert client.post("/v1/orders", json=ORDER).json()["code"] == "missing_scope"
        client.headers["authorization"] = "Bearer qf_none"
        assert client.get("/v1/books/ACME.F").status_code == 401
    assert api.sender.orders == []


def test_a_body_that_is_broken_off_is_no_body() -> None:
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    with pytest.raises(ProblemError, match="whole"):
        asyncio.run(body_of(receive, 100))


def test_a_body_longer_than_its_length_is_refused_before_its_end() -> None:
    asked = 0

    async def receive() -> Any:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"x" * 10, "more_body": True}

    with pytest.raises(ProblemError) as refused:
        asyncio.run(body_of(receive, 95))
    assert (refused.value.status, refused.value.code) == (413, "too_large")
    assert asked == 10


def test_a_length_beside_chunks_is_not_believed() -> None:
    told = [(b"content-length", b"10")]
    assert has_plain_body({"headers": told}, 100)
    assert not has_plain_body({"headers": [*told, (b"transfer-encoding", b"chunked")]}, 100)
    assert not has_plain_body({"headers": [(b"content-length", b"101")]}, 100)


def test_plain_requests_go_the_short_way(both: tuple[Served, Served], monkeypatch: pytest.MonkeyPatch) -> None:
    answered: list[tuple[str, int]] = []

    async def told(answer: Answer, request_id: str, send: Any) -> None:
        answered.append((answer.body[:1].decode(), answer.status))
        await tell(answer, request_id, send)

    monkeypatch.setattr(front, "tell", told)
    api, _ = both
    with api.client("trade") as client:
        assert client.post("/v1/orders", json=ORDER).status_code == 202
        assert client.get("/v1/books/ACME.F").status_code == 200
        assert answered == [("{", 202), ("{", 200)]
        client.get("/v1/books/ACME.F", params={"levels": 20})
        client.post(
            "/v1/orders", content=iter([json.dumps(ORDER).encode()]), headers={"content-type": "application/json"}
        )
    assert len(answered) == 2
