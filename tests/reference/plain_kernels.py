"""Kernels of decoders as plain Python (NUMBA_DISABLE_JIT=1): what only compiled code can do, done the plain way."""

from __future__ import annotations

from typing import Any

import numpy as np


def install() -> None:
    """Put it in place, before the kernels that use it are imported.

    A compiled kernel reads fields of a row of a structured array as attributes: `numpy.record` lets plain code do so.
    """
    from qflib.kernels import bits, order_memory

    bits.prefetch = _nothing
    bits.highest_bit = _highest_bit
    order_memory.CELL = np.dtype((np.record, order_memory.CELL))
    from qflib.venues import jacobi

    jacobi.RECORD = np.dtype((np.record, jacobi.RECORD))


def _nothing(array: Any, place: Any) -> None:
    """No cache line is asked for."""


def _highest_bit(word: Any) -> int:
    return int(word).bit_length() - 1
