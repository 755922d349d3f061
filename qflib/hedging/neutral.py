"""Hedges that make Greeks vanish, and those of least variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import DataError, InputError


def neutral_quantities(
    portfolio: Mapping[str, float],
    instruments: pd.DataFrame | Sequence[Mapping[str, float]],
    greeks: Sequence[str] = ("gamma", "vega"),
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], float]:
    """Quantities of options that make some Greeks vanish, and of the underlying that then makes delta vanish.

    Parameters
    ----------
    portfolio
        Its Greeks, delta among them.
    instruments
        A row an option: its Greeks.
    greeks
        Those to vanish beside delta; as many as there are instruments, or fewer instruments for a least-squares fit.

    Returns
    -------
    quantities : ndarray
        Of the instruments, in their order.
    underlying : float
        Units of the underlying.

    Raises
    ------
    InputError
        If a Greek is missing, or the instruments cannot move the Greeks apart.

    Notes
    -----
    O(instruments^3). Source: Hull, "Options, Futures, and Other Derivatives", ch. 19.

    Examples
    --------
    >>> options = [{"delta": 0.6, "gamma": 0.5, "vega": 2.0}, {"delta": 0.5, "gamma": 0.8, "vega": 1.2}]
    >>> quantities, underlying = neutral_quantities({"delta": 0, "gamma": -5000, "vega": -8000}, options)
    >>> quantities.round(6).tolist(), round(underlying, 6)
    ([400.0, 6000.0], -3240.0)
    """
    table = pd.DataFrame(instruments)
    for name in ("delta", *greeks):
        if name not in table or name not in portfolio:
            raise InputError(f"Greek {name!r} is missing; portfolio and instruments need delta and {', '.join(greeks)}")
    moves = table[list(greeks)].to_numpy(np.float64).T
    wanted = -np.array([portfolio[g] for g in greeks], np.float64)
    deltas = np.append(table["delta"].to_numpy(np.float64), float(portfolio["delta"]))
    if not (np.isfinite(moves).all() and np.isfinite(wanted).all() and np.isfinite(deltas).all()):
        raise InputError("a Greek is not finite; give finite numbers")
    if np.linalg.matrix_rank(moves) < len(table):
        raise InputError(
            f"{len(table)} instruments do not move {', '.join(greeks)} apart; give as many as Greeks, of other strikes "
            "or expiries"
        )
    found = np.linalg.lstsq(moves, wanted, rcond=None)[0]
    return found, -float(deltas[-1] + found @ deltas[:-1])


def min_variance_ratio(correlation: float, vol_exposure: float, vol_hedge: float) -> float:
    """The hedge ratio of least variance, correlation * vol_exposure / vol_hedge: a cross hedge's, or a beta.

    Parameters
    ----------
    correlation
        Between the changes of exposure and hedge.
    vol_exposure, vol_hedge
        Standard deviations of these changes over the same period.

    Raises
    ------
    InputError
        If a figure is out of its range.

    Notes
    -----
    Source: Johnson 1960, Review of Economic Studies 27; Hull, ch. 3.

    Examples
    --------
    >>> round(min_variance_ratio(0.928, 0.0263, 0.0313), 6)
    0.779757
    """
    if not (-1 <= correlation <= 1 and vol_exposure >= 0 and vol_hedge > 0):
        raise InputError(
            f"correlation {correlation}, deviations {vol_exposure} and {vol_hedge}: a correlation lies in [-1, 1], the "
            "hedge's deviation is positive"
        )
    return correlation * vol_exposure / vol_hedge


@dataclass(frozen=True, eq=False)
class MinVarianceDelta:
    """Hull and White's delta of least variance: delta + vega / (S sqrt T) (a + b delta + c delta^2).

    It stands for how implied vol moves with the underlying. `fit` keeps the last part of its data to see whether it
    gains anything there; `delta` is the Black-Scholes delta where it does not (`used`).

    Parameters
    ----------
    a, b, c
        Coefficients.
    gain_in_sample, gain_out_of_sample
        1 - SSE of what the delta leaves / SSE of what the Black-Scholes delta leaves; NaN where not fitted.
    n
        Rows fitted.

    Notes
    -----
    Source: Hull and White 2017, "Optimal delta hedging for options", Journal of Banking and Finance 82, equation 5.

    Examples
    --------
    >>> model = MinVarianceDelta(-0.25, 0.1, -0.15)
    >>> round(float(model.adjusted(0.55, vega=25.0, spot=100.0, years=0.5)), 6)
    0.465015
    """

    a: float
    b: float
    c: float
    gain_in_sample: float = float("nan")
    gain_out_of_sample: float = float("nan")
    n: int = 0
    moves: pd.DataFrame = field(repr=False, default_factory=pd.DataFrame)

    @property
    def used(self) -> bool:
        """Whether the coefficients gained on data that they had not seen."""
        return self.gain_out_of_sample > 0.0

    def adjusted(self, delta: Any, vega: Any, spot: Any, years: Any) -> Any:
        """The formula's delta, whether it gains or not."""
        d = np.asarray(delta, np.float64)
        bend = self.a + self.b * d + self.c * d * d
        return d + np.asarray(vega) / (np.asarray(spot) * np.sqrt(years)) * bend

    def delta(self, delta: Any, vega: Any, spot: Any, years: Any) -> Any:
        """The delta to hedge with: adjusted where `used`, else as it came."""
        return self.adjusted(delta, vega, spot, years) if self.used else np.asarray(delta, np.float64)

    @classmethod
    def fit(cls, moves: pd.DataFrame, out_of_sample: float = 0.5) -> MinVarianceDelta:
        """Fit by least squares to changes of options and underlying.

        Parameters
        ----------
        moves
            In time order: delta, vega, spot, years, change (of the option) and spot_change.
        out_of_sample
            The last part of the rows, which is not fitted but judged; 0 to 1.

        Raises
        ------
        InputError, DataError
            If a column is missing or the part is out of range; if too few rows are left to fit or judge.
        """
        needed = ("delta", "vega", "spot", "years", "change", "spot_change")
        if missing := [c for c in needed if c not in moves]:
            raise InputError(f"moves have no column {missing[0]!r}; they need {', '.join(needed)}")
        if not 0 < out_of_sample < 1:
            raise InputError(f"out_of_sample {out_of_sample} must lie between 0 and 1")
        f = moves[list(needed)].dropna()
        if not np.isfinite(f.to_numpy(np.float64)).all() or (f[["spot", "years"]] <= 0).any(axis=None):
            raise InputError(
                "moves hold figures that are not finite, or spots or years that are not positive; drop them"
            )
        first = int(len(f) * (1.0 - out_of_sample))
        if min(first, len(f) - first) < 10:
            raise DataError(f"{len(f)} rows are too few to fit three coefficients and to judge them; give 20 or more")
        d = f["delta"].to_numpy(np.float64)
        left = f["change"].to_numpy(np.float64) - d * f["spot_change"].to_numpy(np.float64)
        unit = (f["vega"] * f["spot_change"] / (f["spot"] * np.sqrt(f["years"]))).to_numpy(np.float64)
        x = np.column_stack([unit, unit * d, unit * d * d])
        found = np.linalg.lstsq(x[:first], left[:first], rcond=None)[0]
        rest = left - x @ found
        seen, unseen = slice(first), slice(first, None)
        if not all(float(left[p] @ left[p]) > 0.0 for p in (seen, unseen)):
            raise DataError("the Black-Scholes delta leaves nothing to explain in a part of the moves; give others")
        gains = [1.0 - float(rest[p] @ rest[p]) / float(left[p] @ left[p]) for p in (seen, unseen)]
        a, b, c = found.tolist()
        return cls(a, b, c, gains[0], gains[1], n=first, moves=f.assign(left=left, adjusted=rest))

    def to_frame(self) -> pd.DataFrame:
        """Coefficients, gains, and whether the adjustment is used."""
        return pd.DataFrame(
            {
                "value": [self.a, self.b, self.c, self.gain_in_sample, self.gain_out_of_sample, float(self.used)],
            },
            index=pd.Index(["a", "b", "c", "gain_in_sample", "gain_out_of_sample", "used"], name="figure"),
        )

    def plot(self) -> Any:
        """What each delta leaves, by the move of the underlying."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        both = ["left", "adjusted"]
        long = self.moves.melt(id_vars="spot_change", value_vars=both, var_name="delta", value_name="rest")
        long["delta"] = long["delta"].map({"left": "Black-Scholes", "adjusted": "least variance"})
        return long.hvplot.scatter(
            x="spot_change", y="rest", by="delta", size=6, alpha=0.5, width=760, height=400, grid=True,
            title=f"gain {self.gain_in_sample:.1%} where fitted, {self.gain_out_of_sample:.1%} beyond",
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html())
