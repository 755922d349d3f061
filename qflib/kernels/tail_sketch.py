"""A histogram of P&L in logarithmic bins, for tails of unbounded streams: counts and sums are whole numbers.

A bin is an octave's 2^-bits; beside its count it keeps the sum of its values' places in it, in 2^24 steps. Losses and
gains each have a window of octaves below the largest seen; what is smaller, and 0, is counted as small. So a state is a
function of the multiset of values alone: of no order, no cut into batches, no tree of merges, to the bit. After Masson,
Rim and Lee (2019), DDSketch; the bins that are even within an octave are those of HdrHistogram; the sums are new.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.expected_shortfall import tail_mass
from qflib.kernels.jit import folded, kernel, lean_kernel

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

# Places in a state: bits, octaves a side, values seen, small ones, the highest octave of losses and of gains (-1: none
# yet); then losses and gains, each a ring of octaves of bins of count and sum.
_BITS, _OCTAVES, _N, _SMALL, _TOP, _HEAD = 0, 1, 2, 3, 4, 6

#: Steps within a bin, as bits: a bin's sum of places has room for 2^39 values.
_PLACE: Final = 24
_MANTISSA: Final = 52
_INFINITE: Final = 0x7FF0000000000000


def sketch_state(streams: int, bits: int, octaves: int) -> I8:
    """States of empty streams, an int64 row each: copy them to snapshot, use the copy to restore.

    Parameters
    ----------
    streams
        Rows.
    bits
        2^bits bins an octave; 1 to 12.
    octaves
        Octaves down from the largest loss, and from the largest gain, that have bins: a power of two.
    """
    states = np.zeros(
        (streams, _HEAD + 4 * octaves * (1 << bits)), np.int64
    )  # pages that no value touches cost nothing
    states[:, _BITS], states[:, _OCTAVES] = bits, octaves
    states[:, _TOP : _TOP + 2] = -1
    return states


@kernel
def sketch_update(states: I8, rows: I8, pnl: F8) -> None:
    """Take P&L into the streams.

    Parameters
    ----------
    states
        Of `sketch_state`; changed.
    rows
        (n,) the stream of each value; or empty, where value i is of stream i modulo the streams.
    pnl
        (n,) gains positive. NaN and infinite values are no outcomes: they are left out.

    Notes
    -----
    O(1) a value: 3 to 10 ns, or some 80 where thousands of streams wait for memory. A new largest octave empties
    one.
    """
    raw = pnl.view(np.int64)
    if len(rows) > 0:
        for i in range(len(raw)):
            _take(states, rows[i], raw[i])
    else:
        for row in range(len(states)):  # a stream at a time: its bins stay in the cache
            for i in range(row, len(raw), len(states)):
                _take(states, row, raw[i])


@folded
def _take(states: I8, row: int, raw: int) -> None:
    """One value by its bits."""
    size = raw & 0x7FFFFFFFFFFFFFFF
    if size >= _INFINITE:
        return
    bits, octaves = states[row, _BITS], states[row, _OCTAVES]
    cut = _MANTISSA - bits
    side = 1 + (raw >> 63)  # losses 0; gains and +0.0 1
    octave = size >> _MANTISSA
    states[row, _N] += 1
    top = states[row, _TOP + side]
    if octave > top:
        _raise(states[row], side, octave)
        top = octave
    if octave <= max(top - octaves, 0):  # 0, and below the least normal double
        states[row, _SMALL] += 1
        return
    ring = side * octaves + (octave & (octaves - 1))
    at = _HEAD + (((ring << bits) + ((size >> cut) & ((1 << bits) - 1))) << 1)
    states[row, at] += 1
    states[row, at + 1] += (size >> (cut - _PLACE)) & ((1 << _PLACE) - 1)


@lean_kernel
def _raise(state: I8, side: int, octave: int) -> None:
    """Make `octave` the highest of a side: those that fall out of the window become small."""
    octaves, width, top = state[_OCTAVES], 2 << state[_BITS], state[_TOP + side]
    state[_TOP + side] = octave
    if top < 0:
        return
    for o in range(top + 1, min(octave, top + octaves) + 1):
        at = _HEAD + (side * octaves + (o & (octaves - 1))) * width
        for j in range(at, at + width, 2):
            state[_SMALL] += state[j]
            state[j] = state[j + 1] = 0


@kernel
def sketch_merge(into: I8, other: I8) -> None:
    """Add states of the same bits and octaves, row by row: what one sketch of all the values would hold, to the bit.

    O(octaves · 2^bits) a row.
    """
    octaves, width = into[0, _OCTAVES], 2 << into[0, _BITS]
    for row in range(len(into)):
        a, b = into[row], other[row]
        a[_N] += b[_N]
        a[_SMALL] += b[_SMALL]
        for side in range(2):
            top = b[_TOP + side]
            if top > a[_TOP + side]:
                _raise(a, side, top)
            for o in range(max(top - octaves + 1, 1), top + 1):
                at = _HEAD + (side * octaves + (o & (octaves - 1))) * width
                kept = o > a[_TOP + side] - octaves
                for j in range(at, at + width, 2):
                    if kept:
                        a[j] += b[j]
                        a[j + 1] += b[j + 1]
                    else:
                        a[_SMALL] += b[j]


@kernel
def sketch_tail(states: I8, levels: F8, out: F8) -> None:
    """ES and VaR of the streams, between bounds that hold for any values.

    Parameters
    ----------
    states
        Of `sketch_state`.
    levels
        (n_levels,) confidences in (0, 1).
    out
        (streams, n_levels, 6) filled: ES, its least and greatest value, VaR, its least and greatest; NaN where no
        value was seen. The rule is `es_var`'s.

    Notes
    -----
    Every bin but the one where the tail ends enters the ES by its sum, to 2^-25 of the bin's width. There the density
    is taken to be straight, with the bin's mean. O(octaves · 2^bits) a row and level.
    """
    for row in range(len(states)):
        for c in range(len(levels)):
            _tail(states[row], levels[c], out[row, c])


@kernel
def _tail(state: I8, level: float, out: F8) -> None:
    n = state[_N]
    out[:] = np.nan
    if n == 0:
        return
    bits, octaves = state[_BITS], state[_OCTAVES]
    bins, cut = 1 << bits, _MANTISSA - bits
    mass = tail_mass(n, level)
    raw = np.empty(2, np.int64)
    edges = raw.view(np.float64)
    taken, total = 0, 0.0
    for side in range(2):  # below these losses and gains are small
        raw[side] = max(state[_TOP + side] - octaves + 1, 1) << _MANTISSA
    small_loss, small_gain = edges[0], edges[1]
    loose = 0.0  # how many small ones lie whole in the tail: each is taken for 0
    for step in range(2 * octaves * bins + 1):
        if step == octaves * bins:
            count = state[_SMALL]
            if taken + count < mass:
                taken += count
                loose = float(count)
                continue
            part = mass - taken
            out[0] = total / mass
            out[1], out[2] = (total - part * small_gain) / mass, (total + part * small_loss) / mass
            out[3], out[4], out[5] = 0.0, -small_gain, small_loss
            return
        # losses from the greatest down, then gains from the least up
        side = 0 if step < octaves * bins else 1
        rank = step if side == 0 else 2 * octaves * bins - step
        octave = state[_TOP + side] - rank // bins
        if octave < 1:
            continue
        bin = bins - 1 - rank % bins
        at = _HEAD + ((side * octaves + (octave & (octaves - 1))) * bins + bin) * 2
        count = state[at]
        if count == 0:
            continue
        raw[0] = (octave << _MANTISSA) + (bin << cut)
        raw[1] = raw[0] + (1 << cut)
        low, high = edges[0], edges[1]
        mean = (state[at + 1] / count + 0.5) / (1 << _PLACE)
        if side == 1:
            low, high, mean = -high, -low, 1.0 - mean
        if taken + count < mass:
            taken += count
            total += count * (low + (high - low) * mean)
            continue
        part = mass - taken
        least, greatest = part * mean, min(part, count * mean)
        if count == 1 or abs(mean - 0.5) > 1.0 / 6.0:  # one value, or a mean that no straight density has: ticks
            share, place = least, mean
        else:
            share, place = _straight(part, count, mean)
        base, size = total + part * low, high - low
        out[0] = (base + size * min(max(share, least), greatest)) / mass
        out[1] = (base + size * least - loose * small_gain) / mass
        out[2] = (base + size * greatest + loose * small_loss) / mass
        out[3], out[4], out[5] = low + size * place, low, high
        return


@kernel
def _straight(part: float, count: int, mean: float) -> tuple[float, float]:
    """Sum of the `part` highest places in a bin and the place of the last of them, of a straight density."""
    slope = 6.0 * mean - 3.0

    def place(above: float) -> float:
        """The place above which this share lies: (1 − t)(1 + slope t) = above."""
        left = 1.0 - slope
        return 2.0 * (1.0 - above) / (left + math.sqrt(left * left + 4.0 * slope * (1.0 - above)) + 1e-300)

    t = place(part / count)
    share = count * (0.5 * (1.0 - slope) * (1.0 - t * t) + 2.0 / 3.0 * slope * (1.0 - t * t * t))
    return share, place((math.ceil(part) - 0.5) / count)


def sketch_n(states: I8) -> I8:
    """Values taken, a stream."""
    return states[:, _N].copy()
