"""One underlying's market data as a stream of column slices, generated a block at a time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qflib.kernels import flow_book
from qflib.kernels import market_flow as mf
from qflib.kernels.efficient_price import M_ATM, M_RHO, M_SIGMA, start_price
from qflib.market.instruments import OPTION_TICK, TICK, UNDERLYINGS
from qflib.records import MARKET_EVENTS, Instruments
from qflib.records.schema import frozen

FUTURES_SHARE = 0.7  # of the rows
ROWS_A_MESSAGE = 1.12  # of the future's flow, seen over seeds; of a quote it is 2
_WORD = (1 << 64) - 1
BLOCK_ROWS = 8_192  # generated at a time: what bounds the memory
_APART = 24  # words: columns a multiple of 4 kB apart would share one set of the first-level cache


class Left(NamedTuple):
    """Where a source was left; -1 rows: before its first block."""

    words: NDArray[np.int64]
    numbers: NDArray[np.float64]
    rows: int


class Source:
    """A resumable stream of `MARKET_EVENTS` columns of one underlying.

    Parameters
    ----------
    index
        Which underlying.
    table
        The instrument table.
    seed
        Of the market.
    rows_a_second
        Mean rows a market second.
    start_ns, end_ns
        Every receipt time lies between them.
    left
        What `left` of the same source gave: it goes on from there.
    """

    def __init__(
        self,
        index: int,
        table: Instruments,
        seed: int,
        rows_a_second: float,
        start_ns: int,
        end_ns: int,
        left: Left | None = None,
    ) -> None:
        self._flow = _flow(index, table, seed, rows_a_second, start_ns, end_ns)
        self._before = _copy(self._flow)  # the block in hand was made
        self._block: Any = MARKET_EVENTS.empty
        self._at = 0
        self._ended = False
        if left is not None:
            for a, kept in zip(self._flow, left[:2], strict=True):
                a[:] = kept
            if left.rows >= 0:
                self._generate()
                self._at = left.rows

    def left(self) -> Left:
        """Where it stands: the generator's state before the block in hand, and how many rows of it were given."""
        words, numbers = self._before
        return Left(words, numbers, self._at if len(self._block.kind) or self._ended else -1)

    def until(self, time_ns: int) -> Any:
        """The rows received before a time that no earlier call gave: views of the block where they lie in one."""
        parts = []
        while True:
            stop = int(np.searchsorted(self._block.receipt_ns, time_ns))
            if stop > self._at:
                parts.append(MARKET_EVENTS.slice(self._block, self._at, stop))
            self._at = stop
            if stop < len(self._block.kind) or self._ended:
                break
            self._generate()
        return parts[0] if len(parts) == 1 else MARKET_EVENTS.concat(parts)

    def _generate(self) -> None:
        self._before = _copy(self._flow)
        made = np.empty((mf.COLUMNS, BLOCK_ROWS + mf.MOST_ROWS + _APART), np.int64)
        n = mf.market_flow(*self._flow, made)
        self._ended = n == 0
        columns = zip(MARKET_EVENTS.columns, made, strict=True)
        self._block, self._at = MARKET_EVENTS.Columns(*(_column(a[:n], c.dtype) for c, a in columns)), 0


def _copy(flow: tuple[NDArray[np.int64], NDArray[np.float64]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return flow[0].copy(), flow[1].copy()


def _column(values: NDArray[np.int64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """As the record's type; 64-bit columns are views."""
    return frozen(values.view(dtype) if dtype.itemsize == 8 else values.astype(dtype))


def _flow(
    index: int, table: Instruments, seed: int, rows_a_second: float, start_ns: int, end_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The generator's state before its first row."""
    u = UNDERLYINGS[index]
    future, *options = (i for i, r in enumerate(table) if r.underlying == u.name)
    w, x = mf.new_state(len(options))
    w[0] = _derived(seed, index + 1)
    w[[mf.C_START, mf.C_END]] = start_ns, end_ns
    w[[mf.C_FLOW, mf.C_OPTION, mf.C_RECEIPT]] = start_ns
    w[[mf.C_OPTIONS, mf.C_FUTURE, mf.C_COMMON]] = len(options), future, _derived(seed, 0)
    w[flow_book.T_ID] = (index + 1) << 40
    for i, row in enumerate(options):
        at = mf.OPTIONS + 3 * i
        w[at : at + 3] = row, table.expiry_ns[row], table[row].right == "call"
        x[mf.X_OPTIONS + 2 * i] = table[row].strike
        x[mf.X_OPTIONS + 2 * i + 1] = u.start / TICK
    x[[mf.R_FLOW, mf.R_OPTION]] = rows_a_second * np.array([FUTURES_SHARE / ROWS_A_MESSAGE, (1 - FUTURES_SHARE) / 2])
    x[[M_SIGMA, M_RHO, M_ATM]] = u.volatility, u.common, u.implied
    x[[mf.X_TICK, mf.X_OPTION_TICK]] = TICK, OPTION_TICK
    start_price(x, w, np.uint64(_derived(seed, 0) & _WORD), u.start / TICK)
    return w, x


def _derived(seed: int, stream: int) -> int:
    """An independent seed of each stream, as the int64 that holds its bits."""
    words = np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)
    return int(words.view(np.int64)[0])
