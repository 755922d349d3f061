"""Orders of one's own, sent to a recording at given times: what they fill, when, and what that cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.desk.feed import Feed
from qflib.errors import InputError
from qflib.orderbook.plot import LEGEND_ABOVE
from qflib.orderbook.result import Result
from qflib.progress import through_batches
from qflib.records import (
    EXECUTIONS,
    ORDERS,
    Batch,
    ExecType,
    Instruments,
    Liquidity,
    OrderAction,
    OrderOption,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from qflib.steps.exchange import Exchange, ExchangeConfig
from qflib.steps.normalize import Normalize

_SIDES = {"buy": int(Side.BID), "sell": int(Side.ASK)}
_COLUMNS = ("instrument", "side", "qty")


@dataclass(frozen=True, eq=False)
class PaperTrades(Result):
    """What became of orders sent to a recording.

    Attributes
    ----------
    orders
        A row an order, in the order sent; index `time` (UTC), when it reached the exchange. Columns parent, instrument,
        side, qty, price (NaN: at market), status, reason (of a refusal), filled, avg_price, fees (settlement currency),
        arrival (the mid then) and cost: what the fills paid beyond arrival, in quote currency a unit of quantity,
        without fees; positive is a cost.
    fills
        A row a fill; index `time` (UTC). Columns order (its row), price, qty, liquidity.
    places
        A row a resting order and period; index `time` (UTC). Columns order, queue_ahead, leaves_qty.
    """

    orders: pd.DataFrame
    fills: pd.DataFrame
    places: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """As `orders`."""
        return self.orders

    def shortfall(self) -> pd.DataFrame:
        """What each parent order paid beyond the mid at its first arrival.

        Returns
        -------
        DataFrame
            Index `parent`: instrument, side, qty, filled, arrival, avg_price, fees; walked, what the fills paid beyond
            the mid when their orders arrived; drift, what the mid had moved by then; cost, the sum of the two. These
            three in quote currency a unit filled, NaN without fills; positive is a cost. What is not filled costs
            nothing here.
        """
        rows = {}
        for parent, own in self.orders.groupby("parent", sort=False):
            filled = float(own["filled"].sum())
            done = own[own["filled"] > 0]
            share = done["filled"] / filled
            paid = float((share * done["avg_price"]).sum()) if filled else math.nan
            walked = float((share * done["cost"]).sum()) if filled else math.nan
            first = own.iloc[0]
            cost = (1.0 if first["side"] == "buy" else -1.0) * (paid - first["arrival"])
            rows[parent] = {
                "instrument": first["instrument"], "side": first["side"], "qty": own["qty"].sum(), "filled": filled,
                "arrival": first["arrival"], "avg_price": paid, "fees": own["fees"].sum(), "walked": walked,
                "drift": cost - walked, "cost": cost,
            }  # fmt: skip
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("parent")

    def plot(self) -> Any:
        """Quantity filled so far over time, and the fills' prices."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401

        told = self.fills.set_axis(pd.DatetimeIndex(self.fills.index).tz_localize(None))
        size = {"width": 440, "height": 320, "show_grid": True}
        done = hv.Curve((told.index, told["qty"].cumsum()), "UTC", "filled so far").opts(
            interpolation="steps-post", title="Quantity", **size
        )
        colors = {"maker": "#2a9d4a", "taker": "#c1272d"}
        at = [
            hv.Scatter((part.index, part["price"]), "UTC", "price", label=str(kind)).opts(
                color=colors[str(kind)], size=5
            )
            for kind, part in told.groupby("liquidity", sort=True)
        ]
        prices = hv.Overlay(at or [hv.Scatter([], "UTC", "price")]).opts(title="Fills", **LEGEND_ABOVE, **size)
        return hv.Layout([done, prices]).cols(2)


def paper_trade(
    feed: Feed,
    orders: pd.DataFrame,
    *,
    period: str | pd.Timedelta = "100ms",
    config: ExchangeConfig | None = None,
    progress: bool = False,
) -> PaperTrades:
    """Send orders to the exchange step over a feed.

    Parameters
    ----------
    feed
        A recording, or the simulator.
    orders
        A row an order. Index: when it is sent, tz-aware, in time order. Columns instrument, side ("buy" or "sell") and
        qty; price: a limit, NaN or no column: at market; join: true for a limit at the best price of its own side when
        it arrives; expire: when it ends, NaT: never; parent: what it is a slice of (default: all of one).
    period
        Orders reach the exchange, and places are noted, at multiples of it; the first at or after the time sent.
    config
        Fees, ages and limits of the exchange; its grid is `period`.
    progress
        Show a bar.

    Returns
    -------
    PaperTrades
        O(events + orders + periods x resting orders).

    Raises
    ------
    InputError
        If the feed has none of the instruments, a column or time is missing or out of range, a price is not on a
        tick or a quantity not in lots, a parent has several sides, or an order joins a side that is empty.

    Notes
    -----
    What a fill assumes: `docs/paper_trading.md`. Orders see the venue's book less what they have taken themselves;
    nobody reacts to them. Costs are implementation shortfall: Perold, "The implementation shortfall: paper versus
    reality", Journal of Portfolio Management 14(3), 1988.

    Examples
    --------
    >>> import pandas as pd, qflib as qf
    >>> from qflib.desk import paper_trade
    >>> feed = qf.datasets.load("sim", seed=7, duration="2s")
    >>> orders = pd.DataFrame({"instrument": "ACME.F", "side": "buy", "qty": [5, 5], "join": [False, True]},
    ...                       index=[feed.start + pd.Timedelta("1s")] * 2)
    >>> made = paper_trade(feed, orders)
    >>> made.orders["status"].tolist()[0], bool(made.orders["cost"].iloc[0] > 0)
    ('filled', True)
    """
    table = feed.instruments
    asked = _checked(orders, table)
    span = pd.Timedelta(period)
    if not span.value > 0:
        raise InputError(f"period {period!r} is not positive; give a duration, as '100ms'")
    made = _Sending(table, span.value, config or ExchangeConfig())
    made.run(feed, asked, progress)
    return made.told(asked)


def _checked(orders: pd.DataFrame, table: Instruments) -> pd.DataFrame:
    if missing := [c for c in _COLUMNS if c not in orders]:
        raise InputError(f"orders have no column {missing[0]!r}; give {', '.join(_COLUMNS)}")
    index = orders.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None or not index.is_monotonic_increasing:
        raise InputError("orders are not indexed by rising times with a zone; give when each is sent")
    if bad := sorted(set(orders["side"]) - set(_SIDES)):
        raise InputError(f"side {bad[0]!r} is unknown; give 'buy' or 'sell'")
    known = [r.symbol for r in table]
    if bad := sorted(set(orders["instrument"]) - set(known)):
        raise InputError(f"instrument {bad[0]!r} is not of the feed; it has {', '.join(known[:5])}")
    kept = orders.assign(qty=orders["qty"].astype(np.float64))
    kept["price"] = orders["price"].astype(np.float64) if "price" in orders else math.nan
    kept["join"] = orders["join"].astype(bool) if "join" in orders else False
    kept["expire"] = orders.get("expire", pd.NaT)
    kept["parent"] = orders.get("parent", 0)
    if len(kept.drop_duplicates(["parent", "instrument", "side"])) > kept["parent"].nunique():
        raise InputError("a parent has slices of several instruments or sides; give each its own")
    kept["row"] = [known.index(s) for s in orders["instrument"]]
    lots = table.to_lots(kept["row"].to_numpy(np.int64), kept["qty"].to_numpy())
    if len(kept) and not ((kept["qty"] > 0) & (lots > 0)).all():
        raise InputError(f"qty {kept['qty'].min():g} is not a positive number of lots; the side says which way")
    limited = kept[kept["price"].notna()]
    rows, price = limited["row"].to_numpy(np.int64), limited["price"].to_numpy()
    off = ~np.isclose(table.to_price(rows, table.to_ticks(rows, price)), price, rtol=1e-9, atol=0.0)
    if off.any():
        raise InputError(
            f"price {price[off][0]} is not on a tick of {limited['instrument'].iloc[off.argmax()]}; round it"
        )
    return kept.assign(lots=lots)


class _Sending:
    """The exchange, what it has told, and the tops it last marked."""

    def __init__(self, table: Instruments, period_ns: int, config: ExchangeConfig) -> None:
        self.table, self.period_ns = table, period_ns
        self.normalize, self.exchange = Normalize(table), Exchange(table, replace(config, period_ns=period_ns))
        self.tops: dict[int, tuple[int, int, int, int]] = {}  # instrument -> bid, its lots, ask, its lots
        self.executions: list[Any] = []
        self.arrival: list[float] = []
        self.limits: list[float] = []
        self.times: list[int] = []
        self.of: dict[int, int] = {}  # the exchange's order id -> row
        self.places: list[tuple[int, int, int, int, int]] = []

    def run(self, feed: Feed, asked: pd.DataFrame, progress: bool) -> None:
        """Market data to the exchange, and orders as they are due."""
        due = asked.index.tz_convert("UTC").as_unit("ns").asi8  # type: ignore[attr-defined]
        sent = 0
        batches = feed.raw(self.period_ns)
        if progress:
            batches = through_batches(batches, feed.start.value, feed.end.value, "orders")
        for batch in batches:
            for out in self.normalize.feed(batch):
                self.take(self.exchange.feed(out))
            if batch.kind != "clock":
                continue
            now = self.exchange.time_ns
            while sent < len(due) and due[sent] <= now:
                self.send(asked.iloc[sent], sent, now)
                sent += 1
            for r in self.exchange.resting:
                self.places.append(
                    (
                        now,
                        self.of[int(r["order_id"])],
                        int(r["instrument"]),
                        int(r["queue_ahead"]),
                        int(r["leaves_qty"]),
                    )
                )
        if sent < len(due):
            raise InputError(f"order {sent} is sent at {asked.index[sent]}, after the feed's end at {feed.end}")

    def send(self, order: Any, row: int, now: int) -> None:
        """One order, priced by what stands in the book."""
        k, side = int(order["row"]), _SIDES[order["side"]]
        bid, bid_qty, ask, ask_qty = self.tops.get(k, (0, 0, 0, 0))
        mid = self.table.to_price(k, bid) / 2 + self.table.to_price(k, ask) / 2 if bid_qty and ask_qty else math.nan
        at_market = not order["join"] and math.isnan(order["price"])
        ticks = 0 if at_market else int(self.table.to_ticks(k, order["price"])) if not order["join"] else 0
        if order["join"]:
            ticks, there = (bid, bid_qty) if side == _SIDES["buy"] else (ask, ask_qty)
            if not there:
                raise InputError(f"order {row} joins an empty side of {order['instrument']}; give it a price")
        ends = not pd.isna(order["expire"])
        made = ORDERS.make(
            action=[OrderAction.NEW], instrument=[k], side=[side], price_ticks=[ticks], qty=[int(order["lots"])],
            ord_type=[OrderType.MARKET if at_market else OrderType.LIMIT],
            time_in_force=[TimeInForce.IOC if at_market else TimeInForce.GTD if ends else TimeInForce.GTC],
            expire_ns=[pd.Timestamp(order["expire"]).value if ends else 0], options=[OrderOption.TELL_QUEUE],
            account=["PAPER"], portfolio=["PAPER"], book=[1], client_order_id=[str(row)],
        )  # fmt: skip
        self.arrival.append(mid)
        self.limits.append(math.nan if at_market else self.table.to_price(k, ticks))
        self.times.append(now)
        self.take(self.exchange.feed(Batch.of("order", orders=made)))

    def take(self, made: list[Batch]) -> None:
        """Executions are kept, of marks the tops."""
        for batch in made:
            if batch.kind == "execution":
                x = batch.executions
                self.executions.append(x)
                for order_id, client in zip(x.order_id.tolist(), x.client_order_id.tolist(), strict=True):
                    self.of[order_id] = int(client)
            elif batch.kind == "marks":
                t = batch.tops
                rows = zip(
                    t.bid_ticks.tolist(), t.bid_qty.tolist(), t.ask_ticks.tolist(), t.ask_qty.tolist(), strict=True
                )
                self.tops.update(zip(t.instrument.tolist(), rows, strict=True))

    def told(self, asked: pd.DataFrame) -> PaperTrades:
        """The three tables."""
        x = EXECUTIONS.concat(self.executions)
        row = np.array([int(c) for c in x.client_order_id.tolist()], np.int64)
        fill = x.exec_type == ExecType.FILL
        at = x.instrument[fill].astype(np.int64)
        price, qty = self.table.to_price(at, x.price_ticks[fill]), self.table.to_qty(at, x.qty[fill])
        names = {int(c): c.name.lower() for c in Liquidity}
        fills = pd.DataFrame(
            {"order": row[fill], "price": price, "qty": qty, "liquidity": [names[int(v)] for v in x.liquidity[fill]]},
            index=_utc(x.time_ns[fill]),
        )
        n = len(asked)
        filled = np.bincount(row[fill], qty, n)
        worth, fees = np.bincount(row[fill], price * qty, n), np.bincount(row[fill], x.fee[fill], n)
        status, reason = [""] * n, [""] * n
        for r, code, why in zip(row.tolist(), x.ord_status.tolist(), x.reason.tolist(), strict=True):
            status[r], reason[r] = OrderStatus(code).name.lower(), Reason(why).name.lower() if why else ""
        with np.errstate(invalid="ignore"):
            average = worth / filled
        sign = np.where(asked["side"] == "buy", 1.0, -1.0)
        orders = asked[["parent", "instrument", "side", "qty"]].assign(
            price=self.limits, status=status, reason=reason, filled=filled, avg_price=average, fees=fees,
            arrival=self.arrival, cost=sign * (average - np.array(self.arrival)),
        )  # fmt: skip
        return PaperTrades(orders.set_axis(_utc(np.array(self.times, np.int64))), fills, self._places())

    def _places(self) -> pd.DataFrame:
        t = np.array(self.places, np.int64).reshape(-1, 5)
        ahead, leaves = (self.table.to_qty(t[:, 2], t[:, j]) for j in (3, 4))
        return pd.DataFrame({"order": t[:, 1], "queue_ahead": ahead, "leaves_qty": leaves}, index=_utc(t[:, 0]))


def _utc(ns: NDArray[np.int64]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(ns.astype("M8[ns]"), tz="UTC", name="time")
