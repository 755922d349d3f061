"""Which code and settings make a step's bytes."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

import llvmlite.binding
import numba
import numpy as np

import qflib

#: The rooms whose code decides what a step sends.
ROOMS = ("kernels", "records", "orderbook", "pricing", "shortfall", "hedging", "venues", "steps")


@cache
def code_version(rooms: tuple[str, ...] = ROOMS) -> str:
    """Hash of the sources of rooms, of Numba and NumPy, and of the processor compiled for.

    Parameters
    ----------
    rooms
        Packages of qflib; by default those of the steps and all they call.
    """
    cpu = (
        os.environ.get("NUMBA_CPU_NAME") or llvmlite.binding.get_host_cpu_name()
    )  # images name one for all their machines
    h = hashlib.sha256(f"{numba.__version__} {np.__version__} {cpu}".encode())
    root = Path(qflib.__file__).parent
    for room in rooms:
        for file in sorted((root / room).rglob("*.py")):
            h.update(f"{file.relative_to(root)}\0".encode())
            h.update(file.read_bytes())
    return h.hexdigest()


def step_version(step: str, desk_digest: str) -> str:
    """Version of one step of a desk: its code and the desk's settings.

    Two versions may give different bytes for the same inputs; one version never does.
    """
    return hashlib.sha256(f"{code_version()} {step} {desk_digest}".encode()).hexdigest()[:32]
