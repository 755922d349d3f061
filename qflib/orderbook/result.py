"""What every result of a measure can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import pandas as pd


class Result(ABC):
    """A small frozen object that shows itself: as a frame, a picture, a table in a notebook."""

    __slots__ = ()

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """The figures."""

    @abstractmethod
    def plot(self) -> Any:
        """A HoloViews object."""

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(max_rows=20))
