"""A fixed piece of work, for saying how fast a machine is now: benchmarks are told as multiples of it."""

from __future__ import annotations

from qflib.kernels.jit import kernel


@kernel
def lehmer_steps(steps: int) -> int:
    """Take steps of the minimal standard generator from 1; each waits for the one before it. O(steps).

    Park, Miller and Stockmeyer, Communications of the ACM 36(7), 1993, p. 108: x' = 48271 x mod 2^31 - 1.

    Examples
    --------
    >>> lehmer_steps(10_000)
    399268537
    """
    x = 1
    for _ in range(steps):
        x = x * 48271 % 2147483647
    return x
