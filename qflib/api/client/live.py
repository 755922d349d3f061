"""`qf.connect()`: the running desk, with the accessors of `qf.Run`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import httpx

from qflib.api.client import jobs as j
from qflib.api.client import questions as q
from qflib.api.client.api_error import ApiError, unanswered, unreachable
from qflib.api.client.asking import Asking, Reply, Request
from qflib.api.client.finding import Place, find
from qflib.api.client.following import Follower, OnGap
from qflib.api.client.results import LiveBook, LiveOrder
from qflib.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from qflib.api.client.jobs import LiveReport
    from qflib.api.client.live_plot import LivePlot
    from qflib.api.client.vols import LiveVols
    from qflib.api.client.what_if import LiveWhatIf
    from qflib.hedging.frontier import HedgeFrontier
    from qflib.records import Instruments

T = TypeVar("T")
TIMEOUT = httpx.Timeout(30.0, connect=3.0)
POLL_S = 0.02


class Live:
    """The running desk. `qf.connect` makes it; it holds one pool of connections, and `close` ends it.

    Frames have UTC times and floats in quote currency; `raw=True` gives the API's exact decimal strings. What the API
    refuses is raised as `ApiError`, with its stable code. Where a portfolio is not named, it is the hedged one.

    Parameters
    ----------
    place
        Address and key.

    Examples
    --------
    >>> import qflib as qf
    >>> live = qf.connect("http://127.0.0.1:9", key="qf_a_b")
    >>> live.book("ACME.F")
    Traceback (most recent call last):
    qflib.api.client.api_error.ApiError: the desk does not answer at http://127.0.0.1:9 (...); start it with `qflib up`
    >>> live.close()
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        headers = {"Authorization": f"Bearer {place.key}"}
        self._http = httpx.Client(base_url=place.url, headers=headers, timeout=TIMEOUT, verify=place.tls or True)
        self._instruments: Instruments | None = None

    def close(self) -> None:
        """Let go of its connections."""
        self._http.close()

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def instruments(self) -> Instruments:
        """The instrument table; asked once."""
        if self._instruments is None:
            self._instruments = self._do(q.instruments())
        return self._instruments

    def book(self, instrument: str) -> LiveBook:
        """A book as it stands: bid, ask, `depth(n)`, age, sequence."""
        return self._do(q.book(instrument))

    def vols(self, underlying: str) -> LiveVols:
        """The smiles of an underlying's options: bid and ask vols, the fitted surface, flags of static arbitrage."""
        return self._do(q.vols(underlying))

    def risk(self, portfolio: str | None = None, *, last: str | None = None) -> pd.DataFrame:
        """VaR and ES, a row a report and level; index market time (UTC). `last`: those of a while, as "10min"."""
        return self._do(q.risk(portfolio, last))

    def greeks(self, portfolio: str | None = None) -> pd.DataFrame:
        """Greeks of the last report, a row an underlying and book."""
        return self._do(q.greeks(portfolio))

    def explain(self, portfolio: str | None = None) -> pd.DataFrame:
        """P&L by Greek, carry and cost since the desk's first valuation, a row an underlying and book."""
        return self._do(q.explain(portfolio))

    def positions(self, portfolio: str | None = None, *, raw: bool = False) -> pd.DataFrame:
        """Positions of the last report, indexed by instrument."""
        return self._do(q.positions(portfolio, raw))

    def hedge_bands(self, portfolio: str | None = None) -> pd.DataFrame:
        """Each underlying's hedge now, in contracts: net delta, band, position, next order, cost of re-hedging."""
        return self._do(q.hedge_bands(portfolio))

    def hedge_frontier(self, underlying: str | None = None, portfolio: str | None = None) -> HedgeFrontier:
        """ES against cost for every size of one underlying's hedge (default: the first), anew once a second at most."""
        return self._do(q.hedge_frontier(underlying, portfolio))

    def hedge_effectiveness(self, portfolio: str | None = None) -> pd.DataFrame:
        """How much of the clients' P&L the hedges took away so far; the whole first (""), then each underlying."""
        return self._do(q.hedge_effectiveness(portfolio))

    def executions(
        self,
        n: int | None = 100,
        *,
        account: str | None = None,
        portfolio: str | None = None,
        instrument: str | None = None,
        client_order_id: str | None = None,
        exec_type: str | None = None,
        raw: bool = False,
    ) -> pd.DataFrame:
        """The newest `n` executions (None: all that the desk remembers), oldest first; index exchange time (UTC)."""
        where = {"account": account, "portfolio": portfolio, "instrument": instrument, "exec_type": exec_type}
        return self._do(q.executions(n, raw, client_order_id=client_order_id, **where))

    def orders(
        self,
        n: int | None = 100,
        *,
        account: str | None = None,
        portfolio: str | None = None,
        instrument: str | None = None,
        ord_status: str | None = None,
        live: bool | None = None,
        raw: bool = False,
    ) -> pd.DataFrame:
        """The newest `n` orders (None: all that the desk remembers), oldest first; `live`: that may still trade."""
        where = {"account": account, "portfolio": portfolio, "instrument": instrument, "ord_status": ord_status}
        return self._do(q.orders(n, raw, live=live, **where))

    def hedges(self, *, last: str = "10min") -> pd.DataFrame:
        """Hedge orders decided on in the last while, from the history."""
        return self._do(q.recent("risk.metrics", "hedges", last))

    def outcomes(self, *, last: str = "1h") -> pd.DataFrame:
        """Rolling ES of P&L with the forecasts it is judged by, from the history; a row a period and level."""
        return self._do(q.recent("analytics.results", "rolling", last))

    def components(self, *, last: str = "1h") -> pd.DataFrame:
        """Who causes the ES, by position and by Greek, from the history; the rows of each sum to its `es`."""
        return self._do(q.recent("analytics.results", "components", last))

    def figures(self, step: str | None = None, *, last: str = "1h") -> pd.DataFrame:
        """What promoted steps told in the last while, from the history: a column a field."""
        return self._do(q.figures(step, last))

    def evidence(self, *, last: str = "1h") -> pd.DataFrame:
        """The e-backtest of the desk's forecasts as it went on, from the history; columns as in `Run.evidence`."""
        return self._do(q.evidence(last))

    def forecasts(self, portfolio: str | None = None, *, last: str = "1h") -> pd.DataFrame:
        """What `qf.backtest` takes: VaR and ES forecast in the last while, each beside its outcome."""
        return self._do(q.forecasts(portfolio, last))

    def history(
        self,
        topic: str,
        *,
        table: str | None = None,
        instrument: str | None = None,
        start: pd.Timestamp | str | None = None,
        end: pd.Timestamp | str | None = None,
        columns: list[str] | None = None,
        limit: int | None = None,
        form: Literal["frame", "arrow"] = "frame",
        raw: bool = False,
    ) -> Any:
        """Rows of a topic by rising time, as `History.read` gives them: a DataFrame, or with form="arrow" a table."""
        return self._do(q.history(topic, table, instrument, start, end, columns, limit, form, raw))

    def what_if(
        self,
        trades: Any,
        portfolio: str | None = None,
        *,
        level: float = 0.975,
        book: Literal["client", "hedge", "both"] = "both",
        by: Literal["instrument", "underlying", "expiry", "kind", "greek"] = "instrument",
    ) -> LiveWhatIf:
        """Greeks, ES and component ES before and after trades, at the market of now.

        Trades are a DataFrame (as `HedgePlan.trades`), {symbol: quantity}, or rows of instrument, qty and cost.
        """
        return self._do(q.what_if(trades, portfolio, level, book, by))

    def jobs(self) -> pd.DataFrame:
        """The jobs there are, indexed by name: when they are due, and their last run."""
        return self._do(j.jobs())

    def job_runs(self, name: str, *, as_of: str | None = None, limit: int = 50) -> pd.DataFrame:
        """The newest runs of a job, indexed by run id; those that go on among them."""
        return self._do(j.job_runs(name, as_of, limit))

    def job_report(self, name: str, run_id: str | None = None) -> LiveReport:
        """The page of a run, which shows itself in a notebook; default: the newest there is."""
        return self._do(j.job_report(name, run_id))

    def approve(self, name: str, run_id: str, set_id: str) -> list[str]:
        """Put the scenario set that a run proposes in force (scope admin); the ids of the controls that carry it."""
        return self._do(j.approve(name, run_id, set_id))

    def limits(self) -> pd.DataFrame:
        """The limits in force: bound, and where a report tells it value and breached."""
        return self._do(q.limits())

    def set_limit(
        self,
        name: str,
        value: float,
        *,
        portfolio: str | None = None,
        instrument: str | None = None,
        control_id: str | None = None,
    ) -> str:
        """Set a limit (scope admin); the id of the control: sent again with it, it is applied once."""
        which = {"portfolio": portfolio, "instrument": instrument, "control_id": control_id}
        return self._do(q.control("/v1/limits", {"name": name, "value": value} | which))

    def kill_switch(
        self, on: bool, *, portfolio: str | None = None, instrument: str | None = None, control_id: str | None = None
    ) -> str:
        """Set or release the kill switch (scope admin); the id of the control, as of `set_limit`."""
        which = {"portfolio": portfolio, "instrument": instrument, "control_id": control_id}
        return self._do(q.control("/v1/kill-switch", {"on": on} | which))

    def order(
        self,
        instrument: str,
        side: Literal["buy", "sell"],
        qty: float | str,
        price: float | str | None = None,
        *,
        portfolio: str | None = None,
        account: str | None = None,
        client_order_id: str | None = None,
        time_in_force: Literal["day", "gtc", "ioc", "fok", "gtd"] | None = None,
        post_only: bool = False,
        expire: pd.Timestamp | str | None = None,
    ) -> LiveOrder:
        """Send an order (scope trade); it is given back as soon as Kafka has it, and `wait` tells what became of it.

        Without a price it is a market order. The account is by default named as the portfolio; the same
        `client_order_id` sent again is the same order: an `ApiError` of an order that may have been sent has its id.
        `post_only` is refused (would_take) where it would trade at once; with `expire` it is good till then ("gtd").
        """
        return self._do(
            q.send_order(
                instrument, side, qty, price, portfolio, account, client_order_id, time_in_force, post_only, expire
            )
        )

    def buy(self, instrument: str, qty: float | str, price: float | str | None = None, **more: Any) -> LiveOrder:
        """As `order` with side "buy"."""
        return self.order(instrument, "buy", qty, price, **more)

    def sell(self, instrument: str, qty: float | str, price: float | str | None = None, **more: Any) -> LiveOrder:
        """As `order` with side "sell"."""
        return self.order(instrument, "sell", qty, price, **more)

    def wait(
        self, order: LiveOrder, until: Literal["answered", "done"] = "answered", *, timeout: float = 5.0
    ) -> LiveOrder:
        """The order when the exchange has answered it, or when it can trade no more; as it stands after `timeout` s."""
        if until not in ("answered", "done"):
            raise InputError(f"until {until!r} is unknown; give answered or done")
        end = time.monotonic() + timeout
        while not getattr(order, until) and time.monotonic() < end:
            time.sleep(POLL_S)
            order = self._do(q.order(order.told["client_order_id"], order.told["account"]))
        return order

    def cancel(self, order: LiveOrder | str, account: str | None = None) -> LiveOrder:
        """Ask for an order to be cancelled (scope trade), by itself or by its id and account."""
        return self._do(q.cancel(order, account))

    def signal(
        self,
        instrument: str,
        direction: Literal["buy", "flat", "sell"],
        strength: float = 1.0,
        *,
        strategy: str | None = None,
        horizon: str | None = None,
        valid_until: pd.Timestamp | str | None = None,
        signal_id: str | None = None,
    ) -> str:
        """Send a trading signal (scope trade); its id."""
        told = {"strategy": strategy, "horizon": horizon, "valid_until": valid_until, "signal_id": signal_id}
        return self._do(q.signal(instrument, direction, strength, told))

    def stream(
        self,
        channel: Literal["book", "trades", "executions", "risk"],
        subject: str,
        *,
        on_gap: OnGap = "yield",
        patience: float = 60.0,
    ) -> Iterator[Any]:
        """What a subject tells, from now on: `LiveBook`s, or DataFrames of trades, executions or a report.

        It connects again where the connection breaks and goes on after what it has; the chain of sequences and the
        books' checksums are verified. What is left out is given as a `Gap`, or raised as `GapError` with
        on_gap="raise". It ends, with the next message or heartbeat, once this is closed.

        Parameters
        ----------
        channel, subject
            "book" and "trades" of an instrument, "executions" of an underlying, "risk" of a portfolio.
        on_gap
            "yield" or "raise".
        patience
            Seconds to try for a connection before `ApiError`.
        """
        from qflib.api.client.streaming import follow

        return follow(self.place, Follower(channel, subject, on_gap), patience, lambda: self._http.is_closed)

    def plot(
        self, what: Literal["risk", "outcomes", "book", "trades"] = "risk", subject: str | None = None, *,
        last: str = "10min",
    ) -> LivePlot:  # fmt: skip
        """A picture that follows the stream: ES or outcomes of a portfolio, the book of an instrument or its trades.

        It shows itself in a notebook's cell and is `servable()` by Panel; `stop()` ends it. `last`: how far back time
        goes.
        """
        from qflib.api.client.live_plot import LivePlot

        return LivePlot(self.place, what, subject, last)

    def __repr__(self) -> str:
        return f"<Live {self.place.url}>"

    def _do(self, question: Asking[T]) -> T:
        try:
            request = next(question)
            while True:
                try:
                    reply = self._carry(request)
                except ApiError as e:
                    request = question.throw(e)  # it may know more of it
                else:
                    request = question.send(reply)
        except StopIteration as done:
            value: T = done.value
            return value

    def _carry(self, r: Request) -> Reply:
        headers = {"Accept": r.accept} | ({} if r.body is None else {"Content-Type": "application/json"})
        try:
            reply = self._http.request(r.method, r.path, params=r.params, content=r.body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as e:
            raise unreachable(self.place.url, e) from None
        except httpx.TransportError as e:
            raise unanswered(self.place.url, e) from None
        return Reply(reply.status_code, reply.headers, reply.content)


def connect(url: str | None = None, key: str | None = None) -> Live:
    """The running desk.

    Parameters
    ----------
    url
        The API's address; default: `QFLIB_API_URL`, else that of the desk which `qflib up` runs here.
    key
        The API key; default: `QFLIB_API_KEY`, else the development key beside that desk.

    Raises
    ------
    MissingPartError
        If no desk is found, or no key.

    Examples
    --------
    >>> import qflib as qf
    >>> with qf.connect("http://127.0.0.1:8000", key="qf_a_b") as live:
    ...     live
    <Live http://127.0.0.1:8000>
    """
    return Live(find(url, key))
