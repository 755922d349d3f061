"""Pictures that follow the stream: what they show is the views', what goes wrong they say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import holoviews as hv
import pandas as pd
import pytest

import qflib as qf
from qflib.api.client import ApiError, Live, connect_async, pictures
from qflib.api.client.live_plot import LivePlot
from tests.api.stream.playing import Playing, playing
from tests.browser.desk_up import wait


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Playing]:
    with playing(tmp_path, n=300) as made:
        yield made


@pytest.fixture
def live(desk: Playing) -> Iterator[Live]:
    with qf.connect(desk.url, key=desk.key) as made:
        yield made


@pytest.fixture
def followed() -> Iterator[Callable[[LivePlot], LivePlot]]:
    """A picture as a cell shows it: drawn by hand, for there is no event loop here."""
    made: list[LivePlot] = []

    def show(plot: LivePlot) -> LivePlot:
        made.append(plot)
        plot._drawing = plot._reader  # no periodic callback without a loop
        plot.__panel__()
        return plot

    yield show
    for plot in made:
        plot._drawing = None
        plot.stop()


def shown(plot: LivePlot) -> Any:
    """What the picture holds."""
    plot.draw()
    return plot._pipe.data


def test_a_book_follows(desk: Playing, live: Live, followed: Callable[[LivePlot], LivePlot]) -> None:
    plot = followed(live.plot("book", "ACME.F"))
    for _ in range(3):
        before = desk.views.books.latest("ACME.F")
        desk.play(until=lambda _, held=before: desk.views.books.latest("ACME.F") is not held)
        state = desk.views.books.latest("ACME.F")
        assert state is not None
        wait(lambda seq=state.stamp.seq: shown(plot).seq == seq or None)
        assert f'data-seq="{state.stamp.seq}"' in plot._status.object
        assert shown(plot).bid == desk.views.instruments.to_price(state.instrument, int(state.bids[0, 0]))


def test_risk_and_trades_follow(desk: Playing, live: Live, followed: Callable[[LivePlot], LivePlot]) -> None:
    desk.play(until=lambda _: desk.views.risk.latest("DESK1") is not None)
    risk, trades = followed(live.plot("risk")), followed(live.plot("trades", "ACME.F"))
    assert risk.subject == "DESK1"
    wait(lambda: risk.seq >= 0 or None)  # it has subscribed
    desk.play()
    report = desk.views.risk.latest("DESK1")
    assert report is not None
    wait(lambda: risk.seq == report.stamp.seq or None)
    told = shown(risk)
    assert told["es_current"].iloc[-1] == live.risk()["es_current"].iloc[-1]
    assert len(told) > 2
    assert told.index.is_monotonic_increasing
    assert wait(lambda: len(shown(trades)) or None) > 0
    for plot in (risk, trades):
        assert hv.render(plot._view[0].object[()], backend="bokeh") is not None


def test_what_goes_wrong_is_said(desk: Playing, live: Live, followed: Callable[[LivePlot], LivePlot]) -> None:
    with pytest.raises(ApiError, match="NONE"):
        live.plot("book", "NONE")
    with pytest.raises(ApiError) as e:
        live.plot("outcomes")
    assert e.value.code == "no_history"
    plot = live.plot("book", "ACME.F")
    plot._follow = lambda *_: iter(())._missing  # type: ignore[attr-defined]
    followed(plot)
    wait(lambda: plot.fault or None)
    plot.draw()
    assert "_missing" in plot._status.object


def test_a_quiet_picture_ends_when_it_is_stopped(live: Live, followed: Callable[[LivePlot], LivePlot]) -> None:
    plot = followed(live.plot("book", "ACME.F"))
    wait(lambda: plot.seq >= 0 or None)  # it has the book as it is; nothing more comes
    plot._drawing = None
    plot.stop()
    wait(lambda: not plot._reader.is_alive() or None)
    assert not plot.fault


def test_awaited_it_is_the_same(desk: Playing) -> None:
    async def ask() -> LivePlot:
        async with connect_async(desk.url, desk.key) as one:
            return await one.plot("book")

    plot = asyncio.run(ask())
    assert (plot.what, plot.subject) == ("book", "ACME.F")
    plot.stop()


def test_outcomes_are_judged_by_their_forecast() -> None:
    at = pd.date_range("2026-01-05T14:31Z", periods=4, freq="1min").repeat(2)
    outcomes = pd.DataFrame(
        {
            "portfolio": ["DESK1"] * 6 + ["OTHER"] * 2,
            "outcome": "actual",
            "level": [0.975, 0.99] * 4,
            "pnl": [5.0, 5.0, -11.0, -11.0, -9.0, -9.0, -99.0, -99.0],
            "forecast_var": [10.0, 12.0] * 4,
        },
        index=at,
    )
    picture = pictures.outcomes_picture(outcomes, "DESK1")
    drawn = {e.label: e.dimension_values(1).tolist() for e in picture}
    assert drawn == {"P&L": [5.0, -9.0], "beyond": [-11.0], "-VaR": [-10.0] * 3}
    assert hv.render(picture, backend="bokeh") is not None
    assert hv.render(pictures.outcomes_picture(pd.DataFrame(), "DESK1"), backend="bokeh") is not None
