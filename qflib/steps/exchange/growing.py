"""Tables of the state that only grow: rows of one dtype, and texts with numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Rows:
    """A structured array that doubles when it is full."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._rows = np.zeros(64, dtype)
        self.count = 0

    @property
    def rows(self) -> NDArray[Any]:
        """The rows there are, as a view."""
        return self._rows[: self.count]

    def add(self, *values: Any) -> int:
        """Append a row; its number. Amortised O(1)."""
        if self.count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[self.count] = values
        self.count += 1
        return self.count - 1

    def load(self, rows: NDArray[Any]) -> None:
        """Take rows of a state."""
        self.count = len(rows)
        self._rows = np.zeros(max(64, 1 << self.count.bit_length()), rows.dtype)
        self._rows[: self.count] = rows


class Texts:
    """Texts by number, in order of first use."""

    def __init__(self) -> None:
        self._ids: dict[bytes, int] = {}
        self._texts: list[bytes] = []

    def id(self, text: bytes) -> int:
        """The text's number, given now if it is new. O(1)."""
        found = self._ids.setdefault(text, len(self._texts))
        if found == len(self._texts):
            self._texts.append(text)
        return found

    def find(self, text: bytes) -> int:
        """The text's number; -1: never seen."""
        return self._ids.get(text, -1)

    def __getitem__(self, number: int) -> bytes:
        return self._texts[number]

    def __len__(self) -> int:
        return len(self._texts)

    def state(self) -> NDArray[Any]:
        """All texts, in order."""
        return np.array(self._texts, "S64")

    def load(self, texts: NDArray[Any]) -> None:
        """Take the texts of a state. O(texts)."""
        self._texts = texts.tolist()
        self._ids = {t: i for i, t in enumerate(self._texts)}
