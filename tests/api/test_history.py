"""Pages of the history are the history's rows, in order, whole, and never too many."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pytest

from qflib.history import Archiver, DeltaHistory, History, Log
from tests.api.served import Served, served
from tests.postgres_server import database, schema_of_its_own, server
from tests.views.recorded import recorded

__all__ = ["database", "server"]  # fixtures


@pytest.fixture(scope="module", params=["delta", "postgres"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    told = recorded()
    history: History = DeltaHistory(tmp_path_factory.mktemp("history"))
    if request.param == "postgres":
        history = schema_of_its_own(request.getfixturevalue("database"), "api")
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


def test_a_start_long_before_the_data_costs_no_scan(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    history = api.state.views.history
    assert history is not None
    counted: list[int] = []
    held: list[int] = []
    count, scan = history.count, history.scan
    monkeypatch.setattr(history, "count", lambda *a: counted.append(count(*a)) or counted[-1])
    monkeypatch.setattr(history, "scan", lambda *a: held.append(len(made := scan(*a))) or made)
    every = len(scan("tops"))
    with api.client("read") as client:
        pages = [
            client.get("/v1/history/analytics.results", params={"limit": "20"} | start).json()
            for start in ({}, {"start": "1971-01-01T00:00:00Z"}, {"start": "2026-01-05T00:00:00Z"})
        ]
    assert pages[0] == pages[1] == pages[2]
    assert len(pages[0]["items"]) == 20
    assert len(counted) <= 3 * 4  # it begins where the rows do
    assert sum(held) < 3 * (every + 20 * 10)  # the times of the first day, and the page


def test_a_store_that_is_broken_is_no_empty_one(api: Served, tmp_path: Path) -> None:
    views = recorded().views()
    views.history = DeltaHistory(tmp_path / "history")
    empty = served(tmp_path / "api", views)
    with empty.client("read") as client:
        for params in ({}, {"start": "2026-01-05T00:00:00Z"}):
            nothing = client.get("/v1/history/orders.executed", params=params)
            assert (nothing.status_code, nothing.json()["code"]) == (404, "no_history")
        views.history.register("c1", views.instruments)
        nothing = client.get("/v1/history/orders.executed")
        assert (nothing.status_code, nothing.json()["code"]) == (404, "no_history")
        log = tmp_path / "history" / "executions" / "_delta_log"
        log.mkdir(parents=True)
        (log / f"{0:020}.json").write_text("{")
        broken = client.get("/v1/history/orders.executed")
    assert (broken.status_code, broken.json()["code"]) == (503, "history_unreadable")
    assert str(tmp_path) not in broken.text
