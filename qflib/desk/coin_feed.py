"""Coin-settled chains as a feed: option quotes as recorded, and a hedge book made around each future's mark."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.desk.coin_chains import CoinChains, future_expiries
from qflib.desk.feed import RecordedFeed
from qflib.errors import InputError
from qflib.records import MARKET_EVENTS, EventFlag, EventKind, Instrument, Instruments, Side
from qflib.venues.files import recording_of

_OPTION_TICKS = (("0", "0.0001"), ("0.005", "0.0005"))
#: Contract in quote currency, tick of futures, lot of options.
_CONTRACTS = {"BTC": (10.0, "0.5", "0.1"), "ETH": (1.0, "0.05", "1")}
_OPTION_QTY = 10.0  # contracts at a quote: the recordings tell none
_SOLD = {"BTC": 25.0, "ETH": 500.0}  # contracts of each option in the book that is hedged
_SOLD_FIRST, _SOLD_LAST = pd.Timedelta(days=20), pd.Timedelta(days=60)  # to expiry: none expires on the way
_HALF_LIFE = pd.Timedelta(days=5)  # of realised vol in the history
_YEAR = pd.Timedelta(days=365)
_FLAGS = int(EventFlag.SNAPSHOT)


@dataclass(frozen=True, slots=True)
class HedgeBook:
    """What the book of a future looks like around its mark.

    Parameters
    ----------
    half_spread_bps
        From the mark to the best prices, in basis points of it; rounded outwards to the tick.
    step_bps
        Between one level and the next.
    levels
        A side.
    depth
        Mean size of a level, in quote currency; sizes are exponential.
    seed
        Of the sizes: the same seed gives the same books.

    Raises
    ------
    InputError
        If one is not positive.
    """

    half_spread_bps: float = 1.0
    step_bps: float = 1.0
    levels: int = 10
    depth: float = 250_000.0
    seed: int = 7

    def __post_init__(self) -> None:
        for name in ("half_spread_bps", "step_bps", "levels", "depth"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; a book has a positive one")


class CoinFeed(RecordedFeed):
    """Snapshots of inverse chains as market data of one connection.

    Parameters
    ----------
    chains
        The snapshots. Nothing is told between them: time passes, and the books stand.
    book
        How the books of the futures are made.

    Raises
    ------
    InputError
        If a coin's contracts are not known, or an option's price is off Deribit's tick.

    Notes
    -----
    Recorded: option bids and asks, marks of futures. Not recorded, and made: the books of futures, the size at an
    option's quote (10 contracts). Term futures that expire on the way are left out: at 08:00 there is no snapshot, so
    neither a price to settle at nor a book to roll in.

    `history` has the perpetual's marks up to the first snapshot, and for want of recorded vols an exponentially
    weighted realised one, half-life five days. `positions` is a book to hedge: of each coin the calls and puts nearest
    to a delta of a third, of the expiries between 20 and 60 days, sold at their marks.
    O(rows).

    Examples
    --------
    >>> from qflib.desk.coin_feed import CoinFeed
    >>> from qflib.desk.sim_chains import simulated_chains
    >>> feed = CoinFeed(simulated_chains(seed=7, snapshots=3))
    >>> feed.to_frame(rows=2)["kind"].tolist(), feed.instruments["BTC-PERPETUAL"].inverse
    (['quote', 'quote'], True)
    """

    def __init__(self, chains: CoinChains, book: HedgeBook | None = None) -> None:
        self.chains, self.book = chains, book or HedgeBook()
        table = instruments_of(chains)
        events = np.concatenate([_option_rows(chains, table), _future_rows(chains, table, self.book)])
        super().__init__(recording_of(events, table))
        self.history = _history(chains)
        self.positions = _sold(chains)

    def __repr__(self) -> str:
        return f"CoinFeed({len(self.chains.times)} snapshots, {len(self.instruments)} instruments, {self.book})"


def instruments_of(chains: CoinChains) -> Instruments:
    """The instrument table of chains and their futures: inverse, settled in coin; options, then futures.

    Parameters
    ----------
    chains
        The snapshots.

    Returns
    -------
    Instruments

    Raises
    ------
    InputError
        If a coin's contracts are not known.

    Examples
    --------
    >>> from qflib.desk.sim_chains import simulated_chains
    >>> instruments_of(simulated_chains(snapshots=2))["ETH-27MAR26"].contract_value
    1.0
    """
    for coin in chains.underlyings:
        if coin not in _CONTRACTS:
            raise InputError(f"contracts of {coin!r} are not known; expected one of {', '.join(_CONTRACTS)}")
    told = chains.options.drop_duplicates("symbol").sort_values(["expiry", "underlying", "strike", "right"])
    kept: dict[str, Any] = {"inverse": True, "settlement_type": "cash", "venue": "deribit", "levels": True}
    columns = (told[c].tolist() for c in ("symbol", "underlying", "right", "strike", "expiry"))
    made = [
        Instrument(
            symbol, kind="option", underlying=coin, right=right, style="european", strike=float(strike), expiry=expiry,
            tick_schedule=_OPTION_TICKS, lot=_CONTRACTS[coin][2], settlement_currency=coin, venue_symbol=symbol, **kept,
        )
        for symbol, coin, right, strike, expiry in zip(*columns, strict=True)
    ]  # fmt: skip
    made += [_future(symbol, expiry, kept) for symbol, expiry in _futures(chains).items()]
    return Instruments(tuple(made))


def _futures(chains: CoinChains) -> dict[str, pd.Timestamp | None]:
    """Perpetuals, and the term futures quoted at every snapshot that outlive the last."""
    marks = chains.futures.reindex(chains.times)
    whole = [str(s) for s in marks.columns[marks.notna().all()] if s.partition("-")[0] in chains.underlyings]
    expiries = future_expiries(whole)
    alive = sorted((e, s) for s, e in expiries.items() if e > chains.times[-1])
    perpetuals: dict[str, pd.Timestamp | None] = {s: None for s in sorted(whole) if s not in expiries}
    return perpetuals | {s: e for e, s in alive}


def _future(symbol: str, expiry: pd.Timestamp | None, kept: dict[str, Any]) -> Instrument:
    coin = symbol.partition("-")[0]
    size, tick, _ = _CONTRACTS[coin]
    return Instrument(
        symbol, kind="perpetual" if expiry is None else "future", underlying=coin, expiry=expiry, contract_value=size,
        tick_schedule=(("0", tick),), settlement_currency=coin, venue_symbol=symbol, **kept,
    )  # fmt: skip


def _option_rows(chains: CoinChains, table: Instruments) -> NDArray[Any]:
    """Both sides of every quote; a contract that is gone from a snapshot loses its quote."""
    o = chains.options
    gone = _gone(chains)
    time = np.concatenate([o["time"].astype("int64").to_numpy(), gone["time"].astype("int64").to_numpy()])
    at = np.array([table.id(s) for s in [*o["symbol"], *gone["symbol"]]], np.uint32)
    sides = []
    for side, name in ((Side.BID, "bid"), (Side.ASK, "ask")):
        price = np.concatenate([o[name].to_numpy(np.float64), np.full(len(gone), np.nan)])
        known = np.isfinite(price) & (price > 0)
        price = np.where(known, price, 0.0)
        ticks = table.to_ticks(at, price)
        off = np.abs(table.to_price(at, ticks) - price) > 1e-9
        if off.any():
            raise InputError(f"an option's {name} {price[off][0]} is off the tick of 0.0001; check the chains' prices")
        rows = np.zeros(len(price), MARKET_EVENTS.dtype)
        rows["kind"], rows["side"], rows["instrument"] = int(EventKind.QUOTE), int(side), at
        rows["price_ticks"] = np.where(known, ticks, 0)
        rows["qty"] = np.where(known, table.to_lots(at, np.full(len(price), _OPTION_QTY)), 0)
        rows["flags"] = int(EventFlag.LAST) if side == Side.ASK else 0
        rows["receipt_ns"] = rows["venue_ns"] = time
        sides.append(rows)
    made = np.stack(sides, axis=1).reshape(-1)
    return made[np.argsort(made["receipt_ns"], kind="stable")]


def _gone(chains: CoinChains) -> pd.DataFrame:
    """Contracts a snapshot lacks and the one before it had: time, symbol; those that expired lose no quote."""
    o, times = chains.options, chains.times
    later = dict(pairwise(times))
    next_one = pd.to_datetime(o["time"].map(later), utc=True)  # of one snapshot alone the map has no type
    after = o[["time", "symbol", "expiry"]].assign(time=next_one).dropna(subset=["time"])
    after = after[after["expiry"] > after["time"]]
    there = pd.MultiIndex.from_frame(o[["time", "symbol"]])
    return after[~pd.MultiIndex.from_frame(after[["time", "symbol"]]).isin(there)]


def _future_rows(chains: CoinChains, table: Instruments, book: HedgeBook) -> NDArray[Any]:
    """A whole book of every future at every snapshot, after the options' quotes."""
    rng = np.random.default_rng(book.seed)
    away = (book.half_spread_bps + book.step_bps * np.arange(book.levels)) * 1e-4
    parts = []
    for time in chains.times:
        marks = chains.futures.loc[time].dropna()
        for symbol, mark in marks[[s for s in marks.index if s in table]].items():
            at = table.id(str(symbol))
            tick = float(table.to_price(at, 1))
            bids = np.floor(mark * (1.0 - away) / tick).astype(np.int64)
            asks = np.ceil(mark * (1.0 + away) / tick).astype(np.int64)
            size = book.depth / table[at].contract_value
            rows = np.zeros(1 + 2 * book.levels, MARKET_EVENTS.dtype)
            rows["kind"] = [int(EventKind.CLEAR), *[int(EventKind.LEVEL)] * (2 * book.levels)]
            rows["side"][1:] = np.repeat([int(Side.BID), int(Side.ASK)], book.levels)
            rows["instrument"], rows["flags"] = at, _FLAGS
            rows["price_ticks"][1:] = np.concatenate([bids, asks])
            rows["qty"][1:] = np.maximum(np.rint(rng.exponential(size, 2 * book.levels)), 1.0)
            rows["flags"][-1] |= int(EventFlag.LAST)
            rows["receipt_ns"] = rows["venue_ns"] = time.value
            parts.append(rows)
    return np.concatenate(parts)


def _history(chains: CoinChains) -> pd.DataFrame:
    """The perpetuals up to the first snapshot, and the vol that they realised."""
    past = chains.futures[chains.futures.index <= chains.times[0]]
    made: dict[tuple[str, str], pd.Series[float]] = {}
    for coin in chains.underlyings:
        spot = past[f"{coin}-PERPETUAL"].dropna()
        years = pd.Series(pd.DatetimeIndex(spot.index).diff() / _YEAR, spot.index)
        variance = np.log(spot).diff() ** 2 / years
        made[coin, "spot"] = spot
        made[coin, "atm_vol"] = np.sqrt(variance.ewm(halflife=_HALF_LIFE, times=spot.index).mean())
    return pd.DataFrame(made).iloc[20:].dropna()  # five days: the first averages are of too few


def _sold(chains: CoinChains) -> pd.DataFrame:
    from qflib.pricing import greeks

    first = chains.options[chains.options["time"] == chains.times[0]]
    first = first[(first["bid"] > 0.0) & (first["ask"] > 0.0) & (first["vol"] > 0.0)]
    first = first[(first["expiry"] - first["time"]).between(_SOLD_FIRST, _SOLD_LAST)]
    a = [first[c].to_numpy() for c in ("right", "strike", "years", "vol")]
    delta = greeks(*a, forward=first["forward"].to_numpy(), rate=0.0)["delta"]
    away = np.abs(np.abs(np.asarray(delta, np.float64)) - 1.0 / 3.0)
    nearest = first.assign(away=away).sort_values(["away", "symbol"])
    sold = nearest.drop_duplicates(["underlying", "expiry", "right"]).sort_values("symbol")
    qty = -sold["underlying"].map(_SOLD)
    return pd.DataFrame({"instrument": sold["symbol"], "qty": qty, "avg_price": sold["mark"]}).reset_index(drop=True)
