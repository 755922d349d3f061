"""Where a recalibration is from: the desk's archived market of a date, or a simulated one that says so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import qflib as qf
from qflib import settings
from qflib.desk.chains import chain_of, tops_frame
from qflib.desk.closing import closing
from qflib.desk.deployment import Deployment
from qflib.desk.feed import Feed
from qflib.desk.history_day import day_of, days_of
from qflib.desk.history_feed import HistoryFeed
from qflib.errors import DataError, InputError
from qflib.history import History
from qflib.history.opening import desk_history
from qflib.jobs.recalibration import Recalibration
from qflib.jobs.simulated_desk import simulated_desk
from qflib.orderbook.books import Books
from qflib.pricing import Smiles, fit_smiles
from qflib.records import MARKET_EVENTS
from qflib.views.forwards import expiry_forwards

_DAY_NS = 86_400 * 10**9


class Close(NamedTuple):
    """Best prices at a date's last event.

    Parameters
    ----------
    at
        Its instant.
    tops
        Index symbol; bid, ask, bid_qty, ask_qty.
    """

    at: pd.Timestamp
    tops: pd.DataFrame


def recalibration(
    as_of: str,
    portfolio: str = "DESK1",
    level: float = 0.975,
    source: str = "auto",
    seed: int = 7,
    duration: str = "10min",
) -> Recalibration:
    """Surfaces and scenario set of a date.

    Parameters
    ----------
    as_of
        UTC date, as 2026-01-05.
    portfolio
        Whose positions both sets are compared on.
    level
        Confidence of ES.
    source
        "history" (setting `state`, below ``up/history``), "sim", or "auto": the history where it has the date.
    seed, duration
        Of the simulated market.

    Returns
    -------
    Recalibration
        Each date since the end of the daily history adds a row to it: the forward at its last event, and the vol at the
        money of the nearest expiry that has one.

    Raises
    ------
    InputError
        If the source is none.
    DataError
        If the history is asked for and lacks the date, an underlying cannot be fitted, or the desk's market has no
        daily history.

    Notes
    -----
    O(events archived up to the date): books are replayed from their beginning, once.

    Examples
    --------
    >>> from qflib.jobs.recalibration_source import recalibration
    >>> made = recalibration("2026-01-05", source="sim", duration="3s")
    >>> made.added, len(made.history)
    (True, 1501)
    """
    if source not in ("auto", "history", "sim"):
        raise InputError(f"source {source!r} is unknown; give auto, history or sim")
    chosen = settings.load()
    up = chosen.state / "up"
    history = desk_history(up / "history", chosen.store)
    known = days_of(history, portfolio) if source != "sim" else ()
    if as_of in known:
        return _of_history(up, history, as_of, portfolio, level)
    if source == "history":
        has = f"those of {', '.join(known[-8:])}" if known else "none at all"
        raise DataError(f"the history has no risk reports of {portfolio!r} on {as_of}; it has {has}")
    made = simulated_desk(portfolio, seed, duration)
    feed, report = made.feed, made.run.recorder.latest["risk"]
    assert feed.history is not None  # the simulator has one
    (last,) = closes(feed, [feed.end.as_unit("ns").value])
    told = {"closing": closing(report, feed.instruments, made.currency), "level": level, "currency": made.currency}
    no = "" if source == "sim" else f"The desk's history has no reports of {portfolio} of this date. "
    return _made(
        as_of,
        feed,
        feed.history,
        [last],
        source="simulated",
        note=no + made.note,
        asked_for=source == "sim",
        in_force=made.scenarios,
        **told,
    )


def _of_history(up: Path, history: History, as_of: str, portfolio: str, level: float) -> Recalibration:
    day, desk = day_of(history, as_of, portfolio), Deployment.load(up / "deployment.json")
    if desk.source != "sim":
        raise DataError(
            f"the desk's market is {desk.source}, which has no daily history here, so it has no scenario set to "
            "recalibrate; give source sim"
        )
    daily = qf.datasets.load("sim", seed=int(desk.feed["seed"]), duration="1s").history
    feed = HistoryFeed(history, day.cluster)
    first = daily.index[-1].date().isoformat() if daily is not None else ""
    dates = [d for d in feed.store.dates("events", day.cluster) if first < d <= as_of]
    ends = [pd.Timestamp(d, tz="UTC").as_unit("ns").value + _DAY_NS - 1 for d in dates]
    note = f"The books of cluster {day.cluster} at the last events of {', '.join(dates)}, in the market's time."
    report, currency = day.run.recorder.latest["risk"], desk.config.currency
    at_close = closing(report, feed.instruments, currency)
    return _made(
        as_of, feed, daily, closes(feed, ends), source="history", note=note, in_force=day.scenarios, closing=at_close,
        level=level, currency=currency,
    )  # fmt: skip


def closes(feed: Feed, ends_ns: Sequence[int]) -> list[Close]:
    """The books at several instants, rising, in one pass; O(events).

    Parameters
    ----------
    feed
        Its events; those of several sources take turns, as the simulator's do, only where one instant is asked for.
    ends_ns
        Events received up to and at them count.
    """
    books, made, last = Books(feed.instruments), list[Close](), 0
    for columns in feed.events():
        done, n = 0, len(columns.kind)
        while len(made) < len(ends_ns):
            upto = int(np.searchsorted(columns.receipt_ns, ends_ns[len(made)], side="right"))
            if upto > done:
                books.apply(MARKET_EVENTS.slice(columns, done, upto))
                done, last = upto, max(last, int(columns.receipt_ns[upto - 1]))
            if upto == n or len(ends_ns) == 1:
                break
            made.append(_close(feed, books, last))
    while len(made) < len(ends_ns):
        made.append(_close(feed, books, last))
    return made


def _close(feed: Feed, books: Any, last_ns: int) -> Close:
    return Close(pd.Timestamp(last_ns, unit="ns", tz="UTC"), tops_frame(feed.instruments, books))


def _made(as_of: str, feed: Feed, daily: pd.DataFrame | None, days: list[Close], **told: Any) -> Recalibration:
    assert daily is not None
    assert days, "the date itself is one"
    history, smiles = daily, dict[str, Smiles]()
    names = list(dict.fromkeys(daily.columns.get_level_values(0)))
    for close in days:
        smiles = {name: _smiles(feed, name, close) for name in names}
        row: dict[Any, float] = {}
        for name, made in smiles.items():
            row[name, "spot"], row[name, "atm_vol"] = _spot_and_vol(name, made)
        values = [[row[c] for c in daily.columns]]
        at = pd.DatetimeIndex([close.at], name=daily.index.name).as_unit("ns")
        history = pd.concat([history, pd.DataFrame(values, at, daily.columns)])
    chosen = settings.load().desk
    proposed = qf.scenarios.default(
        history, horizon=chosen.horizon, n_historical=chosen.n_historical, n_simulated=chosen.n_simulated,
        seed=chosen.seed,
    )  # fmt: skip
    return Recalibration(as_of, days[-1].at, smiles, history, len(history) > len(daily), proposed, **told)


def _smiles(feed: Feed, name: str, close: Close) -> Smiles:
    table, at = feed.instruments, close.at
    chain = chain_of(table, name, close.tops, at)
    futures = [
        r for r in table if r.underlying == name and r.kind == "future" and r.expiry is not None and r.expiry > at
    ]
    return fit_smiles(chain.assign(forward=expiry_forwards(chain, futures, close.tops)))


def _spot_and_vol(name: str, made: Smiles) -> tuple[float, float]:
    """The nearest expiry's forward and vol at the money."""
    known = made.expiries[made.expiries["atm_vol"] > 0]
    if known.empty:
        raise DataError(
            f"{name} has no vol at the money: {made.reason or 'no expiry has one'}; its row would be a guess"
        )
    nearest = known.sort_values("years").iloc[0]
    return float(nearest["forward"]), float(nearest["atm_vol"])
