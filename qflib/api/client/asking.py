"""What is asked of the API and how its answers are read, apart from who carries them: sync and async share it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from math import isnan
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote
from uuid import uuid4

import msgspec

from qflib.api.client.api_error import ApiError, error_of
from qflib.errors import InputError

T = TypeVar("T")


class Request(NamedTuple):
    """A request to the API."""

    method: str
    path: str
    params: Mapping[str, Any] = MappingProxyType({})
    body: bytes | None = None
    accept: str = "application/json"


class Reply(NamedTuple):
    """Its answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


#: Yields requests, is sent their replies, and returns what is wanted.
Asking = Generator[Request, Reply, T]
Json = dict[str, Any]


def get(path: str, **params: Any) -> Asking[Json]:
    """One answer; parameters that are None are left out."""
    return (yield from _json(Request("GET", path, _told(params))))


def send(method: str, path: str, told: Mapping[str, Any], **params: Any) -> Asking[Json]:
    """One answer to a body; members that are None are left out."""
    body = msgspec.json.encode(_told(told))
    return (yield from _json(Request(method, path, _told(params), body)))


def delete(path: str, **params: Any) -> Asking[Json]:
    """One answer to a DELETE."""
    return (yield from _json(Request("DELETE", path, _told(params))))


def listed(path: str, n: int | None, most: int = 1_000, **params: Any) -> Asking[list[Json]]:
    """The first `n` items (None: all) of a list, page by page."""
    if n is not None and n < 0:
        raise InputError(f"n={n} must be 0 or more; None gives all")
    made: list[Json] = []
    cursor = None
    while n is None or len(made) < n:
        page = yield from get(path, cursor=cursor, limit=most if n is None else min(most, n - len(made)), **params)
        made += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    return made


def checked(reply: Reply) -> Reply:
    """A reply that is no problem.

    Raises
    ------
    ApiError
        If it is one.
    """
    if reply.status >= 400:
        raise error_of(reply.status, reply.body)
    return reply


def in_path(name: str) -> str:
    """A name as a part of an address; slashes stay."""
    return quote(name)


def rows_of(trades: Any) -> list[Json]:
    """Trades as the API takes them, from a DataFrame (`HedgePlan.trades`), a mapping symbol -> quantity, or rows."""
    from qflib.api.client.results import decimal

    if isinstance(trades, Mapping):
        rows: Iterable[Any] = [{"instrument": k, "qty": v} for k, v in trades.items()]
    elif hasattr(trades, "to_dict"):
        rows = (trades if "instrument" in trades else trades.reset_index()).to_dict("records")
    else:
        rows = trades
    made = []
    for row in rows:
        told = row if isinstance(row, Mapping) else dict(zip(("instrument", "qty", "cost"), row, strict=False))
        if "instrument" not in told or "qty" not in told:
            raise InputError(f"trade {row!r} must have instrument and qty; give a DataFrame, {{symbol: qty}} or rows")
        one = {"instrument": str(told["instrument"]), "qty": decimal("qty", told["qty"])}
        cost = told.get("cost")
        made.append(one | ({} if cost is None or isnan(cost) else {"cost": float(cost)}))
    return made


def new_id() -> str:
    """An id that nobody else gives."""
    return uuid4().hex[:20]


def _json(request: Request) -> Asking[Json]:
    reply = checked((yield request))
    try:
        told = msgspec.json.decode(reply.body)
    except msgspec.DecodeError:
        told = None
    if not isinstance(told, dict):
        raise ApiError(f"the answer to {request.path} is no JSON of qflib; is this the address of its API?", "foreign",
                       reply.status)  # fmt: skip
    return told


def _told(given: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in given.items() if v is not None}
