"""Volatility of each factor as it changes: what moves are divided by, and multiplied by again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.shortfall.moves import Factors

F8 = NDArray[np.float64]
VolatilityLaw: TypeAlias = Literal["ewma", "garch", "gjr"]

_LEAST_ROWS = 100


@dataclass(frozen=True, slots=True)
class VolatilityFilter:
    """σ²ₜ₊₁ = ω + (α + γ 1[eₜ < 0]) e²ₜ + β σ²ₜ, e = x − μ, a column a factor.

    `mean`, `omega`, `alpha`, `gamma` and `beta` are (d,); `sigma` (rows, d) is each move's as forecast before it,
    `next` (d,) that of the move to come. A factor that never moves has the sigma 1 and stays.
    """

    mean: F8
    omega: F8
    alpha: F8
    gamma: F8
    beta: F8
    sigma: F8
    next: F8

    def innovations(self, x: F8) -> F8:
        """What happened over its volatility, (rows, d)."""
        return (x - self.mean) / self.sigma

    def paths(self, z: F8) -> F8:
        """Sums of moves without their mean, along paths of innovations (n, steps, d); (n, d)."""
        variance = np.broadcast_to(self.next**2, (len(z), z.shape[2])).copy()
        total = np.zeros_like(variance)
        for k in range(z.shape[1]):
            e = np.sqrt(variance) * z[:, k]
            total += e
            variance = self.omega + (self.alpha + self.gamma * (e < 0.0)) * e**2 + self.beta * variance
        return total


def fit_volatility(
    x: F8, law: VolatilityLaw, decay: float = 0.94, names: Sequence[str] | None = None
) -> VolatilityFilter:
    """Fit each column's volatility.

    Parameters
    ----------
    x
        (rows, d) moves of one row, without overlap.
    law
        "ewma": exponentially weighted squares, started at the variance of all; "garch": GARCH(1, 1) with a constant
        mean and normal quasi-likelihood, by the `arch` package; "gjr": with leverage.
    decay
        Of "ewma".
    names
        What the columns are called where one has no fit; None: by their numbers.

    Raises
    ------
    InputError
        If the law is unknown, the decay not within 0 and 1, there are fewer than 100 moves, or a fit does not converge.

    Notes
    -----
    O(rows · d) a pass. Bollerslev (1986), equation 4; Glosten, Jagannathan and Runkle (1993), On the relation between
    the expected value and the volatility of the nominal excess return on stocks.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall.volatility_filter import fit_volatility
    >>> f = fit_volatility(np.random.default_rng(1).normal(0, 0.01, (500, 2)), "ewma")
    >>> f.next.round(3)
    array([0.01 , 0.009])
    """
    if law not in get_args(VolatilityLaw):
        raise InputError(f"volatility is {law!r}; expected one of {', '.join(get_args(VolatilityLaw))}")
    if not 0.0 < decay < 1.0:
        raise InputError(f"decay is {decay}; expected a number above 0 and below 1, such as 0.94")
    if len(x) < _LEAST_ROWS:
        raise InputError(f"{len(x)} moves fit no volatility that changes; give a history of {_LEAST_ROWS + 1} rows")
    d = x.shape[1]
    fitted = np.zeros((5, d))
    sigma, after = np.ones_like(x), np.ones(d)
    for j in range(d):
        if np.ptp(x[:, j]) == 0.0:
            fitted[0, j] = x[0, j]
            continue
        fitted[:, j] = (
            (0.0, 0.0, 1.0 - decay, 0.0, decay)
            if law == "ewma"
            else _garch(x[:, j], law, names[j] if names else str(j))
        )
        start = float(np.mean(x[:, j] ** 2)) if law == "ewma" else float(np.var(x[:, j]))
        variance = _variances(x[:, j], start, *fitted[:, j].tolist())
        sigma[:, j], after[j] = np.sqrt(variance[:-1]), np.sqrt(variance[-1])
    return VolatilityFilter(fitted[0], fitted[1], fitted[2], fitted[3], fitted[4], sigma, after)


def volatility_ratios(factors: Factors, horizon_ns: int, decay: float) -> F8:
    """The exponentially weighted volatility of now over that at the start of each (overlapping) move."""
    rows, _ = factors.span(horizon_ns)
    f = fit_volatility(factors.moves_over(1), "ewma", decay)
    ratios: F8 = f.next / f.sigma[: len(factors.levels) - rows]
    return ratios


def _variances(x: F8, start: float, mean: float, omega: float, alpha: float, gamma: float, beta: float) -> list[float]:
    variance = [start]
    for e in (x - mean).tolist():
        variance.append(omega + (alpha + gamma * (e < 0.0)) * e * e + beta * variance[-1])
    return variance


def _garch(x: F8, law: VolatilityLaw, name: str) -> tuple[float, float, float, float, float]:
    from arch import arch_model

    unit = float(np.std(x))  # arch converges for moves of about 1
    model = arch_model(x / unit, mean="Constant", vol="GARCH", p=1, o=int(law == "gjr"), q=1, rescale=False)
    found = model.fit(disp="off", show_warning=False)
    if found.convergence_flag != 0:
        raise InputError(
            f"{law} does not converge for factor {name} (arch's flag {found.convergence_flag}); "
            f"give a longer history, or volatility='ewma'"
        )
    p = found.params
    gamma = float(p.get("gamma[1]", 0.0))
    return float(p["mu"]) * unit, float(p["omega"]) * unit**2, float(p["alpha[1]"]), gamma, float(p["beta[1]"])
