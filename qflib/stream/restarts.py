"""When a process that died is started again, and when no more."""

from __future__ import annotations

import signal
from collections import deque
from dataclasses import dataclass, field

CRASHES = 5  # of one process within WINDOW_S: it will not mend itself
WINDOW_S = 30.0
_HEALTHY_S = 30.0  # a life of this length forgets the failures before it
_SETTLED_S = 5.0  # a life of this length was ended from outside, where it was ended by a signal
_FIRST_S, _LONGEST_S = 0.5, 8.0
_FROM_OUTSIDE = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP}


@dataclass
class Restarts:
    """One process's deaths.

    Examples
    --------
    >>> deaths = Restarts()
    >>> [deaths.wait(1, now=t, lived=1.0) for t in (1.0, 2.0, 4.0, 7.0)]
    [0.0, 0.5, 1.0, 2.0]
    >>> deaths.wait(1, now=10.0, lived=1.0) is None
    True
    """

    count: int = 0
    _in_a_row: int = 0
    _crashes: deque[float] = field(default_factory=lambda: deque(maxlen=CRASHES))

    def wait(self, code: int, *, now: float, lived: float) -> float | None:
        """Seconds until the next start; None: it is a crash loop.

        Parameters
        ----------
        code
            As `subprocess` gives it: a signal's number is negative.
        now, lived
            Seconds of one clock, and since the last start.

        Notes
        -----
        A kill from outside is no crash: a machine short of memory, or a person, may kill a worker as often as they
        like. It is started again at once where it had lived a while.
        """
        self.count += 1
        outside = code in _FROM_OUTSIDE
        if lived >= (_SETTLED_S if outside else _HEALTHY_S):
            self._in_a_row = 0
        self._in_a_row += 1
        if not outside:
            self._crashes.append(now)
            if len(self._crashes) == CRASHES and now - self._crashes[0] <= WINDOW_S:
                return None
        return 0.0 if self._in_a_row == 1 else min(_FIRST_S * 2.0 ** (self._in_a_row - 2), _LONGEST_S)
