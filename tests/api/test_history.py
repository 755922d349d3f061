"""Pages of the history are the history's rows, in order, whole, and never too many."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest

from qflib.history import Archiver, DeltaHistory, Log
from tests.api.served import Served, served
from tests.views.recorded import recorded


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Served:
    told, folder = recorded(), tmp_path_factory.mktemp("history")
    history = DeltaHistory(folder)
    history.register("c1", told.deployment.instruments)
    archiver = Archiver(history)
    topics = {s.topic for s in told.seen}
    archiver.assign(Log("c1", t, f"id-{t}", 0) for t in sorted(topics))
    for s in told.seen:
        archiver.take(s.topic, 0, s.offset, s.append_ms * 1_000_000, s.key, s.value)
    archiver.store()
    views = told.views()
    views.history = history
    return served(tmp_path_factory.mktemp("api"), views)


@pytest.mark.parametrize("limit", [7, 50, 1_000])
def test_pages_are_all_rows_once(api: Served, limit: int) -> None:
    history = api.state.views.history
    assert history is not None
    every = history.read("orders.executed", form="arrow")
    rows, cursor = [], None
    with api.client("read") as client:
        while True:
            params = {"limit": limit} | ({"cursor": cursor} if cursor else {})
            page = client.get("/v1/history/orders.executed", params=params).json()
            assert len(page["items"]) <= limit
            rows += page["items"]
            cursor = page["next"]
            if cursor is None:
                break
    assert [(r["offset"], r["exec_id"]) for r in rows] == list(
        zip(every["offset"].to_pylist(), every["exec_id"].to_pylist(), strict=True)
    )
    fill = next(r for r in rows if r["exec_type"] == 2)
    assert fill["instrument"] in api.state.views.instruments
    assert isinstance(fill["qty"], str)
    assert isinstance(fill["price"], str)


def test_arrow_is_the_same_and_tells_where_to_go_on(api: Served) -> None:
    history = api.state.views.history
    assert history is not None
    every = history.read(
        "analytics.results", instrument="ACME.F", form="arrow", columns=["bid", "time_ns", "instrument"]
    )
    parts, params = [], {"instrument": "ACME.F", "columns": "bid,time_ns", "limit": "20"}
    with api.client("read") as client:
        while True:
            answer = client.get("/v1/history/analytics.results", params=params,
                                headers={"accept": "application/vnd.apache.arrow.stream"})  # fmt: skip
            assert answer.headers["content-type"] == "application/vnd.apache.arrow.stream"
            parts.append(pa.ipc.open_stream(io.BytesIO(answer.content)).read_all())
            if "x-next-cursor" not in answer.headers:
                break
            params["cursor"] = answer.headers["x-next-cursor"]
    assert len(parts) > 2
    assert pa.concat_tables(parts).equals(every.select(parts[0].column_names))


def test_a_span_a_table_and_columns(api: Served) -> None:
    history = api.state.views.history
    assert history is not None
    span = {"start": "2026-01-05T14:30:05Z", "end": "2026-01-05T14:30:06Z"}
    params = span | {"table": "depth", "columns": "level,price", "limit": "50"}
    with api.client("read") as client:
        page = client.get("/v1/history/analytics.results", params=params).json()
        other = client.get("/v1/history/analytics.results", params=params | {"columns": "nope"})
        table = client.get("/v1/history/analytics.results", params=params | {"table": "nope"})
        none = client.get("/v1/history/orders.executed", params={"start": "2030-01-01T00:00:00Z"}).json()
        signals = client.get("/v1/history/market.data.normalized", params={"table": "signals"})
    assert page["items"]
    assert set(page["items"][0]) == {"level", "price", "instrument"}
    assert isinstance(page["items"][0]["price"], str)
    assert (other.status_code, other.json()["code"]) == (422, "bad_input")
    assert (table.status_code, table.json()["code"]) == (422, "bad_input")
    assert none == {"items": [], "next": None}
    assert signals.json()["code"] == "no_history"
