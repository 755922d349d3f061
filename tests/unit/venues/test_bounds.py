"""The kernels of decoders under Numba's checks of bounds, which compiled code otherwise lacks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import config

from qflib.kernels.jit import kernel, lean_kernel

checked = pytest.mark.skipif(not config.BOUNDSCHECK, reason="for a process with NUMBA_BOUNDSCHECK=1")


def _beyond(values: np.ndarray, at: int) -> int:
    return values[at] + 1


@checked
@pytest.mark.parametrize("compiled", [kernel, lean_kernel])
@pytest.mark.parametrize("at", [5, 1 << 40, -6])
def test_the_checks_are_on(compiled: object, at: int) -> None:
    with pytest.raises(IndexError):
        compiled(_beyond)(np.arange(5), at)  # type: ignore[operator]


@pytest.mark.skipif(bool(config.BOUNDSCHECK or config.DISABLE_JIT), reason="is the process that it starts")
def test_the_kernels_of_decoders_stay_in_bounds_on_mutated_bytes(tmp_path: Path) -> None:
    """Decoders without kernels are Python, where an index out of bounds is an error of its own."""
    here = Path(__file__)
    # the checks are the same at every level of LLVM, whose own work at the highest is half of this test
    env = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_OPT": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k",
         "checks_are_on or ((mutated or cut_anywhere) and (itch or jacobi))", str(here),
         str(here.with_name("test_fuzz.py"))],
        cwd=here.parents[3], env=env, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout[-4000:]
    found = re.search(r"(\d+) passed", told.stdout)
    assert found is not None
    assert int(found[1]) == 12, told.stdout
