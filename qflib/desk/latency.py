"""Market time that orders of the desk's own take to the exchange, and what it tells of them takes back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError

_SEED = 7
#: Orders arrive at a clock: between boundaries clocks come as often as the shortest latency, but not closer than this.
_FINEST_NS = 1_000_000


class OrderLatency:
    """When each order, or report, arrives.

    Parameters
    ----------
    latency_ns
        One latency for all, or recorded ones, each as likely as the others; drawn anew for each order, seeded.
    name
        The setting's.

    Raises
    ------
    InputError
        If there is none, or one is negative or no whole number.

    Examples
    --------
    >>> from qflib.desk.latency import OrderLatency
    >>> late = OrderLatency([200_000, 900_000])
    >>> late.due(0) in (200_000, 900_000)
    True
    """

    def __init__(self, latency_ns: int | Sequence[int] | NDArray[np.int64], name: str = "order_latency_ns") -> None:
        made = np.atleast_1d(np.asarray(latency_ns))
        if made.ndim != 1 or not len(made) or made.dtype.kind not in "iu" or made.min() < 0:
            raise InputError(
                f"{name} {latency_ns!r} must be nanoseconds, 0 or more: one whole number, or recorded ones"
            )
        self._ns = made.astype(np.int64)
        self._rng = np.random.Generator(np.random.PCG64(_SEED + (name != "order_latency_ns")))
        self._last_ns = 0

    def __bool__(self) -> bool:
        """Whether any order takes time."""
        return bool(self._ns.any())

    @property
    def clock_ns(self) -> int:
        """How often clocks must come for orders to arrive in time."""
        return max(int(self._ns.min()), _FINEST_NS)

    def due(self, now_ns: int) -> int:
        """When an order sent now arrives: never before one that was sent before it. O(1)."""
        drawn = self._ns[self._rng.integers(len(self._ns))] if len(self._ns) > 1 else self._ns[0]
        self._last_ns = max(self._last_ns, now_ns + int(drawn))
        return self._last_ns
