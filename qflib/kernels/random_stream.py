"""A stream of random numbers whose whole state is one word of an array, so that a snapshot holds it.

SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, figure 14.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qflib.kernels.jit import kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_27, _30, _31, _11 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(11)
_UNIT = 1.0 / 9007199254740992.0  # 2**-53


@kernel
def mixed(z: Any) -> Any:
    """A 64-bit word scrambled (a bijection); O(1).

    Examples
    --------
    >>> import numpy as np
    >>> hex(mixed(np.uint64(0x9E3779B97F4A7C15)))
    '0xe220a8397b1dcdaf'
    """
    z = (z ^ (z >> _30)) * _MIX_1
    z = (z ^ (z >> _27)) * _MIX_2
    return z ^ (z >> _31)


@kernel
def next_word(rng: Any) -> Any:
    """The next 64 random bits; `rng` is an int64 array whose first word is the state, moved on. O(1)."""
    z = np.uint64(rng[0]) + _GOLDEN
    rng[0] = np.int64(z)
    return mixed(z)


@kernel
def next_uniform(rng: Any) -> float:
    """The next number in (0, 1]: never 0, so that its logarithm is finite. O(1)."""
    return float(((next_word(rng) >> _11) + 1.0) * _UNIT)


@kernel
def uniform_at(seed: Any, counter: Any) -> float:
    """The number in (0, 1] at a place of a stream, without the ones before it. O(1).

    Streams that must agree on a shock at a market time take it by the time's number.
    """
    return float(((mixed(mixed(seed) + np.uint64(counter) * _GOLDEN) >> _11) + 1.0) * _UNIT)


@kernel
def normal_pair(u: float, v: float) -> tuple[float, float]:
    """Two independent standard normals from two uniforms in (0, 1] (Box and Muller 1958). O(1)."""
    r = math.sqrt(-2.0 * math.log(u))
    return r * math.cos(2.0 * math.pi * v), r * math.sin(2.0 * math.pi * v)
