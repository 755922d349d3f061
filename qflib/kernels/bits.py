"""64-bit words: the highest set bit, as one machine instruction, and the change of sign."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from qflib.kernels.jit import inlined


@intrinsic
def _highest_bit(typing_context: Any, word: Any) -> Any:
    """Position (0 to 63) of the highest set bit of a uint64 that is not zero."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zeros = builder.ctlz(args[0], cgutils.true_bit)
        return builder.sub(zeros.type(63), zeros)

    return types.int64(types.uint64), generate


highest_bit: Any = _highest_bit  # typed by its use in kernels, not by its generator


@inlined
def signed(x: Any) -> np.int64:
    """As int64: Numba makes floats of int64 and uint64 together."""
    return np.int64(x)
