"""`connect_async()`: as `qf.Live`, for programs that await."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import httpx

from qflib.api.client import jobs as j
from qflib.api.client import questions as q
from qflib.api.client.api_error import ApiError, unanswered, unreachable
from qflib.api.client.asking import Asking, Reply, Request
from qflib.api.client.finding import Place, find
from qflib.api.client.following import Follower, OnGap
from qflib.api.client.live import POLL_S, TIMEOUT
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


class AsyncLive:
    """The running desk, as `Live`: the same accessors with the same arguments, awaited.

    Parameters
    ----------
    place
        Address and key.

    Examples
    --------
    >>> import asyncio
    >>> from qflib.api.client import connect_async
    >>> async def ask():
    ...     async with connect_async("http://127.0.0.1:9", key="qf_a_b") as live:
    ...         await live.book("ACME.F")
    >>> asyncio.run(ask())
    Traceback (most recent call last):
    qflib.api.client.api_error.ApiError: the desk does not answer at http://127.0.0.1:9 (...); start it with `qflib up`
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        headers = {"Authorization": f"Bearer {place.key}"}
        self._http = httpx.AsyncClient(base_url=place.url, headers=headers, timeout=TIMEOUT, verify=place.tls or True)
        self._instruments: Instruments | None = None

    async def close(self) -> None:
        """Let go of its connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncLive:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def instruments(self) -> Instruments:
        """The instrument table; asked once."""
        if self._instruments is None:
            self._instruments = await self._do(q.instruments())
        return self._instruments

    async def book(self, instrument: str) -> LiveBook:
        """A book as it stands: bid, ask, `depth(n)`, age, sequence."""
        return await self._do(q.book(instrument))

    async def vols(self, underlying: str) -> LiveVols:
        """The smiles of an underlying's options: bid and ask vols, the fitted surface, flags of static arbitrage."""
        return await self._do(q.vols(underlying))

    async def risk(self, portfolio: str | None = None, *, last: str | None = None) -> pd.DataFrame:
        """VaR and ES, a row a report and level; index market time (UTC). `last`: those of a while, as "10min"."""
        return await self._do(q.risk(portfolio, last))

    async def greeks(self, portfolio: str | None = None) -> pd.DataFrame:
        """Greeks of the last report, a row an underlying and book."""
        return await self._do(q.greeks(portfolio))

    async def explain(self, portfolio: str | None = None) -> pd.DataFrame:
        """P&L by Greek, carry and cost since the desk's first valuation, a row an underlying and book."""
        return await self._do(q.explain(portfolio))

    async def positions(self, portfolio: str | None = None, *, raw: bool = False) -> pd.DataFrame:
        """Positions of the last report, indexed by instrument."""
        return await self._do(q.positions(portfolio, raw))

    async def hedge_bands(self, portfolio: str | None = None) -> pd.DataFrame:
        """Each underlying's hedge now, in contracts: net delta, band, position, next order, cost of re-hedging."""
        return await self._do(q.hedge_bands(portfolio))

    async def hedge_frontier(self, underlying: str | None = None, portfolio: str | None = None) -> HedgeFrontier:
        """ES against cost for every size of one underlying's hedge (default: the first), anew once a second at most."""
        return await self._do(q.hedge_frontier(underlying, portfolio))

    async def hedge_effectiveness(self, portfolio: str | None = None) -> pd.DataFrame:
        """How much of the clients' P&L the hedges took away so far; the whole first (""), then each underlying."""
        return await self._do(q.hedge_effectiveness(portfolio))

    async def executions(
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
        return await self._do(q.executions(n, raw, client_order_id=client_order_id, **where))

    async def orders(
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
        return await self._do(q.orders(n, raw, live=live, **where))

    async def hedges(self, *, last: str = "10min") -> pd.DataFrame:
        """Hedge orders decided on in the last while, from the history."""
        return await self._do(q.recent("risk.metrics", "hedges", last))

    async def outcomes(self, *, last: str = "1h") -> pd.DataFrame:
        """Rolling ES of P&L with the forecasts it is judged by, from the history; a row a period and level."""
        return await self._do(q.recent("analytics.results", "rolling", last))

    async def components(self, *, last: str = "1h") -> pd.DataFrame:
        """Who causes the ES, by position and by Greek, from the history; the rows of each sum to its `es`."""
        return await self._do(q.recent("analytics.results", "components", last))

    async def figures(self, step: str | None = None, *, last: str = "1h") -> pd.DataFrame:
        """What promoted steps told in the last while, from the history: a column a field."""
        return await self._do(q.figures(step, last))

    async def evidence(self, *, last: str = "1h") -> pd.DataFrame:
        """The e-backtest of the desk's forecasts as it went on, from the history; columns as in `Run.evidence`."""
        return await self._do(q.evidence(last))

    async def forecasts(self, portfolio: str | None = None, *, last: str = "1h") -> pd.DataFrame:
        """What `qf.backtest` takes: VaR and ES forecast in the last while, each beside its outcome."""
        return await self._do(q.forecasts(portfolio, last))

    async def history(
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
        return await self._do(q.history(topic, table, instrument, start, end, columns, limit, form, raw))

    async def what_if(
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
        return await self._do(q.what_if(trades, portfolio, level, book, by))

    async def jobs(self) -> pd.DataFrame:
        """The jobs there are, indexed by name: when they are due, and their last run."""
        return await self._do(j.jobs())

    async def job_runs(self, name: str, *, as_of: str | None = None, limit: int = 50) -> pd.DataFrame:
        """The newest runs of a job, indexed by run id; those that go on among them."""
        return await self._do(j.job_runs(name, as_of, limit))

    async def job_report(self, name: str, run_id: str | None = None) -> LiveReport:
        """The page of a run, which shows itself in a notebook; default: the newest there is."""
        return await self._do(j.job_report(name, run_id))

    async def approve(self, name: str, run_id: str, set_id: str) -> list[str]:
        """Put the scenario set that a run proposes in force (scope admin); the ids of the controls that carry it."""
        return await self._do(j.approve(name, run_id, set_id))

    async def limits(self) -> pd.DataFrame:
        """The limits in force: bound, and where a report tells it value and breached."""
        return await self._do(q.limits())

    async def set_limit(
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
        return await self._do(q.control("/v1/limits", {"name": name, "value": value} | which))

    async def kill_switch(
        self, on: bool, *, portfolio: str | None = None, instrument: str | None = None, control_id: str | None = None
    ) -> str:
        """Set or release the kill switch (scope admin); the id of the control, as of `set_limit`."""
        which = {"portfolio": portfolio, "instrument": instrument, "control_id": control_id}
        return await self._do(q.control("/v1/kill-switch", {"on": on} | which))

    async def order(
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
        return await self._do(
            q.send_order(
                instrument, side, qty, price, portfolio, account, client_order_id, time_in_force, post_only, expire
            )
        )

    async def buy(self, instrument: str, qty: float | str, price: float | str | None = None, **more: Any) -> LiveOrder:
        """As `order` with side "buy"."""
        return await self.order(instrument, "buy", qty, price, **more)

    async def sell(self, instrument: str, qty: float | str, price: float | str | None = None, **more: Any) -> LiveOrder:
        """As `order` with side "sell"."""
        return await self.order(instrument, "sell", qty, price, **more)

    async def wait(
        self, order: LiveOrder, until: Literal["answered", "done"] = "answered", *, timeout: float = 5.0
    ) -> LiveOrder:
        """The order when the exchange has answered it, or when it can trade no more; as it stands after `timeout` s."""
        if until not in ("answered", "done"):
            raise InputError(f"until {until!r} is unknown; give answered or done")
        end = time.monotonic() + timeout
        while not getattr(order, until) and time.monotonic() < end:
            await asyncio.sleep(POLL_S)
            order = await self._do(q.order(order.told["client_order_id"], order.told["account"]))
        return order

    async def cancel(self, order: LiveOrder | str, account: str | None = None) -> LiveOrder:
        """Ask for an order to be cancelled (scope trade), by itself or by its id and account."""
        return await self._do(q.cancel(order, account))

    async def signal(
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
        return await self._do(q.signal(instrument, direction, strength, told))

    def stream(
        self,
        channel: Literal["book", "trades", "executions", "risk"],
        subject: str,
        *,
        on_gap: OnGap = "yield",
        patience: float = 60.0,
    ) -> AsyncIterator[Any]:
        """What a subject tells, from now on: `LiveBook`s, or DataFrames of trades, executions or a report.

        As `Live.stream`.
        """
        from qflib.api.client.streaming import afollow

        return afollow(self.place, Follower(channel, subject, on_gap), patience, lambda: self._http.is_closed)

    async def plot(
        self, what: Literal["risk", "outcomes", "book", "trades"] = "risk", subject: str | None = None, *,
        last: str = "10min",
    ) -> LivePlot:  # fmt: skip
        """As `Live.plot`."""
        from qflib.api.client.live_plot import LivePlot

        return await asyncio.to_thread(LivePlot, self.place, what, subject, last)

    def __repr__(self) -> str:
        return f"<AsyncLive {self.place.url}>"

    async def _do(self, question: Asking[T]) -> T:
        try:
            request = next(question)
            while True:
                try:
                    reply = await self._carry(request)
                except ApiError as e:
                    request = question.throw(e)  # it may know more of it
                else:
                    request = question.send(reply)
        except StopIteration as done:
            value: T = done.value
            return value

    async def _carry(self, r: Request) -> Reply:
        headers = {"Accept": r.accept} | ({} if r.body is None else {"Content-Type": "application/json"})
        try:
            reply = await self._http.request(r.method, r.path, params=r.params, content=r.body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as e:
            raise unreachable(self.place.url, e) from None
        except httpx.TransportError as e:
            raise unanswered(self.place.url, e) from None
        return Reply(reply.status_code, reply.headers, reply.content)


def connect_async(url: str | None = None, key: str | None = None) -> AsyncLive:
    """The running desk, for programs that await; arguments and errors as of `connect`.

    Examples
    --------
    >>> import qflib as qf
    >>> qf.connect_async("http://127.0.0.1:8000", key="qf_a_b")
    <AsyncLive http://127.0.0.1:8000>
    """
    return AsyncLive(find(url, key))
