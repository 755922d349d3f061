"""A no-trade band around a target: how far to go where it is left."""

from __future__ import annotations

from qflib.kernels.jit import kernel


@kernel
def band_update(position: float, target: float, halfwidth: float) -> float:
    """The trade that takes a position to the nearer edge of the band; 0 inside it.

    Parameters
    ----------
    position
        What is held.
    target
        The middle of the band.
    halfwidth
        Half its width, 0 or more, in the position's unit.

    Notes
    -----
    O(1). The form of the optimal policy under proportional costs: Davis, Panas and Zariphopoulou 1993, European option
    pricing with transaction costs, SIAM Journal on Control and Optimization 31, section 4.

    Examples
    --------
    >>> from qflib.kernels import band_update
    >>> band_update(10.0, 0.0, 3.0), band_update(-1.0, 0.0, 3.0)
    (-7.0, 0.0)
    """
    if position > target + halfwidth:
        return target + halfwidth - position
    if position < target - halfwidth:
        return target - halfwidth - position
    return 0.0
