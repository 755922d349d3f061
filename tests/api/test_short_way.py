"""The short ways and the framework's way answer alike."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qflib.api import auth
from qflib.api.problems import ProblemError
from qflib.api.short_way import Answer, body_of, has_plain_body, tell
from tests.api.served import ORDER, Served, served

_OWN = {"x-request-id", "content-length"}  # of each reply; the length is the body's, which is compared


@pytest.fixture
def both(tmp_path: Path) -> tuple[Served, Served]:
    return served(tmp_path / "a"), served(tmp_path / "b")


def _told(answer: Any) -> tuple[int, Any, dict[str, str]]:
    body = json.loads(answer.content) if answer.content else None
    if isinstance(body, dict):
        body.pop("instance", None)  # the request's own id
    return answer.status_code, body, {k: v for k, v in answer.headers.items() if k not in _OWN}


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

    async def told(answer: Answer, send: Any) -> None:
        answered.append((answer.body[:1].decode(), answer.status))
        await tell(answer, send)

    monkeypatch.setattr(auth, "tell", told)
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
