"""Nodes of the early-exercise boundary and of the integrals over it: functions of three counts alone.

Time to expiry is scaled to 1 and written xi squared. The boundary is a polynomial in xi through Chebyshev nodes; the
integral up to a node runs over an angle, elapsed time being xi^2 sin^2 and boundary time xi^2 cos^2, so that square
roots at both ends are gone. These places do not depend on the option: what carries the boundary from its nodes to them
is one matrix. Places lie angle by angle, nodes within: loops over nodes are SIMD code and sums keep their order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: most nodes, places of the equations, and places of the price that scratch memory has room for
MOST_NODES, MOST_PLACES, MOST_PRICE_PLACES = 40, 40 * 48, 128


class ExerciseGrid(NamedTuple):
    """Places and weights: `n` nodes, `m` places of the integrals up to the nodes, `q` of the price's."""

    root: Floats  #: (n,) square root of the nodes' times, rising to 1
    root_time: Floats  #: (m,) square root of elapsed time
    root_when: Floats  #: (m,) square root of the boundary's time
    weight: Floats  #: (m,) of the integral over elapsed time
    across: Floats  #: (n * m,) from values at nodes to places, node by node
    along: Floats  #: (m * n,) the same, place by place
    to_series: Floats  #: (n * n,) from values at nodes to Chebyshev coefficients, node by node
    abscissa: Floats  #: (q,) Gauss-Legendre on (0, 1)
    mass: Floats  #: (q,) its weights


def exercise_grid(nodes: int, angles: int, price_places: int) -> ExerciseGrid:
    """The grid of the counts given; O(nodes^2 angles).

    Parameters
    ----------
    nodes
        Of the boundary, at most `MOST_NODES`.
    angles
        Of the integral up to each node; nodes times angles at most `MOST_PLACES`.
    price_places
        Of the integral in the price, at most `MOST_PRICE_PLACES`.

    Raises
    ------
    ValueError
        If a count is above its most.

    Examples
    --------
    >>> grid = exercise_grid(4, 8, 16)
    >>> grid.root.round(4).tolist(), grid.across.shape
    ([0.1464, 0.5, 0.8536, 1.0], (128,))
    """
    if nodes > MOST_NODES or nodes * angles > MOST_PLACES or price_places > MOST_PRICE_PLACES:
        raise ValueError(f"a grid of {nodes}, {angles}, {price_places} is too large; take fewer nodes or places")
    root = 0.5 - 0.5 * np.cos(np.pi * np.arange(1, nodes + 1) / nodes)
    x, w = _gauss(angles)
    angle = 0.5 * np.pi * x
    sine, cosine = np.sin(angle), np.cos(angle)
    root_when = np.outer(cosine, root).reshape(-1)
    to_series = np.linalg.inv(np.polynomial.chebyshev.chebvander(2.0 * root - 1.0, nodes - 1))
    along = np.polynomial.chebyshev.chebvander(2.0 * root_when - 1.0, nodes - 1) @ to_series
    return ExerciseGrid(
        root,
        np.outer(sine, root).reshape(-1),
        root_when,
        np.outer(np.pi * w * sine * cosine, root**2).reshape(-1),
        np.ascontiguousarray(along.T).reshape(-1),
        np.ascontiguousarray(along).reshape(-1),
        np.ascontiguousarray(to_series.T).reshape(-1),
        *_gauss(price_places),
    )


class GridPair(NamedTuple):
    """A coarse grid to begin on, a fine one to end on."""

    coarse: ExerciseGrid
    fine: ExerciseGrid
    lift: Floats  #: (coarse nodes * fine nodes,) from values at coarse nodes to fine nodes, coarse node by node


def grid_pair(nodes: int, angles: int, price_places: int) -> GridPair:
    """A fine grid of the counts given, and the coarse one of 8 nodes; O(nodes^2 angles).

    Parameters
    ----------
    nodes, angles, price_places
        As in `exercise_grid`.

    Examples
    --------
    >>> grid_pair(16, 12, 32).fine.root.size
    16
    """
    coarse, fine = exercise_grid(8, 8, 8), exercise_grid(nodes, angles, price_places)
    lift = np.polynomial.chebyshev.chebvander(2.0 * fine.root - 1.0, 7) @ coarse.to_series.reshape(8, 8).T
    return GridPair(coarse, fine, np.ascontiguousarray(lift.T).reshape(-1))


def _gauss(n: int) -> tuple[Floats, Floats]:
    x, w = np.polynomial.legendre.leggauss(n)
    return 0.5 * (x + 1.0), 0.5 * w
