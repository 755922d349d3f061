"""One machine instruction each: the highest set bit, asking memory ahead, multiplying and adding; change of sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

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


@intrinsic
def _prefetch(typing_context: Any, array: Any, place: Any) -> Any:
    """Ask for the cache line of an array's element, to be written; any place is harmless."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, args[0])
        byte, word = cgutils.voidptr_t, cgutils.int32_t
        make: Any = cgutils
        told = make.ir.FunctionType(make.ir.VoidType(), [byte, word, word, word])
        fetch = make.get_or_insert_function(builder.module, told, "llvm.prefetch.p0")
        at = builder.bitcast(builder.gep(view.data, [args[1]]), byte)
        builder.call(fetch, [at, word(1), word(3), word(1)])  # for writing, to all levels, data
        return context.get_dummy_value()

    return types.void(array, types.uint64), generate


@intrinsic
def _fma(typing_context: Any, x: Any, y: Any, z: Any) -> Any:
    """X y + z, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), generate


highest_bit: Any = _highest_bit  # typed by its use in kernels, not by its generator
prefetch: Any = _prefetch
fma: Callable[[float, float, float], float] = cast(Any, _fma)


@inlined
def signed(x: Any) -> np.int64:
    """As int64: Numba makes floats of int64 and uint64 together."""
    return np.int64(x)
