"""A picture of the running desk that follows the API's stream: in a notebook's cell, or on a Panel server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import holoviews as hv
import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend, and in a notebook its scripts)
import pandas as pd
import panel as pn
from panel.viewable import Viewer

from qflib.api.client import pictures
from qflib.api.client.following import Gap
from qflib.errors import InputError

if TYPE_CHECKING:
    from qflib.api.client.finding import Place
    from qflib.api.client.live import Live

#: Pictures a second, at most: what comes faster is drawn together.
_PERIOD_MS = 200
_STALE_S = 5.0
_ASKED_S = 1.0  # between two questions to the history
_TRADES = 2_000


class LivePlot(Viewer):
    """What a topic tells, drawn as it comes.

    It shows itself in a notebook and has `servable()`. One thread reads the stream; a picture is drawn five times a
    second at most, with the sequence and age of what it shows. `stop` ends it, and so does the end of the visit for
    which a page that is served made it; until then it connects again as `Live.stream` does.

    Parameters
    ----------
    place
        Address and key of the API.
    what
        "risk": ES of a portfolio over the last while; "outcomes": its P&L beside the VaR forecast of it; "book": an
        instrument's depth; "trades": the venue's trades in it.
    subject
        The portfolio, or the instrument; None: the hedged one, the first one.
    last
        How far back time goes.

    Raises
    ------
    InputError
        If there is no such picture.
    ApiError
        If the desk does not answer, or does not know the subject.

    Notes
    -----
    O(rows shown) a picture.

    Examples
    --------
    >>> import qflib as qf
    >>> qf.connect("http://127.0.0.1:9", key="qf_a_b").plot("sorrow")
    Traceback (most recent call last):
    qflib.errors.InputError: there is no picture 'sorrow'; give risk, outcomes, book or trades
    """

    def __init__(self, place: Place, what: str, subject: str | None = None, last: str = "10min") -> None:
        if what not in _SHOWN:
            raise InputError(f"there is no picture {what!r}; give risk, outcomes, book or trades")
        super().__init__()  # type: ignore[no-untyped-call]
        from qflib.api.client.live import Live

        self._live, self._last = Live(place), pd.Timedelta(last)
        begin, follow, draw = _SHOWN[what]
        self.what = what
        try:
            self.subject, self._newest = begin(self._live, subject, last)
        except BaseException:
            self._live.close()
            raise
        self._follow = follow
        self.seq, self.gaps, self.fault = -1, 0, ""
        self._came = time.monotonic()
        self._drawn: Any = self._newest
        self._stopped = threading.Event()
        self._pipe = hv.streams.Pipe(data=self._newest)
        picture = hv.DynamicMap(lambda data: draw(data, self.subject), streams=[self._pipe])
        shown, status = pn.pane.HoloViews(picture), pn.pane.HTML(self._said(), margin=(0, 10))  # type: ignore[no-untyped-call]
        self._status, self._view = status, pn.Column(shown, status)
        self._reader = threading.Thread(target=self._read, name=f"plot {what} {self.subject}", daemon=True)
        self._drawing: Any = None
        page = pn.state.curdoc
        if page is not None and page.session_context is not None:  # made for one visitor of a served page
            page.on_session_destroyed(lambda _: self.stop())

    def __panel__(self) -> Any:
        """The picture; it is followed from the first time that it is shown."""
        if not self._stopped.is_set() and self._reader.ident is None:
            self._reader.start()
        if self._drawing is None and not self._stopped.is_set():
            self._drawing = pn.state.add_periodic_callback(self.draw, period=_PERIOD_MS)
        return self._view

    def stop(self) -> None:
        """Follow no more; the last picture stays."""
        self._stopped.set()
        if self._drawing is not None:
            self._drawing.stop()
        self._live.close()

    def draw(self) -> None:
        """Show what has come since the last picture; nothing: its age."""
        if self._newest is not self._drawn:
            self._drawn = self._newest
            self._pipe.send(self._drawn)
        said = self._said()
        if said != self._status.object:
            self._status.object = said

    def _read(self) -> None:
        try:
            for data in self._follow(self._live, self.subject, self._newest, self._last):
                if self._stopped.is_set():
                    return
                self._came = time.monotonic()
                if isinstance(data, Gap):
                    self.gaps += 1
                else:
                    self._newest, self.seq = data, _seq(data)
        except Exception as e:  # a thread has no one to raise to: the picture says it
            if not self._stopped.is_set():
                self.fault = str(e)

    def _said(self) -> str:
        quiet = int(time.monotonic() - self._came)
        color = "#b0413e" if self.fault else "#999999" if quiet >= _STALE_S else "#333333"
        words = [self.subject, f"#{self.seq}" if self.seq >= 0 else "waiting"]
        words += [f"silent for {quiet} s"] if quiet >= _STALE_S else []
        words += [f"{self.gaps} gaps"] if self.gaps else []
        words += [self.fault] if self.fault else []
        return f'<span class="qf-live" data-seq="{self.seq}" style="color: {color}">{" · ".join(words)}</span>'


def _seq(data: Any) -> int:
    return int(data["seq"].iloc[-1]) if isinstance(data, pd.DataFrame) and len(data) else int(getattr(data, "seq", -1))


def _begin_risk(live: Live, subject: str | None, last: str) -> tuple[str, pd.DataFrame]:
    from qflib.api.client import questions as q

    reports = live._do(q.drawn_risk(subject, last))
    return str(reports["portfolio"].iloc[-1]), reports


def _follow_risk(live: Live, subject: str, held: pd.DataFrame, last: pd.Timedelta) -> Iterator[Any]:
    for told in live.stream("risk", subject):
        if not isinstance(told, Gap):
            held = pd.concat([held[held.index < told.index[0]], told])  # a snapshot tells the last one again
            held = held[held.index > held.index[-1] - last]
        yield told if isinstance(told, Gap) else held


def _begin_outcomes(live: Live, subject: str | None, last: str) -> tuple[str, pd.DataFrame]:
    return _begin_risk(live, subject, last)[0], live.outcomes(last=last)


def _follow_outcomes(live: Live, subject: str, held: pd.DataFrame, last: pd.Timedelta) -> Iterator[Any]:
    """They are in the history alone: asked for when a report has come."""
    asked = 0.0
    for told in live.stream("risk", subject):
        if not isinstance(told, Gap) and time.monotonic() - asked > _ASKED_S:
            asked = time.monotonic()
            yield live.outcomes(last=f"{last.total_seconds():g}s").assign(seq=int(told["seq"].iloc[-1]))


def _begin_book(live: Live, subject: str | None, last: str) -> tuple[str, Any]:
    name = subject or live.instruments[0].symbol
    return name, live.book(name)


def _follow_book(live: Live, subject: str, held: Any, last: pd.Timedelta) -> Iterator[Any]:
    yield from live.stream("book", subject)


def _begin_trades(live: Live, subject: str | None, last: str) -> tuple[str, pd.DataFrame]:
    from qflib.api.client.results import trades_frame

    name = subject or live.instruments[0].symbol
    live.book(name)  # says whether it is known
    return name, trades_frame([])


def _follow_trades(live: Live, subject: str, held: pd.DataFrame, last: pd.Timedelta) -> Iterator[Any]:
    for told in live.stream("trades", subject):
        if not isinstance(told, Gap):
            if not len(told):
                continue
            held = pd.concat([held, told]) if len(held) else told
            held = held[held.index > held.index[-1] - last].iloc[-_TRADES:]
        yield told if isinstance(told, Gap) else held


_Begin = Callable[["Live", str | None, str], tuple[str, Any]]
_Follow = Callable[["Live", str, Any, pd.Timedelta], Iterator[Any]]
_SHOWN: dict[str, tuple[_Begin, _Follow, Callable[[Any, str], Any]]] = {
    "risk": (_begin_risk, _follow_risk, lambda data, _: pictures.risk_picture(data)),
    "outcomes": (_begin_outcomes, _follow_outcomes, pictures.outcomes_picture),
    "book": (_begin_book, _follow_book, lambda data, _: pictures.book_picture(data)),
    "trades": (_begin_trades, _follow_trades, pictures.trades_picture),
}
