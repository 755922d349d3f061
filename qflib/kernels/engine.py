"""The matching engine: commands in, events out, any number of instruments, one call a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.book_state import Int, short_of
from qflib.kernels.engine_auction import levels_in_call, uncross
from qflib.kernels.engine_clock import expire_next, is_due
from qflib.kernels.engine_codes import (
    BAD_ACCOUNT,
    CANCEL,
    CLOCK,
    DIVIDING,
    EXPIRING,
    IDLE,
    KILL,
    LEFTOVERS,
    MASS_CANCEL,
    MATCHING,
    MAX_ACCOUNTS,
    N_EVENTS,
    N_EXPIRIES,
    NEW,
    NOW,
    REMAINDER,
    REPLACE,
    SESSION,
    SHARING,
    STAGE,
    SWEEPING,
    TRIGGERING,
    UNCROSSING,
    UNPARKING,
    UNSUPPORTED_TYPE,
)
from qflib.kernels.engine_entry import enter, reject, replace, withdrawal
from qflib.kernels.engine_matching import step
from qflib.kernels.engine_plain import cancel_plain, enter_plain, is_plain
from qflib.kernels.engine_shares import divide, hand_out
from qflib.kernels.engine_state import EngineState
from qflib.kernels.engine_sweep import change_session, kill, mass_cancel, sweep, sweep_leftovers, unpark
from qflib.kernels.engine_taker import forget_trades, remainder, trigger_next
from qflib.kernels.jit import lean_kernel

# What `run` waits for.
DONE, EVENTS_FULL, BOOK_FULL, EXPIRIES_FULL, ACCOUNTS_FULL, SCRATCH_FULL = range(6)

SPARE_EVENTS = 8  # what one step tells at most


@lean_kernel
def run(e: EngineState, commands: NDArray[Any], start: Int, stop: Int) -> tuple[Int, Int]:
    """Carry out commands from `start` to `stop`.

    Parameters
    ----------
    e
        The engine; changed in place, its events are added to `events`.
    commands
        (n,) COMMAND, in the order they came.
    start, stop
        Rows.

    Returns
    -------
    row, status
        The next command, and DONE; else what has no room: empty `events`, or grow what it names, and go on from the
        row. A command can be under way.

    Notes
    -----
    A plain limit order or cancel is O(1); else O(orders it meets). Deterministic: the same commands give the same
    events, however they are cut into calls.
    """
    row = start
    while True:
        stage = e.work[STAGE]
        if stage == IDLE and row == stop:
            return row, DONE
        if e.work[N_EVENTS] + SPARE_EVENTS > len(e.events):
            return row, EVENTS_FULL
        if short_of(e.book) != 0:
            return row, BOOK_FULL
        if e.work[N_EXPIRIES] == len(e.expiries):
            return row, EXPIRIES_FULL
        if stage == IDLE:
            c = commands[row]
            if (e.work[N_EXPIRIES] == 0 or e.expiries[0].expire_ns > max(e.work[NOW], c.time_ns)) and c.account < len(
                e.killed
            ):
                e.work[NOW] = max(e.work[NOW], c.time_ns)
                if c.action == NEW:
                    if is_plain(e, c) and enter_plain(e, c):
                        row += 1
                        continue
                elif c.action == CANCEL and cancel_plain(e, c):
                    row += 1
                    continue
            status = begin(e, c)
            if status == DONE:
                row += 1
            elif status != AGAIN:
                return row, status
        else:
            go_on(e, stage)


AGAIN = -1


@lean_kernel
def begin(e: EngineState, c: Any) -> Int:
    """Begin a command; AGAIN: orders that have expired go first; else what it needs room for."""
    e.work[NOW] = max(e.work[NOW], c.time_ns)
    if is_due(e):
        e.work[STAGE] = EXPIRING
        return AGAIN
    if c.account >= len(e.killed):
        if c.account < MAX_ACCOUNTS:
            return ACCOUNTS_FULL
        reject(e, c, BAD_ACCOUNT)
        return DONE
    action = c.action
    if action == NEW:
        enter(e, c)
    elif action == CANCEL:
        withdrawal(e, c)
    elif action == REPLACE:
        replace(e, c)
    elif action == MASS_CANCEL:
        mass_cancel(e, c)
    elif action == KILL:
        kill(e, c)
    elif action == SESSION:
        if c.instrument < len(e.rules) and levels_in_call(e, np.int64(c.instrument)) > len(e.scratch):
            return SCRATCH_FULL
        change_session(e, c)
    elif action != CLOCK:
        reject(e, c, UNSUPPORTED_TYPE)
    return DONE


@lean_kernel
def go_on(e: EngineState, stage: Int) -> None:
    """One step of what is under way."""
    if stage == MATCHING:
        step(e)
    elif stage == DIVIDING:
        divide(e)
    elif stage == SHARING:
        hand_out(e)
    elif stage == REMAINDER:
        remainder(e)
    elif stage == TRIGGERING:
        trigger_next(e)
    elif stage == EXPIRING:
        expire_next(e)
    elif stage == SWEEPING:
        sweep(e)
    elif stage == UNCROSSING:
        uncross(e)
    elif stage == LEFTOVERS:
        sweep_leftovers(e)
    elif stage == UNPARKING:
        unpark(e)
    else:
        forget_trades(e)
        e.work[STAGE] = IDLE
