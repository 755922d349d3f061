"""Horizons: "1D", "10D", "1min" as nanoseconds."""

from __future__ import annotations

import pandas as pd

from qflib.errors import InputError


def horizon_ns(horizon: str | pd.Timedelta | int) -> int:
    """A horizon in nanoseconds.

    Parameters
    ----------
    horizon
        Text such as "1D", "10D", "1h", "1min", "30s"; a Timedelta; or nanoseconds.

    Raises
    ------
    InputError
        If it does not parse or is not positive.

    Examples
    --------
    >>> from qflib.shortfall.horizon import horizon_ns
    >>> horizon_ns("1min")
    60000000000
    """
    try:
        ns = int(horizon) if isinstance(horizon, int) else int(pd.Timedelta(horizon).as_unit("ns").value)
    except (ValueError, TypeError, OverflowError):
        ns = 0
    if ns <= 0:
        raise InputError(f"horizon is {horizon!r}; expected a positive time such as '1D', '10D' or '1min'")
    return ns
