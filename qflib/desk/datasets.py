"""`qf.datasets`: the simulated market, the recordings at hand, and the files shipped with the library."""

from __future__ import annotations

import numbers
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from qflib.desk.feed import Feed
from qflib.desk.read import read
from qflib.errors import DataError, InputError
from qflib.venues.tables_in_files import table_in

DERIBIT = "deribit"
_SHIPPED = "qflib.market"


def load(name: str, **options: Any) -> Feed:
    """A data set by name.

    Parameters
    ----------
    name
        "sim"; "coin-sim", simulated option chains that settle in coin; "deribit", recorded ones; or a recording of
        events. All but the first two lie under the folder of the setting `data`; see `names`.
    **options
        For "sim" those of `qflib.market.SimulatedMarket`: seed, duration, rate, underlyings. For "deribit" start and
        end, for "coin-sim" seed and snapshots, and for both those of `qflib.desk.coin_feed.HedgeBook`. For a recording
        of events ``instruments``.

    Raises
    ------
    InputError
        If there is no such data set, an option is unknown, or a duration has no unit.
    DataError
        If the recording is unreadable.

    Examples
    --------
    >>> from qflib.desk import datasets
    >>> datasets.load("sim", seed=7, duration="2s").instruments.underlyings[0]
    'ACME'
    """
    if name == "sim":
        from qflib.desk.sim_feed import SimFeed
        from qflib.market.simulator import SimulatedMarket

        _has_unit(options.get("duration", ""))
        try:
            return SimFeed(SimulatedMarket(**options))
        except TypeError as e:
            raise InputError(f"the simulated market takes seed, duration, rate, underlyings: {e}") from None
    if name == "coin-sim" or (name == DERIBIT and name in names()):
        return _coin_feed(name, options)
    found = _recordings()
    if name not in found:
        raise InputError(f"data set {name!r} is unknown; expected one of {', '.join(names())}")
    if unknown := sorted(set(options) - {"instruments"}):
        raise InputError(f"option {unknown[0]!r} is unknown for a recording; expected instruments")
    file, venue = found[name]
    return read(file, venue, options.get("instruments"))


def names() -> list[str]:
    """Names that `load` takes: "sim", "coin-sim", "deribit" where its chains are found, and recordings by file name.

    Examples
    --------
    >>> from qflib.desk import datasets
    >>> datasets.names()[0]
    'sim'
    """
    from qflib.desk.deribit_chains import find_deribit_chains

    chains = [DERIBIT] if find_deribit_chains(_folder()) else []
    return ["sim", "coin-sim", *chains, *_recordings()]


def path(name: str) -> Path:
    """A file shipped with the library, as "positions.csv", or one by its name under the folder of the setting `data`.

    Raises
    ------
    DataError
        If there is no such file.

    Examples
    --------
    >>> from qflib.desk import datasets
    >>> datasets.path("positions.csv").name
    'positions.csv'
    """
    folder = Path(str(resources.files(_SHIPPED)))
    shipped = sorted(f.name for f in folder.iterdir() if f.suffix in (".csv", ".toml", ".parquet"))
    if name in shipped:
        return folder / name
    data = _folder()
    found = sorted(f for f in data.rglob("*") if f.name == name and f.is_file()) if data.is_dir() else []
    if not found:
        raise DataError(
            f"file {name!r} is not shipped; expected one of {', '.join(shipped)}, or a recording under {data}, the "
            "folder of the setting data (QFLIB_DATA)"
        )
    return found[0]


def _coin_feed(name: str, options: dict[str, Any]) -> Feed:
    """Chains, recorded or simulated, and the books around their futures."""
    from qflib.desk.coin_feed import CoinFeed, HedgeBook
    from qflib.desk.deribit_chains import find_deribit_chains, read_deribit_chains
    from qflib.desk.sim_chains import simulated_chains

    own = ("start", "end") if name == DERIBIT else ("seed", "snapshots")
    known = (*own, *(f.name for f in fields(HedgeBook)))
    if unknown := sorted(set(options) - set(known)):
        raise InputError(f"option {unknown[0]!r} is unknown for {name!r}; expected {', '.join(known)}")
    book = HedgeBook(**{f.name: options[f.name] for f in fields(HedgeBook) if f.name in options})
    if name != DERIBIT:
        return CoinFeed(simulated_chains(**{k: options[k] for k in own if k in options}), book)
    folder = find_deribit_chains(_folder())
    assert folder is not None  # the name is known where it is found
    chains = read_deribit_chains(folder)
    if {"start", "end"} & set(options):
        chains = chains.between(options.get("start", chains.times[0]), options.get("end", chains.times[-1]))
    return CoinFeed(chains, book)


def _folder() -> Path:
    from qflib import settings

    return settings.load().recordings


def _has_unit(duration: Any) -> None:
    """A bare number would be nanoseconds, which nobody means."""
    text = str(duration).strip()
    bare = isinstance(duration, numbers.Number) and not isinstance(duration, np.timedelta64)
    if bare or text.replace(".", "", 1).isdigit():
        raise InputError(f"duration {text} has no unit; write '{text}s' or '{text}min'")


def _recordings() -> dict[str, tuple[Path, str]]:
    folder = _folder()
    if not folder.is_dir():
        return {}
    told = ((f, _venue_of(f)) for f in sorted(folder.rglob("*")) if f.is_file())
    return {f.name.split(".")[0]: (f, venue) for f, venue in told if venue}


def _venue_of(file: Path) -> str:
    """The venue whose recording a file is by its name; empty: none."""
    name = file.name.lower()
    if ".mbo.dbn" in name:
        return "databento"
    for venue in ("kraken", "coinbase", "bitstamp", "binance"):
        if venue in name and file.suffix == ".gz" and ".http." not in name:
            return venue
    try:
        return "file" if table_in(file) is not None else ""
    except DataError:
        return ""
