"""What the client gives: the API's JSON as small objects and DataFrames, with the names of `qf.Run`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError

_SIDES = {"buy": "bid", "sell": "ask"}
Levels = tuple[tuple[str, str], ...]
_HORIZON = {"D": 86_400 * 10**9, "h": 3_600 * 10**9, "min": 60 * 10**9, "ms": 10**6, "ns": 1, "s": 10**9}


@dataclass(frozen=True)
class LiveBook:
    """A book of the running desk at one moment, ours left out.

    Parameters
    ----------
    instrument
        Its symbol.
    seq
        Of the record that told it; -1: nothing has been told yet.
    time
        Market time (UTC).
    append_ns
        When Kafka had it, as far as it is known: what `age` counts from.
    status
        The venue's trading status.
    bids, asks
        (price, quantity) as decimal strings, best first, at most 20.
    last
        Price and quantity of the last trade, as decimal strings.

    Examples
    --------
    >>> at = pd.Timestamp("2026-01-05T14:30Z")
    >>> book = LiveBook("ACME.F", 7, at, 0, "continuous", (("99.99", "3"),), (("100.01", "2"), ("100.02", "5")), None)
    >>> book.bid, book.ask, round(book.mid, 2), book.depth(1)["qty"].tolist()
    (99.99, 100.01, 100.0, [3.0, 2.0])
    """

    instrument: str
    seq: int
    time: pd.Timestamp
    append_ns: int
    status: str
    bids: Levels
    asks: Levels
    last: tuple[str, str] | None

    @property
    def bid(self) -> float:
        """Best bid; NaN where there is none."""
        return float(self.bids[0][0]) if self.bids else float("nan")

    @property
    def ask(self) -> float:
        """Best ask; NaN where there is none."""
        return float(self.asks[0][0]) if self.asks else float("nan")

    @property
    def mid(self) -> float:
        """Half way between them."""
        return (self.bid + self.ask) / 2

    @property
    def spread(self) -> float:
        """Ask less bid."""
        return self.ask - self.bid

    @property
    def age(self) -> pd.Timedelta:
        """How long ago Kafka had it, by this machine's clock."""
        return pd.Timedelta(max(0, time.time_ns() - self.append_ns), unit="ns")

    def depth(self, n: int = 10, *, raw: bool = False) -> pd.DataFrame:
        """The best `n` levels a side, bids first, as `OrderBook.depth`: side, level, price, qty, cumulative.

        `raw` gives prices and quantities as decimal strings.
        """
        rows = [
            (side, k, *row) for side, of in (("bid", self.bids), ("ask", self.asks)) for k, row in enumerate(of[:n])
        ]
        frame = pd.DataFrame(rows, columns=["side", "level", "price", "qty"])
        if raw:
            return frame
        frame = frame.astype({"level": np.int64, "price": np.float64, "qty": np.float64})
        frame["cumulative"] = frame.groupby("side")["qty"].cumsum()
        return frame

    def to_frame(self) -> pd.DataFrame:
        """As `depth`, all levels."""
        return self.depth(len(self.bids) + len(self.asks))

    def plot(self, n: int = 10) -> Any:
        """Quantity by price, bids and asks."""
        from qflib.api.client.pictures import book_picture

        return book_picture(self, n)

    def __repr__(self) -> str:
        return (
            f"<LiveBook {self.instrument}: bid {self.bid:g}, ask {self.ask:g}, {self.time:%H:%M:%S.%f}, seq {self.seq}>"
        )

    def _repr_html_(self) -> str:
        head = f"<b>{self.instrument}</b> {self.time:%Y-%m-%d %H:%M:%S.%f} UTC, {self.status}, seq {self.seq}"
        return head + str(self.depth(5).to_html(index=False))


@dataclass(frozen=True)
class LiveOrder:
    """An order of the running desk, as it stood when it was asked.

    Parameters
    ----------
    told
        The API's own form: client_order_id, account, instrument, side, price, qty, ord_status, cum_qty, …

    Examples
    --------
    >>> order = LiveOrder({"client_order_id": "a-1", "ord_status": "filled", "qty": "3", "cum_qty": "3"})
    >>> order.client_order_id, order.ord_status, order.done, order.told["cum_qty"]
    ('a-1', 'filled', True, '3')
    """

    told: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["told"][name]
        except KeyError:
            raise AttributeError(
                f"an order has no {name!r}; it has {', '.join(self.__dict__.get('told', ()))}"
            ) from None

    @property
    def answered(self) -> bool:
        """Whether the exchange has said something of it."""
        return bool(self.told["ord_status"] != "pending_new")

    @property
    def done(self) -> bool:
        """Whether it can trade no more."""
        return self.told["ord_status"] in ("filled", "cancelled", "replaced", "rejected", "expired")

    def to_frame(self) -> pd.DataFrame:
        """One row, as of `Live.orders`."""
        return orders_frame([self.told])

    def __repr__(self) -> str:
        o = self.told
        price = "at market" if o.get("price") is None else f"at {o['price']}"
        what = f"{o.get('side')} {o.get('qty')} {o.get('instrument')} {price}"
        return f"<LiveOrder {o['client_order_id']}: {what}, {o['ord_status']}>"

    def _repr_html_(self) -> str:
        shown = ("client_order_id", "instrument", "side", "qty", "price", "ord_status", "reason", "cum_qty", "avg_px")
        return str(pd.DataFrame({"": {n: self.told.get(n) for n in shown}}).to_html(header=False))


def book_of(told: Mapping[str, Any]) -> LiveBook:
    """A book from its JSON form."""
    last = told["last"]
    append_ns = told.get("append_ns") or time.time_ns() - told["age_ms"] * 1_000_000
    return LiveBook(
        told["instrument"], told["seq"], pd.Timestamp(told["time_ns"], unit="ns", tz="UTC"), append_ns, told["status"],
        tuple((p, q) for p, q in told["bids"]), tuple((p, q) for p, q in told["asks"]),
        None if last is None else (last["price"], last["qty"]),
    )  # fmt: skip


def risk_frame(told: Mapping[str, Any]) -> pd.DataFrame:
    """A risk report as `Run.risk` shows it: a row a level."""
    own = {n: told[n] for n in ("set_id", "dynamics", "decay", "unpriced", "vector_error", "seq")}
    rows = [
        {"portfolio": told["portfolio"], "level": r["level"], "horizon_ns": _horizon_ns(r["horizon"])}
        | {k: v for k, v in r.items() if k not in ("level", "horizon")}
        | own
        for r in told["levels"]
    ]
    made = pd.DataFrame(rows, index=_utc([told["time_ns"]] * len(rows)))
    return made.astype({n: np.float64 for n in made.columns if n.startswith(("es_", "var_", "target_"))})


def positions_frame(told: Mapping[str, Any], raw: bool) -> pd.DataFrame:
    """Positions as `Run.positions` shows them."""
    frame = pd.DataFrame(told["items"])
    if not len(frame):
        return pd.DataFrame()
    kept = [c for c in frame.columns if c not in ("underlying", "kind")]
    exact = ("qty", "avg_price", "mark")
    made = _numbers(frame[kept], () if raw else exact)
    figures = [c for c in kept if c not in ("instrument", "book", *(exact if raw else ("qty",)))]
    return made.astype(dict.fromkeys(figures, np.float64)).set_index("instrument")


def executions_frame(items: Iterable[Mapping[str, Any]], raw: bool = False) -> pd.DataFrame:
    """Executions as `Run.executions` shows them, oldest first; index exchange time (UTC)."""
    numbers = ("qty", "price", "cum_qty", "leaves_qty", "queue_ahead", "fee", "cash")
    made = _rows(items, EXECUTION_COLUMNS, () if raw else numbers)
    return made.assign(side=made["side"].map(_SIDES).fillna("none"))  # as the run names them


def orders_frame(items: Iterable[Mapping[str, Any]], raw: bool = False) -> pd.DataFrame:
    """Orders, oldest first; index the exchange's time of their last change (UTC)."""
    numbers = ("price", "qty", "cum_qty", "leaves_qty", "queue_ahead", "avg_px", "fees")
    return _rows(items, ORDER_COLUMNS, () if raw else numbers)


def trades_frame(items: Iterable[Mapping[str, Any]], raw: bool = False) -> pd.DataFrame:
    """The venue's trades, oldest first; index receipt time (UTC)."""
    return _rows(items, ("price", "qty", "side", "seq"), () if raw else ("price", "qty"))


def decimal(what: str, value: Any) -> str:
    """A number as the API takes it.

    Raises
    ------
    InputError
        If it is no finite number.

    Examples
    --------
    >>> decimal("price", 100.05), decimal("qty", "3.0"), decimal("qty", 1e-8)
    ('100.05', '3', '0.00000001')
    """
    from decimal import Decimal, InvalidOperation

    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise InputError(f"{what} {value!r} is no finite number; give one as 100.25 or '100.25'")
    return f"{number.normalize():f}" if number else "0"


EXECUTION_COLUMNS = (
    "exec_type", "ord_status", "reason", "instrument", "side", "exec_id", "qty", "cum_qty", "leaves_qty", "price",
    "fee", "cash", "liquidity", "account", "portfolio", "book", "client_order_id", "orig_client_order_id", "hedge",
    "seq", "queue_ahead",
)  # fmt: skip
ORDER_COLUMNS = (
    "account", "client_order_id", "portfolio", "book", "instrument", "side", "ord_type", "time_in_force", "price",
    "qty", "action", "ord_status", "reason", "cum_qty", "leaves_qty", "avg_px", "fees", "orig_client_order_id",
    "replaced_by", "hedge", "seq", "post_only", "expire", "queue_ahead",
)  # fmt: skip


def _rows(items: Iterable[Mapping[str, Any]], columns: tuple[str, ...], numbers: tuple[str, ...]) -> pd.DataFrame:
    rows = list(items)
    frame = pd.DataFrame([[r[c] for c in columns] for r in rows], columns=list(columns), dtype=object)
    for name in ("exec_id", "seq"):
        if name in columns:
            frame[name] = frame[name].astype(np.int64)
    return _numbers(frame, numbers).set_index(_utc([r["time_ns"] for r in rows]))


def _numbers(frame: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    return frame.assign(**{n: frame[n].astype(np.float64) for n in names})


def _utc(ns: list[int]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.array(ns, np.int64).astype("M8[ns]"), tz="UTC", name="time")


def _horizon_ns(text: str) -> int:
    for unit, ns in _HORIZON.items():
        if text.endswith(unit):
            return int(text.removesuffix(unit)) * ns
    return 0
