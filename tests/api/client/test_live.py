"""`qf.connect()` in front of the real API: the accessors say what the run says, and what is refused is a sentence."""

from __future__ import annotations

import asyncio
import inspect
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib.api.client import ApiError, AsyncLive, Live, connect_async
from qflib.api.client.finding import find
from qflib.api.keys import development_key
from qflib.api.problems import away
from qflib.errors import InputError, MissingPartError, QflibError
from tests.api.stream.playing import Playing, playing


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playing]:
    with playing(tmp_path_factory.mktemp("api"), n=10**9) as made:
        yield made


@pytest.fixture(scope="module")
def live(desk: Playing) -> Iterator[Live]:
    with qf.connect(desk.url, key=desk.key) as made:
        yield made


def test_instruments_are_the_desks(desk: Playing, live: Live) -> None:
    table = live.instruments
    assert [r.symbol for r in table] == [r.symbol for r in desk.views.instruments]
    option, own = next(r for r in table if r.kind == "option"), desk.views.instruments
    assert option.strike == own[option.symbol].strike
    assert option.expiry == own[option.symbol].expiry
    assert table.tick_num.tolist() == own.tick_num.tolist()
    assert live.instruments is table


def test_a_book_is_the_views(desk: Playing, live: Live) -> None:
    book, state = live.book("ACME.F"), desk.views.books.latest("ACME.F")
    assert state is not None
    table = desk.views.instruments
    assert book.bid == table.to_price(state.instrument, int(state.bids[0, 0]))
    assert book.seq == state.stamp.seq
    depth = book.depth(3)
    assert depth["side"].tolist() == ["bid"] * 3 + ["ask"] * 3
    assert depth["cumulative"].iloc[2] == table.to_qty(state.instrument, state.bids[:3, 1].sum())
    assert book.depth(1, raw=True)["price"].map(type).eq(str).all()
    assert str(book.time.tz) == "UTC"
    assert book.age > pd.Timedelta(0)
    assert "ACME.F" in book._repr_html_()


def test_accessors_are_those_of_the_run(desk: Playing, live: Live) -> None:
    run = desk.told.run
    risk, own = live.risk("DESK1"), run.risk[run.risk["portfolio"] == "DESK1"].iloc[-2:]
    same = [c for c in own.columns if c in risk.columns]
    assert set(own.columns) - set(same) == {"as_of", "newest"}
    assert risk.index.equals(own.index)
    for column in same:
        assert risk[column].tolist() == own[column].tolist()
    positions = live.positions("DESK1")
    assert positions.columns[:10].tolist() == run.positions.columns[:10].tolist()
    pd.testing.assert_frame_equal(
        positions[["qty", "mark", "delta"]], run.positions[["qty", "mark", "delta"]], check_index_type=False
    )
    x, mine = live.executions(None), run.executions
    assert len(x) == len(mine)
    for column in ("exec_type", "ord_status", "reason", "side", "instrument", "qty", "client_order_id"):
        assert x[column].tolist() == mine[column].tolist()
    priced = (mine["price"] != 0).to_numpy()
    assert np.allclose(x["price"].to_numpy()[priced], mine["price"].to_numpy()[priced])
    assert str(x.index.tz) == "UTC"  # type: ignore[attr-defined]
    assert x.index.is_monotonic_increasing


def test_lists_are_filtered_and_cut(live: Live) -> None:
    fills = live.executions(5, exec_type="fill")
    assert len(fills) == 5
    assert set(fills["exec_type"]) == {"fill"}
    orders = live.orders(1_000)
    assert len(orders) > 0
    assert set(orders["side"]) <= {"buy", "sell"}
    assert live.orders(live=True)["ord_status"].isin(["new", "partially_filled", "pending_new"]).all()
    assert len(live.orders(0)) == 0
    assert live.executions(3, raw=True)["qty"].map(type).eq(str).all()
    with pytest.raises(InputError, match="n=-1"):
        live.executions(-1)


def test_orders_go_out(desk: Playing, live: Live) -> None:
    order = live.buy("ACME.F", 3, 100.0, account="ALICE", client_order_id="first")
    assert (order.ord_status, order.qty, order.price, order.portfolio) == ("pending_new", "3", "100", "DESK1")
    assert not order.answered
    again = live.buy("ACME.F", "3", "100", account="ALICE", client_order_id="first")
    assert again.seq == order.seq
    with pytest.raises(ApiError) as e:
        live.buy("ACME.F", 4, 100.0, account="ALICE", client_order_id="first")
    assert (e.value.status, e.value.code[:9]) == (409, "duplicate")
    with pytest.raises(ApiError, match="tick") as e:
        live.sell("ACME.F", 1, 100.001)
    assert (e.value.status, e.value.code) == (422, "off_tick")
    with pytest.raises(InputError, match="no finite number"):
        live.buy("ACME.F", float("nan"))
    rests = live.buy("ACME.F", 2, 99.0, post_only=True, expire=pd.Timestamp("2099-01-01", tz="UTC"))
    assert (rests.told["post_only"], rests.told["time_in_force"]) == (True, "gtd")
    assert rests.told["expire"] == "2099-01-01T00:00:00.000000000Z"
    assert {"post_only", "expire", "queue_ahead"} <= set(live.orders(1).columns)
    with pytest.raises(ApiError, match="is over: market time is 2026"):
        live.buy("ACME.F", 2, 99.0, expire="2001-01-01T00:00:00Z")
    market = live.sell("ACME.F", 1)
    assert (market.ord_type, market.price, market.account) == ("market", None, "DESK1")
    assert live.wait(market, timeout=0.05).ord_status == "pending_new"
    assert live.cancel(order).action == "cancel"
    assert len(live.signal("ACME.F", "buy", 0.5, horizon="5min")) > 8
    assert len(desk.sender.signals) == 1
    assert "ACME.F" in market._repr_html_()
    assert "sell" in repr(market)


def test_controls_and_limits(desk: Playing, live: Live) -> None:
    n = len(desk.sender.batches)
    assert live.kill_switch(True, portfolio="DESK1")
    assert live.set_limit("max_es", 1e6, portfolio="DESK1")
    assert len(desk.sender.batches) > n
    assert {"name", "portfolio", "instrument", "bound", "value", "breached"} == set(live.limits().columns)
    with pytest.raises(ApiError) as e:
        live.set_limit("max_sorrow", 1.0)
    assert e.value.status == 400


def test_a_control_that_may_have_been_sent_is_sent_again_by_its_id(desk: Playing, live: Live) -> None:
    desk.sender.fails = away("not confirmed", "unknown_outcome")
    try:
        with pytest.raises(ApiError) as e:
            live.set_limit("max_es", 2e6, portfolio="DESK1")
    finally:
        desk.sender.fails = None
    assert e.value.is_doubtful
    told = e.value.context["control_id"]
    assert live.set_limit("max_es", 2e6, portfolio="DESK1", control_id=told) == told
    assert desk.sender.batches[-1].controls.control_id.tolist() == [told.encode()]


def test_explain(live: Live) -> None:
    told = live.explain("DESK1")
    parts = told.select_dtypes("float64")
    assert len(parts.columns) == 14
    assert (parts.drop(columns="total").sum(axis=1) == parts["total"]).all()
    assert {"client", "hedge"} == set(told["book"])
    assert (told["from"] <= told["time"]).all()


def test_what_if(desk: Playing, live: Live) -> None:
    told = live.what_if({"ACME.F": 10})
    frame = pd.DataFrame({"instrument": ["ACME.F"], "qty": [10.0]})
    assert live.what_if(frame, by="underlying").es_after == told.es_after
    assert live.what_if([("ACME.F", 10)]).es_after == told.es_after
    assert told.es_before != told.es_after
    assert told.to_frame().loc[("ACME", "delta"), "change"] != 0
    assert told.components_before.sum() == pytest.approx(told.es_before)
    assert "DESK1" in told._repr_html_()


def test_pictures(live: Live) -> None:
    for picture in (live.book("ACME.F").plot(), live.what_if({"ACME.F": 1}).plot()):
        assert type(picture).__module__.startswith("holoviews")
    with pytest.raises(InputError, match="no picture"):
        live.plot("sorrow")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("work", "status", "code"),
    [
        (lambda live: live.book("NONE"), 404, "unknown_instrument"),
        (lambda live: live.risk("NONE"), 404, "unknown_portfolio"),
        (lambda live: live.cancel("none", "ALICE"), 404, "unknown_order"),
        (lambda live: live.history("risk.metrics"), 404, "no_history"),
        (lambda live: live.orders(ord_status="sad"), 400, "bad_parameter"),
    ],
)
def test_problems_are_errors_with_codes(live: Live, work: object, status: int, code: str) -> None:
    with pytest.raises(ApiError) as e:
        work(live)  # type: ignore[operator]
    assert (e.value.status, e.value.code) == (status, code)
    assert isinstance(e.value, QflibError)
    assert e.value.request_id


def test_keys_are_needed(desk: Playing) -> None:
    with qf.connect(desk.url, key="qf_no_key") as live, pytest.raises(ApiError) as e:
        live.book("ACME.F")
    assert e.value.status == 401
    reader, _ = desk.keys.create("reader", "read")
    with qf.connect(desk.url, key=reader) as live, pytest.raises(ApiError) as e:
        live.buy("ACME.F", 1, 100)
    assert (e.value.status, e.value.code) == (403, "missing_scope")


def test_the_running_desk_is_found(desk: Playing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLIB_STATE", str(tmp_path))
    for name in ("QFLIB_API_URL", "QFLIB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(MissingPartError, match="run `qflib up`"):
        qf.connect()
    (tmp_path / "up").mkdir()
    development_key(tmp_path / "up", "http://127.0.0.1:1")
    with qf.connect() as live:
        assert live.place.url == "http://127.0.0.1:1"
        with pytest.raises(ApiError, match="start it with `qflib up`") as e:
            live.book("ACME.F")
        assert e.value.code == "unreachable"
    with pytest.raises(MissingPartError, match="no key for"):
        qf.connect("http://example.org")  # the desk's key is not for others
    monkeypatch.setenv("QFLIB_API_URL", desk.url)
    monkeypatch.setenv("QFLIB_API_KEY", desk.key)
    with qf.connect() as live:
        assert live.book("ACME.F").bid > 0
    with pytest.raises(InputError, match="no address"):
        qf.connect("localhost:8000", key="x")


def test_a_key_of_the_environment_goes_to_its_address_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLIB_STATE", str(tmp_path))
    monkeypatch.setenv("QFLIB_API_URL", "http://desk:8000")
    monkeypatch.setenv("QFLIB_API_KEY", "qf_a_b")
    assert find() == find("http://desk:8000/") == ("http://desk:8000", "qf_a_b")
    with pytest.raises(MissingPartError, match="give key="):
        find("http://other:8000")
    assert find("http://other:8000", "qf_c_d").key == "qf_c_d"
    monkeypatch.delenv("QFLIB_API_URL")
    with pytest.raises(MissingPartError, match="give key="):
        find("http://other:8000")
    development_key(tmp_path / "up", "http://127.0.0.1:1")
    assert find() == ("http://127.0.0.1:1", "qf_a_b")


@contextmanager
def _answering(answer: bytes) -> Iterator[str]:
    """A server that takes a request, gives this answer, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    one, _ = listening.accept()
                    with one:
                        one.recv(65_536)
                        one.sendall(answer)

        Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def _http(status: int, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d x\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize(
    ("answer", "code", "doubtful"),
    [
        (b"", "unanswered", True),
        (_http(503, b'{"detail":"not confirmed; whether","code":"unknown_outcome"}'), "unknown_outcome", True),
        (_http(502), "foreign", True),
        (_http(503, b'{"detail":"away","code":"broker_unavailable"}'), "broker_unavailable", False),
        (_http(422, b'{"detail":"no","code":"off_tick"}'), "off_tick", False),
    ],
)
def test_an_order_that_may_have_been_sent_tells_its_id(answer: bytes, code: str, doubtful: bool, sync: bool) -> None:
    def buy(url: str) -> None:
        with qf.connect(url, key="k") as live:
            live.buy("ACME.F", 1, 100, portfolio="P", client_order_id="mine-1")

    async def awaited(url: str) -> None:
        async with connect_async(url, "k") as live:
            await live.buy("ACME.F", 1, 100, portfolio="P", client_order_id="mine-1")

    with _answering(answer) as url, pytest.raises(ApiError) as e:
        buy(url) if sync else asyncio.run(awaited(url))
    assert (e.value.code, e.value.client_order_id) == (code, "mine-1" if doubtful else "")
    again = "whether it was sent is not known; send it again with client_order_id='mine-1'"
    assert (again in str(e.value)) == doubtful
    assert "qflib up" not in str(e.value)


def test_an_order_has_an_id_of_its_own_to_be_sent_again_with() -> None:
    with _answering(b"") as url, qf.connect(url, key="k") as live, pytest.raises(ApiError) as e:
        live.buy("ACME.F", 1, 100, portfolio="P")
    assert len(e.value.client_order_id) == 20
    assert e.value.client_order_id in str(e.value)


def test_async_has_the_same_names_and_answers(desk: Playing, live: Live) -> None:
    for name, method in inspect.getmembers(Live, inspect.isfunction):
        if not name.startswith("_"):
            there = inspect.signature(getattr(AsyncLive, name))
            assert list(there.parameters.values()) == list(inspect.signature(method).parameters.values()), name

    async def ask() -> tuple[float, int, pd.DataFrame]:
        async with connect_async(desk.url, desk.key) as one:
            books = await asyncio.gather(*(one.book("ACME.F") for _ in range(8)))
            return books[0].bid, len(await one.instruments()), await one.risk()

    bid, n, risk = asyncio.run(ask())
    assert bid == live.book("ACME.F").bid
    assert n == len(live.instruments)
    pd.testing.assert_frame_equal(risk, live.risk())


def test_connect_loads_no_kernels() -> None:
    code = (
        "import sys, qflib as qf; qf.connect('http://127.0.0.1:9', key='x').close(); "
        "assert not {'numba', 'litestar', 'granian', 'confluent_kafka'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_hedges_are_the_views_and_the_librarys(desk: Playing, live: Live) -> None:
    from qflib.hedging import HedgeFrontier
    from qflib.views.rehedging import hedge_states

    report = desk.views.risk.latest("DESK1")
    assert report is not None
    bands, states = live.hedge_bands(), hedge_states(desk.views, report)
    assert bands.index.tolist() == [s.underlying for s in states]
    for name in ("ratio", "net", "position", "halfwidth", "next_above"):
        assert bands[name].tolist() == [getattr(s, name) for s in states]
    assert bands["to_neutral_qty"].tolist() == [s.to_neutral.qty for s in states]
    assert bands["to_neutral_cost"].tolist() == [s.to_neutral.cost for s in states]
    frontier = live.hedge_frontier()
    assert isinstance(frontier, HedgeFrontier)
    assert frontier.instrument == bands["instrument"].iloc[0]
    assert frontier.at(frontier.held)["es"] == pytest.approx(report.figure("es_current"), rel=1e-9)
    assert frontier.points["cost_now"].notna().any()
    assert live.hedge_frontier("BETA").instrument == "BETA.F"
    effectiveness = live.hedge_effectiveness()
    assert effectiveness.columns.tolist()[0] == "effectiveness"
    with pytest.raises(ApiError, match="it holds ACME"):
        live.hedge_frontier("OMEG")
