"""Seeded signals of an external strategy on the simulated futures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.records import SIGNALS, Instruments

HORIZON_NS = 30_000_000_000


def external_signals(
    table: Instruments, seed: int, start_ns: int, duration: pd.Timedelta, every: str | pd.Timedelta, strategy: str
) -> Any:
    """`SIGNALS` columns: each future gets a direction and strength about every so often, valid for 30 s.

    Raises
    ------
    InputError
        If `every` is not a positive time.

    Examples
    --------
    >>> from qflib.market.instruments import START, simulated_instruments
    >>> s = external_signals(simulated_instruments(1), 7, START.value, pd.Timedelta("1min"), "5s", "momentum")
    >>> len(s.direction), s.signal_id[0].decode()
    (12, 'momentum-0')
    """
    try:
        gap = pd.Timedelta(every).as_unit("ns").value
    except (ValueError, TypeError):
        raise InputError(f"every={every!r} is not a time span; give one, as '5s'") from None
    if pd.isna(pd.Timedelta(every)) or gap <= 0:
        raise InputError(f"every={every!r} must be above 0; give a span, as '5s'")
    futures = [i for i, r in enumerate(table) if r.kind == "future"]
    rng = np.random.Generator(np.random.PCG64([seed, 0x5349_474E]))
    n = duration.as_unit("ns").value // gap
    times = start_ns + np.repeat(np.arange(n) * gap, len(futures)) + rng.integers(0, gap, n * len(futures))
    order = np.argsort(times, kind="stable")
    receipt = times[order]
    rows = len(receipt)
    return SIGNALS.make(
        signal_id=np.array([f"{strategy}-{i}" for i in range(rows)], object),
        strategy=np.full(rows, strategy),
        instrument=np.tile(np.array(futures, np.uint32), n)[order],
        direction=rng.integers(-1, 2, rows).astype(np.int32),
        strength=np.round(rng.uniform(0.1, 1.0, rows), 3),
        horizon_ns=np.full(rows, HORIZON_NS),
        valid_until_ns=receipt + HORIZON_NS,
        receipt_ns=receipt,
    )
