"""Options on an arithmetic average by simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.figures import Figures
from qflib.kernels.asian import asian_simulation
from qflib.pricing.asian_sensitivities import asian_greeks
from qflib.pricing.asians import asian_arguments
from qflib.pricing.inputs import Floats, RightLike


@dataclass(frozen=True)
class MonteCarloPrice(Figures):
    """A simulated price.

    Parameters
    ----------
    price
        With the control.
    se
        Its standard error.
    plain_se
        The standard error without the control.
    delta, delta_se, vega, vega_se
        Pathwise derivatives in spot and vol with the control, and their standard errors.
    paths, seed
        What it was simulated with.
    """

    price: float
    se: float
    plain_se: float
    delta: float
    delta_se: float
    vega: float
    vega_se: float
    paths: int
    seed: int

    def to_frame(self) -> pd.DataFrame:
        """One row."""
        return pd.DataFrame([vars(self)])


def asian_monte_carlo(
    right: RightLike,
    spot: float,
    strike: float,
    fixings: Sequence[float] | NDArray[Any],
    rate: float,
    dividend_yield: float,
    vol: float,
    *,
    paths: int = 100_000,
    seed: int = 1,
) -> MonteCarloPrice:
    """Price, delta and vega of one option on an arithmetic average by simulation, the geometric average as control.

    Parameters
    ----------
    right, spot, strike, fixings, rate, dividend_yield, vol
        As in `asian`, scalars beside the fixings.
    paths
        Half of them mirror the others.
    seed
        Of the random numbers: the same seed gives the same bits.

    Returns
    -------
    MonteCarloPrice
        Frozen; `price`, `se`, `plain_se`, `delta`, `delta_se`, `vega`, `vega_se`, `to_frame`.

    Raises
    ------
    InputError
        If a value is out of range or not a scalar.

    Notes
    -----
    O(paths fixings), some 15 ns each. Coefficients of the controls, the geometric option's payoff and its pathwise
    derivatives, are the regressions', estimated on the same paths: a bias of order 1 / paths.
    Sources: Kemna and Vorst 1990; Broadie and Glasserman 1996, Management Science 42 (pathwise derivatives);
    Glasserman 2004, sections 4.1 and 7.2.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.pricing import asian_monte_carlo
    >>> found = asian_monte_carlo("call", 100, 100, np.arange(1, 27) / 52, 0.05, 0.05, 0.2, paths=20_000)
    >>> abs(found.price - 3.2700) < 0.01, found.se < found.plain_se / 10
    (True, True)
    >>> abs(found.delta - 0.504) < 0.01, abs(found.vega - 16.37) < 0.2
    (True, True)
    """
    if not 100 <= paths <= 1_000_000_000:
        raise InputError(f"paths {paths} are out of range; give 100 to 1,000,000,000")
    a, times, _ = asian_arguments(right, spot, strike, fixings, rate, dividend_yield, vol, "arithmetic", (0, 0.0))
    if a.shape:
        raise InputError(f"asian_monte_carlo takes one option, and the arguments have shape {a.shape}; give scalars")
    sign, price, k, r, q, v = (float(x[0]) for x in a.values)
    sums = np.empty((3, 5))
    asian_simulation(sign, price, k, times, r - q, v, paths, seed, sums)
    discount = float(np.exp(-r * times[-1]))
    exact = asian_greeks(right, price, k, times, r, q, v, average="geometric")
    pairs = (paths + 1) // 2
    found = [
        _controlled(row / pairs, exact[name] / discount, pairs)
        for row, name in zip(sums, ("price", "delta", "vega"), strict=True)
    ]
    (value, se, plain_se), (delta, delta_se, _), (vega, vega_se, _) = (discount * np.array(found)).tolist()
    return MonteCarloPrice(
        price=value, se=se, plain_se=plain_se, delta=delta, delta_se=delta_se, vega=vega, vega_se=vega_se, paths=paths,
        seed=seed,
    )  # fmt: skip


def _controlled(moments: Floats, exact: float, pairs: int) -> tuple[float, float, float]:
    """Mean with the control, its standard error, and that without; a control without a figure is left out."""
    x, y, xx, xy, yy = (float(m) for m in moments)
    variance = max(yy - y * y, 0.0)
    slope = (xy - x * y) / variance if variance > 0.0 and np.isfinite(exact) else 0.0
    rest = max(xx - x * x - slope * (xy - x * y), 0.0)
    mean = x - slope * (y - exact) if slope != 0.0 else x
    return mean, float(np.sqrt(rest / pairs)), float(np.sqrt(max(xx - x * x, 0.0) / pairs))
