"""Run a program that the kernel kills when the process that started it is gone: `python leash.py PID PROGRAM ...`.

Standard library only: it stands before every worker's start, and costs some 25 ms. A function of the child's between
fork and exec would do the same, but may deadlock where the parent has threads, as every Kafka client does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>; it outlives the exec


def hold(parent: int) -> None:
    """Have the kernel kill this process when its parent is gone."""
    if sys.platform == "linux":
        # kill, not terminate: the broker may be gone by then, and a stage recovers from a kill exactly
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # gone before the leash was on
        sys.exit(1)


if __name__ == "__main__":
    hold(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
