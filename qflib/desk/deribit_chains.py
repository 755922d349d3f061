"""Recorded Deribit chains: BTC and ETH every six hours, with the perpetuals' and the term futures' marks."""

from __future__ import annotations

import zlib
from pathlib import Path

import pandas as pd
import pyarrow as pa

from qflib.desk.coin_chains import CoinChains
from qflib.errors import DataError

PERPETUALS, TERMS, CHAINS = "perpetual_futures_prices.csv.gz", "term_futures_marks.csv.gz", "deribit_*.parquet"
_COLUMNS = {
    "timestamp": "time", "instrument_name": "symbol", "currency": "underlying", "option_type": "right",
    "strike": "strike", "expiry_datetime": "expiry", "underlying": "forward", "bid_price": "bid", "ask_price": "ask",
    "mark_price": "mark", "implied_volatility": "venue_vol",
}  # fmt: skip


def find_deribit_chains(folder: Path) -> Path | None:
    """The folder in `folder` that holds chains and both files of marks; None: there is none."""
    for chains in sorted(folder.rglob(CHAINS)) if folder.is_dir() else ():
        if all((chains.parent / name).is_file() for name in (PERPETUALS, TERMS)):
            return chains.parent
    return None


def read_deribit_chains(folder: str | Path) -> CoinChains:
    """The recordings of one folder.

    An option's forward is what the venue marked it with: the term future, or the synthetic one of its expiry. The
    perpetual's mark is the price of a one-minute candle at the snapshot: it can be 40 s off, and noisy by some basis
    points. The venue's own vol stands beside ours as venue_vol.

    Parameters
    ----------
    folder
        Holds ``deribit_*.parquet``, ``perpetual_futures_prices.csv.gz`` and ``term_futures_marks.csv.gz``.

    Returns
    -------
    CoinChains

    Raises
    ------
    DataError
        If a file is missing or unreadable, or lacks a column.

    Notes
    -----
    O(rows). Contracts are told apart by symbol; a snapshot's rows are some seconds older or newer than one another.

    Examples
    --------
    >>> read_deribit_chains("nowhere")
    Traceback (most recent call last):
    qflib.errors.DataError: folder nowhere holds no deribit_*.parquet; give the folder of the recorded chains
    """
    folder = Path(folder)
    files = sorted(folder.glob(CHAINS))
    if not files:
        raise DataError(f"folder {folder} holds no {CHAINS}; give the folder of the recorded chains")
    options = pd.concat([_read(f, list(_COLUMNS)) for f in files]).rename(columns=_COLUMNS)
    for column in ("symbol", "underlying", "right"):
        options[column] = options[column].astype(str).astype(object)
    options = options.sort_values(["time", "symbol"], kind="stable").reset_index(drop=True)
    return CoinChains(options, _futures(folder))


def _futures(folder: Path) -> pd.DataFrame:
    perpetual = _read(folder / PERPETUALS, ["obs_datetime", "instrument_name", "perp_futures_mark_price"])
    term = _read(folder / TERMS, ["timestamp", "futures_instrument_name", "snapshot_term_mark_price"])
    names = ["time", "symbol", "mark"]
    marks = pd.concat([f.set_axis(names, axis=1) for f in (perpetual, term)])
    marks["time"] = pd.to_datetime(marks["time"], utc=True, format="ISO8601")
    return marks.pivot_table(index="time", columns="symbol", values="mark").sort_index()


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path, columns=columns)
        return pd.read_csv(path, usecols=columns)[columns]
    except FileNotFoundError:
        raise DataError(f"file {path} does not exist; chains need the marks of their futures beside them") from None
    except (OSError, EOFError, ValueError, zlib.error, pa.ArrowException) as e:
        raise DataError(f"file {path} is not one of recorded Deribit chains and marks: {e}") from None
