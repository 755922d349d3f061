"""Starting: `import qflib`, and the first call of a kernel that is in the cache, each in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from qflib.cli.bench import RUNS, Row

_TIMED = "import time; start = time.perf_counter()\n{work}\nprint(time.perf_counter() - start)"
_WORK = {
    "import_qflib": "import qflib",
    "first_kernel_call": (
        "import qflib\nfrom qflib.kernels.reference_work import lehmer_steps\n"
        "start = time.perf_counter()  # numba's own import is not the kernel's\nlehmer_steps(10)"
    ),
    "import_and_first_kernel_call": (
        "import qflib\nfrom qflib.kernels.reference_work import lehmer_steps\nlehmer_steps(10)"
    ),
}


def rows(peers: bool) -> Iterator[Row]:
    """Seconds in a fresh interpreter; peers have none."""
    for name, work in _WORK.items():
        code = _TIMED.format(work=work)
        figures = [
            float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
            for _ in range(RUNS + 1)
        ][1:]  # the first one fills the caches
        yield Row(name, median(figures), min(figures), "s")
