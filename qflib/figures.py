"""A few figures by name, which show themselves."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


class Figures:
    """A frozen dataclass of numbers and words: a table of one row.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from qflib.figures import Figures
    >>> @dataclass(frozen=True)
    ... class Fit(Figures):
    ...     slope: float
    >>> Fit(2.0).to_frame()["slope"].tolist()
    [2.0]
    """

    __slots__ = ()

    def to_frame(self) -> pd.DataFrame:
        """One row, a column a figure."""
        import pandas as pd

        told: Any = self
        return pd.DataFrame([asdict(told)])

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))
