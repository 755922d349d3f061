"""What promoted steps tell: the newest figures, and their way there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qflib.records import VALUES, Batch, Instruments
from qflib.views.ring import Ring
from qflib.views.stamp import Stamp

_KEPT = 100_000  # values of a step
_ROW = np.dtype([("instrument", "u4"), ("time_ns", "i8"), ("field", "u2"), ("value", "f8")])


class FiguresView:
    """Figures by step.

    Parameters
    ----------
    instruments
        The instrument table.

    Examples
    --------
    >>> from qflib.records import Instruments
    >>> FiguresView(Instruments()).steps
    ()
    """

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._rings: dict[str, Ring] = {}
        self._fields: dict[str, list[str]] = {}
        self._latest: dict[str, dict[tuple[int, int], float]] = {}
        self._stamps: dict[str, Stamp] = {}
        self._times: dict[str, int] = {}

    @property
    def steps(self) -> tuple[str, ...]:
        """Those that have told anything."""
        return tuple(self._rings)

    def fields(self, step: str) -> tuple[str, ...]:
        """A step's fields, in the order of its Out."""
        return tuple(self._fields.get(step, ()))

    def stamp(self, step: str) -> Stamp | None:
        """Of the record that told the newest figures; None where there are none."""
        return self._stamps.get(step)

    def time_ns(self, step: str) -> int:
        """Market time of the newest figures; 0: there are none."""
        return self._times.get(step, 0)

    def latest(self, step: str) -> dict[str, dict[str, float]]:
        """The newest figures: by instrument's symbol a value a field."""
        fields = self.fields(step)
        made: dict[str, dict[str, float]] = {}
        for (i, f), value in list(self._latest.get(step, {}).items()):
            made.setdefault(self._instruments.rows[i].symbol, dict.fromkeys(fields, np.nan))[fields[f]] = value
        return made

    def series(self, step: str, field: str, instrument: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Market times and values of one field, oldest first, as far as they are kept."""
        ring = self._rings.get(step)
        fields = self.fields(step)
        if ring is None or field not in fields or instrument not in self._instruments:
            return np.zeros(0, np.int64), np.zeros(0)
        rows = ring.last()
        mine = rows[(rows["field"] == fields.index(field)) & (rows["instrument"] == self._instruments.id(instrument))]
        return mine["time_ns"].copy(), mine["value"].copy()

    def take(self, batch: Batch, offset: int, append_ms: int) -> None:
        """Fold an AnalyticsBatch in. The reader alone calls it."""
        v = batch.values
        if not len(v.value):
            return
        for name in dict.fromkeys(v.step.tolist()):
            step = name.decode()
            mine = VALUES.take(v, v.step == name)
            fields = self._fields.setdefault(step, [])
            for f in dict.fromkeys(mine.field.tolist()):
                if f.decode() not in fields:
                    fields.append(f.decode())
            rows = np.empty(len(mine.value), _ROW)
            rows["instrument"], rows["time_ns"], rows["value"] = mine.instrument, mine.time_ns, mine.value
            for n, f in enumerate(fields):
                rows["field"][mine.field == f.encode()] = n
            self._rings.setdefault(step, Ring(_ROW, _KEPT)).extend(rows)
            keys = zip(rows["instrument"].tolist(), rows["field"].tolist(), strict=True)
            self._latest.setdefault(step, {}).update(zip(keys, rows["value"].tolist(), strict=True))
            self._times[step] = int(rows["time_ns"].max())
            self._stamps[step] = Stamp(offset, -1, self._times[step], append_ms * 1_000_000)
