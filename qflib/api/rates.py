"""Token buckets: so many requests a second a key, and wrong keys a second an address."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable


class Rates:
    """A bucket a name, the least recently used forgotten: a full bucket and none are the same.

    Parameters
    ----------
    rate
        Tokens a second.
    burst
        Tokens at most.
    kept
        Buckets at most.
    clock
        Seconds; for tests.

    Examples
    --------
    >>> now = [0.0]
    >>> rates = Rates(2.0, 1, clock=lambda: now[0])
    >>> rates.take("a"), rates.take("a"), rates.take("b")
    (0.0, 0.5, 0.0)
    """

    def __init__(
        self, rate: float, burst: float, kept: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._kept, self._clock = rate, float(burst), kept, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """Take a token: 0, or the seconds until there is one. O(1)."""
        now = self._clock()
        tokens, at = self._buckets.get(name, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        waits = 0.0 if tokens >= 1.0 else (1.0 - tokens) / self._rate
        self._buckets[name] = (tokens if waits else tokens - 1.0), now
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._kept:
            self._buckets.popitem(last=False)
        return waits

    def __len__(self) -> int:
        return len(self._buckets)


def retry_after(seconds: float) -> dict[str, str]:
    """The header that tells to wait: whole seconds."""
    return {"retry-after": str(max(1, math.ceil(seconds)))}
