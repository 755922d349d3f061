"""Events that do not fit a book: what is to be done with them, and how they are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.kernels.book_batch import CROSSED, LOCKED
from qflib.kernels.book_handle import ELSEWHERE, OVER
from qflib.kernels.book_state import OK, OVERDRAWN
from qflib.orderbook.books import REASONS, Counters

#: Events, and the place in the kernels' counters that says what was wrong.
Noted = Sequence[tuple[int, int]]
Policy = Literal["raise", "count", "resync"]
#: Policies under which the book stays what it is.
STAYS = ("raise", "count")
#: Misfits that are told one by one.
MAX_NOTED = 1_000
#: One event, and nothing wrong with it.
ONE = Counters(1)
#: What a row did that was applied alone, by what the kernel says; else nothing was done yet: it was refused, found no
#: room, or was not one row.
AT_ONCE: dict[int, tuple[Noted, Counters]] = {
    OK: ((), ONE),
    CROSSED: (((0, CROSSED),), Counters(1, crossed=1)),
    LOCKED: (((0, LOCKED),), Counters(1, locked=1)),
    ELSEWHERE: ((), Counters()),
    OVER: (((0, OVERDRAWN),), Counters(1, overdrawn=1)),
    OVER + CROSSED: (((0, OVERDRAWN), (0, CROSSED)), Counters(1, overdrawn=1, crossed=1)),
    OVER + LOCKED: (((0, OVERDRAWN), (0, LOCKED)), Counters(1, overdrawn=1, locked=1)),
}


def checked(policy: Any) -> None:
    """Refuse a policy that there is not.

    Raises
    ------
    InputError
        If it is none.
    """
    if policy not in (*STAYS, "resync"):
        raise InputError(f"policy {policy!r} is unknown; give 'raise', 'count' or 'resync'")


def as_frame(noted: Noted) -> pd.DataFrame:
    """Columns event and reason."""
    events, places = zip(*noted, strict=True) if noted else ((), ())
    return pd.DataFrame({"event": np.array(events, np.int64), "reason": [REASONS[p] for p in places]})


def refusal(symbol: str, counters: Counters, noted: Noted) -> str:
    """What is said of refused events."""
    left_out = ("events", "passed_over", "crossed", "locked")
    counted = {k: v for k, v in asdict(counters).items() if v and k not in left_out}
    reasons = ", ".join(f"{v} {k.replace('_', ' ')}" for k, v in counted.items())
    first = next((f"; the first is event {row} ({REASONS[p]})" for row, p in noted if p < CROSSED or p > LOCKED), "")
    return (
        f"{counters.misfits} of {counters.events} events do not fit the book of {symbol}: {reasons}{first}; give the "
        "events from the start or a snapshot on, or policy='count' or 'resync'"
    )
