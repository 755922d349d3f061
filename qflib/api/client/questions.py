"""The questions of `qf.Live`, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from qflib.api.client import asking, hedge
from qflib.api.client.api_error import ApiError
from qflib.api.client.asking import Asking, Reply, Request, in_path
from qflib.api.client.results import (
    LiveBook,
    LiveOrder,
    book_of,
    decimal,
    executions_frame,
    orders_frame,
    positions_frame,
    risk_frame,
)
from qflib.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from qflib.api.client.vols import LiveVols
    from qflib.api.client.what_if import LiveWhatIf
    from qflib.hedging.frontier import HedgeFrontier
    from qflib.records import Instruments

_ARROW, _NEXT = "application/vnd.apache.arrow.stream", "x-next-cursor"
_ROWS = 100_000


def instruments() -> Asking[Instruments]:
    """The instrument table."""
    from math import nan

    import pandas as pd

    from qflib.records import Instrument, Instruments

    rows = []
    for r in (yield from asking.listed("/v1/instruments", None)):
        kept = {k: v for k, v in r.items() if v is not None}
        expiry = kept.pop("expiry", None)
        kept["strike"] = float(kept.get("strike", nan))
        kept["tick_schedule"] = tuple((a, t) for a, t in kept["tick_schedule"])
        rows.append(Instrument(expiry=None if expiry is None else pd.Timestamp(expiry), **kept))
    return Instruments(tuple(rows))


def book(instrument: str) -> Asking[LiveBook]:
    """A book as it stands."""
    return book_of((yield from asking.get(f"/v1/books/{in_path(instrument)}")))


def vols(underlying: str) -> Asking[LiveVols]:
    """The smiles of an underlying."""
    from qflib.api.client.vols import vols_of

    return vols_of((yield from asking.get(f"/v1/vols/{in_path(underlying)}")))


def portfolio() -> Asking[str]:
    """The desk's own portfolio: the hedged one, else the first."""
    rows = (yield from asking.get("/v1/portfolios"))["items"]
    if not rows:
        raise InputError("the desk has reported on no portfolio yet; wait for the first report, or name one")
    return str(next((r["portfolio"] for r in rows if r["hedged"]), rows[0]["portfolio"]))


def report(name: str | None) -> Asking[dict[str, Any]]:
    """A risk report as the API tells it."""
    which = name or (yield from portfolio())
    return (yield from asking.get(f"/v1/portfolios/{in_path(which)}/risk"))


def risk(name: str | None, last: str | None) -> Asking[pd.DataFrame]:
    """The last report, or those of the last while from the history."""
    import pandas as pd

    if last is None:
        return risk_frame((yield from report(name)))
    told = yield from report(name)
    start = pd.Timestamp(told["time_ns"], unit="ns", tz="UTC") - _while(last)
    rows = yield from history("risk.metrics", "risk", None, start, None, None, None, "frame", False)
    return rows[rows["portfolio"] == told["portfolio"]]  # type: ignore[no-any-return]


def drawn_risk(name: str | None, last: str) -> Asking[pd.DataFrame]:
    """The reports of the last while; the last one alone where the desk keeps no history."""
    try:
        rows = yield from risk(name, last)
    except ApiError as e:
        if e.code != "no_history":
            raise
        rows = yield from risk(name, None)
    return rows


def recent(topic: str, table: str, last: str, *, raw: bool = False) -> Asking[pd.DataFrame]:
    """Rows of the last while of market time."""
    import pandas as pd

    told = yield from report(None)
    start = pd.Timestamp(told["time_ns"], unit="ns", tz="UTC") - _while(last)
    return (yield from history(topic, table, None, start, None, None, None, "frame", raw))  # type: ignore[no-any-return]


def evidence(last: str) -> Asking[pd.DataFrame]:
    """The e-backtest of the last while, with the columns of `Run.evidence`."""
    import pandas as pd

    from qflib.records import EVIDENCE

    rows = yield from recent("analytics.results", "evidence", last, raw=True)
    told = [c.name for c in EVIDENCE.columns if c.name != "time_ns"]
    return rows.set_index(pd.DatetimeIndex(rows.index, tz="UTC", name="time"))[told]


def figures(step: str | None, last: str) -> Asking[pd.DataFrame]:
    """Figures of promoted steps of the last while, in the order in which they were told."""
    import pandas as pd

    from qflib.desk.figures import figures_of
    from qflib.records import VALUES

    told = yield from report(None)
    start = pd.Timestamp(told["time_ns"], unit="ns", tz="UTC") - _while(last)
    rows = yield from history("analytics.results", "figures", None, start, None, None, None, "arrow", False)
    frame = rows.to_pandas().sort_values(["partition", "offset"], kind="stable")  # within, by time and row
    values = VALUES.make(**{c.name: frame[c.name].to_numpy() for c in VALUES.columns}) if len(frame) else VALUES.empty
    return figures_of(values, (yield from instruments()), step)


def forecasts(name: str | None, last: str) -> Asking[pd.DataFrame]:
    """Forecasts of the last while beside their outcomes."""
    from qflib.desk.forecasts import forecasts_of

    which = name or (yield from portfolio())
    return forecasts_of((yield from recent("analytics.results", "rolling", last)), which)


def greeks(name: str | None) -> Asking[pd.DataFrame]:
    """Greeks of the last report, a row an underlying and book."""
    import pandas as pd

    return pd.DataFrame((yield from report(name))["greeks"])


def explain(name: str | None) -> Asking[pd.DataFrame]:
    """P&L explained since the first valuation, a row an underlying and book."""
    import pandas as pd

    made = pd.DataFrame((yield from report(name))["explain"])
    for column in [c for c in ("from_ns", "time_ns") if c in made]:
        made[column.removesuffix("_ns")] = pd.to_datetime(made.pop(column), utc=True)
    return made


def positions(name: str | None, raw: bool) -> Asking[pd.DataFrame]:
    """Positions of the last report."""
    which = name or (yield from portfolio())
    return positions_frame((yield from asking.get(f"/v1/portfolios/{in_path(which)}/positions")), raw)


def hedge_bands(name: str | None) -> Asking[pd.DataFrame]:
    """Where each hedge stands in its band, and what re-hedging costs."""
    return (yield from hedge.bands(name or (yield from portfolio())))


def hedge_effectiveness(name: str | None) -> Asking[pd.DataFrame]:
    """How much of the clients' P&L the hedges took away."""
    return (yield from hedge.effectiveness(name or (yield from portfolio())))


def hedge_frontier(underlying: str | None, name: str | None) -> Asking[HedgeFrontier]:
    """ES against cost for every size of one hedge."""
    return (yield from hedge.frontier(name or (yield from portfolio()), underlying))


def executions(n: int | None, raw: bool, **where: Any) -> Asking[pd.DataFrame]:
    """The newest executions, oldest first."""
    return executions_frame((yield from asking.listed("/v1/executions", n, **where))[::-1], raw)


def orders(n: int | None, raw: bool, **where: Any) -> Asking[pd.DataFrame]:
    """The newest orders, oldest first."""
    live = where.pop("live", None)
    told = where | ({} if live is None else {"live": str(bool(live)).lower()})
    return orders_frame((yield from asking.listed("/v1/orders", n, **told))[::-1], raw)


def order(client_order_id: str, account: str) -> Asking[LiveOrder]:
    """One order as it stands."""
    return LiveOrder((yield from asking.get(f"/v1/orders/{in_path(client_order_id)}", account=account)))


def send_order(
    instrument: str,
    side: Literal["buy", "sell"],
    qty: Any,
    price: Any,
    portfolio_name: str | None,
    account: str | None,
    client_order_id: str | None,
    time_in_force: str | None,
    post_only: bool = False,
    expire: Any = None,
) -> Asking[LiveOrder]:
    """Send an order; without price at market."""
    name = portfolio_name or (yield from portfolio())
    order_id = client_order_id or asking.new_id()
    told: dict[str, Any] = {
        "client_order_id": order_id, "account": account or name, "portfolio": name,
        "instrument": instrument, "side": side, "qty": decimal("qty", qty),
        "ord_type": "market" if price is None else "limit",
        "time_in_force": time_in_force or ("gtd" if expire is not None else "ioc" if price is None else "gtc"),
        "price": None if price is None else decimal("price", price),
    }  # fmt: skip
    if post_only:
        told["post_only"] = True
    if expire is not None:
        told["expire"] = _instant("expire", expire)
    try:
        return LiveOrder((yield from asking.send("POST", "/v1/orders", told)))
    except ApiError as e:
        raise e.of_order(order_id) from None


def cancel(which: LiveOrder | str, account: str | None) -> Asking[LiveOrder]:
    """Ask for an order to be cancelled."""
    if isinstance(which, LiveOrder):
        client_order_id, account = which.told["client_order_id"], which.told["account"]
    else:
        client_order_id, account = which, account or (yield from portfolio())
    return LiveOrder((yield from asking.delete(f"/v1/orders/{in_path(client_order_id)}", account=account)))


def signal(instrument: str, direction: str, strength: float, told: dict[str, Any]) -> Asking[str]:
    """Send a trading signal; its id."""
    body = {"instrument": instrument, "direction": direction, "strength": strength} | told
    if body.get("valid_until") is not None:
        body["valid_until"] = _instant("valid_until", body["valid_until"])
    return str((yield from asking.send("POST", "/v1/signals", body))["signal_id"])


def what_if(trades: Any, name: str | None, level: float, book_name: str, by: str) -> Asking[LiveWhatIf]:
    """Greeks and ES before and after trades."""
    from qflib.api.client.what_if import what_if_of

    which = name or (yield from portfolio())
    body = {"trades": asking.rows_of(trades), "level": level, "book": book_name, "by": by}
    return what_if_of((yield from asking.send("POST", f"/v1/portfolios/{in_path(which)}/what-if", body)))


def limits() -> Asking[pd.DataFrame]:
    """Limits in force, with where they stand as far as a report tells."""
    import pandas as pd

    told = yield from asking.get("/v1/limits")
    columns = ["name", "portfolio", "instrument", "value"]
    frame = pd.DataFrame([[r[c] for c in columns] for r in told["items"]], columns=columns)
    stands = pd.DataFrame(told["reported"], columns=["portfolio", "name", "value", "bound", "breached"])
    return frame.rename(columns={"value": "bound"}).merge(
        stands[["portfolio", "name", "value", "breached"]], how="outer", on=["portfolio", "name"]
    )


def control(path: str, told: dict[str, Any]) -> Asking[str]:
    """Send a control; its id. Where it may have been sent, the error's `context` has the id to send it again with."""
    return str((yield from asking.send("PUT", path, told))["control_id"])


def history(
    topic: str,
    table: str | None,
    instrument: str | None,
    start: Any,
    end: Any,
    columns: list[str] | None,
    limit: int | None,
    form: str,
    raw: bool,
) -> Asking[Any]:
    """Rows of the history, page by page."""
    import pyarrow as pa

    from qflib.history.reading import asked, shown

    if form not in ("frame", "arrow"):
        raise InputError(f"form {form!r} is unknown; give frame or arrow")
    params = {"table": table, "instrument": instrument, "start": _instant("start", start), "end": _instant("end", end)}
    wanted = columns if form == "arrow" else asked(topic, table, columns)
    names = None if wanted is None else ",".join(wanted)
    parts, held, cursor = [], 0, None
    while limit is None or held < limit:
        most = _ROWS if limit is None else min(_ROWS, limit - held)
        told = {
            k: v for k, v in (params | {"columns": names, "cursor": cursor, "limit": most}).items() if v is not None
        }
        reply: Reply = asking.checked((yield Request("GET", f"/v1/history/{in_path(topic)}", told, accept=_ARROW)))
        part = pa.ipc.open_stream(reply.body).read_all()
        parts.append(part)
        held += len(part)
        cursor = reply.headers.get(_NEXT)
        if cursor is None:
            break
    rows = pa.concat_tables(parts) if parts else pa.table({})
    if form == "arrow":
        return rows
    return shown(topic, table, rows, (yield from instruments()), columns, raw)


def _while(last: str) -> pd.Timedelta:
    import pandas as pd

    try:
        made: Any = pd.Timedelta(last)
    except ValueError:
        made = pd.NaT
    if pd.isna(made) or made <= pd.Timedelta(0):
        raise InputError(f"last={last!r} is no span of time; give one as 10min")
    return made  # type: ignore[no-any-return]


def _instant(what: str, at: Any) -> str | None:
    import pandas as pd

    if at is None:
        return None
    try:
        when: Any = pd.Timestamp(at)
    except (ValueError, TypeError):
        when = pd.NaT
    if pd.isna(when) or when.tzinfo is None:
        raise InputError(f"{what}={str(at)!r} is not an instant with a time zone; give one as 2026-01-05T14:30Z")
    return str(when.tz_convert("UTC").isoformat()).replace("+00:00", "Z")
