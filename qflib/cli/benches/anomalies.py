"""False alarms of the market's anomalies: how often recorded markets pass the limits by their own habit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.cli.bench import Row
from qflib.desk.market_quality import Quality
from qflib.records import TOPS, Instrument, Instruments

I8 = NDArray[np.int64]
_SAMPLE = "50ms"  # as often as analytics tell a top
_LOBSTER = "lobster/AMZN_2012-06-21_34200000_57600000_{}_1.csv.gz"
_DAY_NS = 86_400_000_000_000


def rows(peers: bool) -> Iterator[Row]:
    """Alarms a recording, by kind; microseconds a top."""
    from qflib.settings import load

    for name, (times, bid, ask) in tops(load().recordings):
        began = time.perf_counter()
        found = alarms(times, bid, ask)
        spent = 1e6 * (time.perf_counter() - began) / len(times)
        hours = (times[-1] - times[0]) / 3.6e12
        for kind, n in found.items():
            yield Row(f"{name}_{kind}", float(n), float(n), "alarms", note=f"{hours:.2f} h, {len(times):,} tops")
        yield Row(f"{name}_cost", spent, spent, "us/top")
    n, es = es_alarms(load().recordings)
    yield Row("es_leaps", float(n), float(n), "alarms", note=f"{es:,} daily reports")


def tops(data: Path) -> Iterator[tuple[str, tuple[I8, I8, I8]]]:
    """Recorded tops: times in ns, bids and asks in ticks; of an open, uncrossed market."""
    import qflib as qf

    future = qf.read(data / "databento/esh4-glbx-mdp3-20231225.mbo.dbn.zst", venue="databento")
    frame = qf.OrderBook("ESH4").replay(future, sample=_SAMPLE)
    yield "es_future", _changes(frame[frame.index >= "2023-12-25T23:00:01Z"], 0.25)  # books are crossed before the open
    coin = qf.read(data / "crypto/binance_spot_ethusdt_20240808.gz", venue="binance")
    yield "eth_spot", _changes(qf.OrderBook(coin.instruments[0].symbol).replay(coin, sample=_SAMPLE), 0.01)
    yield "amzn_share", _changes(_amzn(data), 0.01)


def alarms(times: I8, bid: I8, ask: I8) -> dict[str, int]:
    """Anomalies told of one instrument's tops; stale by the time between two of them."""
    market = Quality(_one())
    stale = 0
    for k in range(len(times)):
        now = int(times[k])
        stale += market.stale(now)["X"]
        row: Any = TOPS.make(
            instrument=[0], bid_ticks=[bid[k]], bid_qty=[1], ask_ticks=[ask[k]], ask_qty=[1], time_ns=[now]
        )
        market.take(row, now)
    return {kind: n for (_, kind), n in market.anomalies.items()} | {"stale": stale}


def es_alarms(data: Path) -> tuple[int, int]:
    """Leaps of a published daily ES forecast, and its days."""
    frame = pd.read_csv(data / "returns/esback_risk_forecasts.csv.gz")
    es = np.abs(frame.iloc[:, 2].to_numpy(np.float64))  # return, VaR, ES, volatility
    market = Quality(_one())
    for day, value in enumerate(es):
        market.take_es("P", float(value), (day + 1) * _DAY_NS)
    return market.es_anomalies["P"], len(es)


def _one() -> Instruments:
    return Instruments((Instrument("X", underlying="X", source="sim:X"),))


def _changes(frame: pd.DataFrame, tick: float) -> tuple[I8, I8, I8]:
    frame = frame.dropna(subset=["bid", "ask"])
    bid, ask = (np.rint(frame[side].to_numpy() / tick).astype(np.int64) for side in ("bid", "ask"))
    moved = np.r_[True, (np.diff(bid) != 0) | (np.diff(ask) != 0)]
    times = frame.index.astype("datetime64[ns, UTC]").astype(np.int64).to_numpy()
    return times[moved], bid[moved], ask[moved]


def _amzn(data: Path) -> pd.DataFrame:
    """LOBSTER's own best prices: ask, its size, bid, its size; prices times 10,000."""
    seconds = pd.read_csv(data / _LOBSTER.format("message"), header=None, skiprows=1, usecols=[0])[0]
    books = pd.read_csv(data / _LOBSTER.format("orderbook"), header=None, skiprows=1)
    index = pd.DatetimeIndex(pd.Timestamp("2012-06-21", tz="UTC") + pd.to_timedelta(seconds, unit="s"))
    frame = pd.DataFrame({"bid": books[2].to_numpy() / 1e4, "ask": books[0].to_numpy() / 1e4}, index=index)
    return frame.groupby(pd.Grouper(freq=_SAMPLE)).last()
