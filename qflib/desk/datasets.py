"""`qf.datasets`: the simulated market, the recordings at hand, and the files shipped with the library."""

from __future__ import annotations

import numbers
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from qflib.desk.feed import Feed
from qflib.desk.read import read
from qflib.errors import DataError, InputError
from qflib.venues.tables_in_files import table_in

_SHIPPED = "qflib.market"


def load(name: str, **options: Any) -> Feed:
    """A data set by name.

    Parameters
    ----------
    name
        "sim", or a recording under the folder of the setting `data`; see `names`.
    **options
        For "sim" those of `qflib.market.SimulatedMarket`: seed, duration, rate, underlyings. For a recording
        ``instruments``.

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
    found = _recordings()
    if name not in found:
        raise InputError(f"data set {name!r} is unknown; expected one of {', '.join(names())}")
    if unknown := sorted(set(options) - {"instruments"}):
        raise InputError(f"option {unknown[0]!r} is unknown for a recording; expected instruments")
    file, venue = found[name]
    return read(file, venue, options.get("instruments"))


def names() -> list[str]:
    """Names that `load` takes: "sim", and the recordings found, by file name up to its first dot.

    Examples
    --------
    >>> from qflib.desk import datasets
    >>> datasets.names()[0]
    'sim'
    """
    return ["sim", *_recordings()]


def path(name: str) -> Path:
    """A file shipped with the library, as "positions.csv".

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
    if name not in shipped:
        raise DataError(f"file {name!r} is not shipped; expected one of {', '.join(shipped)}")
    return folder / name


def _has_unit(duration: Any) -> None:
    """A bare number would be nanoseconds, which nobody means."""
    text = str(duration).strip()
    bare = isinstance(duration, numbers.Number) and not isinstance(duration, np.timedelta64)
    if bare or text.replace(".", "", 1).isdigit():
        raise InputError(f"duration {text} has no unit; write '{text}s' or '{text}min'")


def _recordings() -> dict[str, tuple[Path, str]]:
    from qflib import settings

    folder = settings.load().data
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
