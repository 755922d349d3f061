"""How often somebody may do something."""

from __future__ import annotations


class Bucket:
    """Tokens that come back at a rate, up to a burst.

    Parameters
    ----------
    rate
        Tokens a second.
    burst
        How many there are at most, and at first.

    Examples
    --------
    >>> bucket = Bucket(rate=1.0, burst=2)
    >>> [bucket.take(now=5.0) for _ in range(3)], bucket.take(now=6.5)
    ([True, True, False], True)
    """

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst, self._left = rate, burst, burst
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Take a token, if there is one."""
        if self._at is not None:
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
