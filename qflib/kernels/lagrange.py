"""Lagrange's cubic through four nodes a step apart."""

from __future__ import annotations

from qflib.kernels.jit import inlined


@inlined
def cubic_weights(t: float) -> tuple[float, float, float, float]:
    """Of the values at nodes -1, 0, 1 and 2, at t."""
    u, v = t - 1.0, t - 2.0
    return -t * u * v / 6.0, (t + 1.0) * u * v / 2.0, -(t + 1.0) * t * v / 2.0, (t + 1.0) * t * u / 6.0
