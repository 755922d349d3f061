"""What this process may use of the machine."""

from __future__ import annotations

import os


def processors() -> int:
    """Processors that this process may run on: of a container or an affinity mask, fewer than the machine has.

    Examples
    --------
    >>> from qflib.machine import processors
    >>> processors() >= 1
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
