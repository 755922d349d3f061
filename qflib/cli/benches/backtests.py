"""Critical values of Acerbi and Szekely's Z2, a million simulations of 250 forecasts; the e-backtest's updates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qflib.cli.bench import Row, timed
from qflib.shortfall import EBacktest
from qflib.shortfall.critical import z_critical

_SIMS = 1_000_000
_TESTS = 20_000
#: Published 5 % values at 250 forecasts and 97.5 % (Acerbi and Szekely 2014, table 4): Student t with 3, 5, 10, 100
#: degrees of freedom, and normal.
PUBLISHED = {3.0: -0.82, 5.0: -0.74, 10.0: -0.71, 100.0: -0.70, None: -0.70}


def rows(peers: bool) -> Iterator[Row]:
    """Seconds; and how far the values are from the published ones, of which there are two digits."""
    yield timed("z2_million", lambda: z_critical(sims=_SIMS), unit="s")
    for df, published in PUBLISHED.items():
        made = z_critical(sims=_SIMS, dist="normal" if df is None else "student_t", df=df).z2_5pct
        error = abs(made - published)
        yield Row(f"z2_error_{'normal' if df is None else f't{df:g}'}", error, error, "of the published 5 % value")
    pnl, var, es = np.random.default_rng(1).normal(size=_TESTS), np.full(_TESTS, 1.96), np.full(_TESTS, 2.338)
    yield timed("e_backtest", lambda: EBacktest().roll(pnl, var, es), per=_TESTS, unit="ns", of="test")
