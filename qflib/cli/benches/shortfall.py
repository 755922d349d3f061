"""Expected shortfall of 10,000 scenarios; peers: NumPy's sort and partition."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import qflib as qf
from qflib.cli.bench import Row, timed

_SCENARIOS = 10_000
_LEVEL = 0.975


def rows(peers: bool) -> Iterator[Row]:
    """Microseconds a call."""
    pnl = np.random.default_rng(1).standard_t(4, _SCENARIOS)
    tail = round(_SCENARIOS * (1 - _LEVEL))
    row = timed(f"es_{_SCENARIOS}", lambda: qf.expected_shortfall(pnl, level=_LEVEL, kind="pnl"), times=20, of="call")
    if peers:
        beside = {
            "numpy sort": timed("", lambda: -np.sort(pnl)[:tail].mean(), times=20).value,
            "numpy partition": timed("", lambda: -np.partition(pnl, tail)[:tail].mean(), times=20).value,
        }
        row = row._replace(peers=beside)
    yield row
