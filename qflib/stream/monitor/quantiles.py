"""Quantiles of values as they come, in fixed memory: counts in buckets that grow by a fixed ratio."""

from __future__ import annotations

from math import ceil, inf, log

import numpy as np

_LEAST = 1e-3  # in the unit of the values; what is smaller counts as zero
_GREATEST = 1e9


class Quantiles:
    """A sketch of non-negative values: every quantile to within 1 %, the greatest exact.

    O(1) a value, O(buckets) a quantile, some 11 kB. Source: Masson, Rim and Lee, "DDSketch", VLDB 2019.

    Parameters
    ----------
    error
        Relative error of a quantile.

    Examples
    --------
    >>> q = Quantiles()
    >>> for ms in range(1, 101):
    ...     q.add(ms)
    >>> round(q.at(0.5)), q.max
    (50, 100)
    """

    def __init__(self, error: float = 0.01) -> None:
        ratio = (1 + error) / (1 - error)
        self._log_ratio = log(ratio)
        self._middle = 2 / (1 + ratio)  # of a bucket's upper bound: as far from either end, relatively
        self._counts = np.zeros(ceil(log(_GREATEST / _LEAST) / self._log_ratio) + 2, np.int64)
        self.n = 0
        self.max = -inf

    def add(self, value: float) -> None:
        """Count a value; a negative one counts as zero."""
        value = max(value, 0.0)
        at = ceil(log(value / _LEAST) / self._log_ratio) if value > _LEAST else 0
        self._counts[min(at, len(self._counts) - 1)] += 1
        self.n += 1
        self.max = max(self.max, value)

    def at(self, q: float) -> float | None:
        """The least value that a share of at least `q` does not exceed; None of no values."""
        if not self.n:
            return None
        bucket = int(np.searchsorted(np.cumsum(self._counts), max(ceil(q * self.n), 1)))
        made = _LEAST * np.exp(bucket * self._log_ratio) * self._middle if bucket else 0.0
        return float(min(made, self.max))

    def figures(self) -> dict[str, float | None]:
        """What the command prints: p50, p99, max."""
        return {"p50": self.at(0.5), "p99": self.at(0.99), "max": self.max if self.n else None}
