"""Saved books that cannot be: refused before a kernel, which checks no bounds, walks over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qflib.errors import StateError
from qflib.kernels.book_content import LEVEL_COLUMNS
from qflib.kernels.book_state import INFO

#: Every array of saved books, and its dtype.
COLUMNS: dict[str, np.dtype[Any]] = {
    **dict(zip((f"levels.{n}" for n in LEVEL_COLUMNS), map(np.dtype, ("u4", "u4", "i8", "i8", "i8")), strict=True)),
    "orders.id": np.dtype("u8"),
    "orders.qty": np.dtype("i8"),
    **{f"info.{n}": INFO[n] for n in INFO.names or ()},
}


def refuse_torn(saved: Mapping[str, Any]) -> None:
    """Refuse what `Books.save` cannot have given. O(content), and a sort of the ids.

    Raises
    ------
    StateError
        If an array is missing or of another kind, lengths contradict each other, or a value is out of its range.
    """
    for name, dtype in COLUMNS.items():
        if name not in saved:
            raise StateError(f"the saved books have no array {name!r}; give what Books.save() returned")
        a = saved[name]
        if not isinstance(a, np.ndarray) or a.dtype != dtype or a.ndim != 1:
            raise StateError(f"the saved books' {name!r} is not a column of {dtype}; give what Books.save() returned")
    for group in ("levels", "orders", "info"):
        lengths = {n: len(saved[n]) for n in COLUMNS if n.startswith(f"{group}.")}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{n} {k}" for n, k in lengths.items())
            raise StateError(f"the saved books' columns differ in length ({told}); the snapshot is torn, take another")
    instrument, side, price, qty, count = (saved[f"levels.{n}"] for n in LEVEL_COLUMNS)
    ids = saved["orders.id"]
    wrong = {
        "a level is of an instrument that the books lack": (instrument >= len(saved["info.status"])).any(),
        "a level has a side that is neither bid nor ask": ((side < 1) | (side > 2)).any(),
        "a level has a negative quantity or count of orders": (qty < 0).any() or (count < 0).any(),
        "an order has a negative quantity": (saved["orders.qty"] < 0).any(),
    }
    if said := next((text for text, bad in wrong.items() if bad), ""):
        raise StateError(f"of the saved books {said}; the snapshot is torn, take another")
    if int(count.sum()) != len(ids):
        raise StateError(
            f"the saved levels count {int(count.sum())} orders, the queues hold {len(ids)}; the snapshot is torn, take "
            "another"
        )
    place = np.lexsort((np.where(side == 1, ~price, price), side, instrument))
    twice = (np.diff(instrument) == 0) & (np.diff(side) == 0) & (np.diff(price) == 0)
    if (place != np.arange(len(place))).any() or twice.any():
        raise StateError("the saved levels are not in order, best first; the snapshot is torn, take another")
    owner = np.repeat(instrument, count)
    order = np.lexsort((ids, owner))
    if ((np.diff(ids[order]) == 0) & (np.diff(owner[order]) == 0)).any():
        raise StateError("an order stands twice in the saved books; the snapshot is torn, take another")
