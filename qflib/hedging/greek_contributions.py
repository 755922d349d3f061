"""Scenario P&L by Greek: terms of a second-order expansion, arrays in and arrays out, for books and stream steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]

#: Terms of the expansion, in the order of their columns.
GREEKS = ("delta", "gamma", "vega", "theta", "vanna", "volga")


def greek_parts(forward: float, greeks: F8, spot_return: F8, vol_shift: F8, years: float) -> F8:
    """P&L of one underlying in each scenario, by Greek.

    With x = forward · return, v the vol's shift and t the time passed: delta x, gamma x²/2, vega v, theta t, vanna x v,
    volga v²/2. What full revaluation adds to their sum is of higher order.

    Parameters
    ----------
    forward
        Of the underlying, above 0.
    greeks
        (6,): delta, gamma, vega, theta, vanna, volga in reporting currency, a year and per 1.00 of forward and vol.
    spot_return, vol_shift
        (n,) relative moves of the forward and absolute moves of vol.
    years
        Time that passes.

    Returns
    -------
    ndarray
        (n, 6), a column a Greek, gains positive.

    Notes
    -----
    O(n), element by element: a scenario's figures do not depend on those beside it.

    Examples
    --------
    >>> import numpy as np
    >>> greeks = np.array([2.0, 0.5, 10.0, -365.0, 0.0, 0.0])
    >>> greek_parts(100.0, greeks, np.array([-0.01]), np.array([0.02]), 1 / 365)[0, :4].round(12)
    array([-2.  ,  0.25,  0.2 , -1.  ])
    """
    delta, gamma, vega, theta, vanna, volga = greeks.tolist()
    move = forward * spot_return
    out = np.empty((len(move), len(GREEKS)))
    out[:, 0] = delta * move
    out[:, 1] = (0.5 * gamma) * (move * move)
    out[:, 2] = vega * vol_shift
    out[:, 3] = theta * years
    out[:, 4] = vanna * (move * vol_shift)
    out[:, 5] = (0.5 * volga) * (vol_shift * vol_shift)
    return out
