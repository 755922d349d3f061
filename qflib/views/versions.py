"""Two versions of a promoted step beside each other: what both told of the same minutes, bit for bit."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.records import VALUES, Batch, Instruments
from qflib.records.schema import TEXT_BYTES

MINUTE_NS = 60_000_000_000
_KEPT = 60  # minutes of a step
_SILENT = 5  # minutes after which a version is taken to have ended
_MOST = 200_000  # rows of a minute that are kept for the first difference; the digest is of all
_ROW = np.dtype([("instrument", "<u4"), ("time_ns", "<i8"), ("field", f"S{TEXT_BYTES}"), ("value", "<f8")])


@dataclass(frozen=True)
class Minute:
    """What two versions told of one minute of market time.

    Parameters
    ----------
    time_ns
        When it began.
    rows, rows_beside
        Figures told by the version in force, and by the one beside it.
    digest, digest_beside
        SHA-256 of these rows: instrument, time, field and the value's bits.
    first
        The first row that differs, in words; empty where none does.
    """

    time_ns: int
    rows: int
    rows_beside: int
    digest: str
    digest_beside: str
    first: str = ""

    @property
    def same(self) -> bool:
        """Whether both told the same bits."""
        return self.digest == self.digest_beside


@dataclass
class _Told:
    """What one version told of one minute, of one key."""

    rows: int = 0
    sha: Any = field(default_factory=hashlib.sha256)
    parts: list[NDArray[Any]] = field(default_factory=list)

    def add(self, rows: NDArray[Any]) -> None:
        self.sha.update(rows.tobytes())
        if self.rows < _MOST:
            self.parts.append(rows)
        self.rows += len(rows)


class VersionsView:
    """Minutes of every step that has a version beside it (`qflib run NAME --beside`).

    A minute is compared once both versions have told something later, of the same key; the one in which either was
    first heard of is left out, as it may have begun before.

    Parameters
    ----------
    instruments
        The instrument table.

    Examples
    --------
    >>> from qflib.records import Instruments
    >>> VersionsView(Instruments()).beside
    ()
    """

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._open: dict[tuple[str, str], dict[int, _Told]] = defaultdict(dict)  # by label and key, by minute
        self._heard: dict[tuple[str, str], int] = {}  # the first minute
        self._over: dict[tuple[str, str], int] = {}  # minutes below it are done with, by name and key
        self._minutes: dict[str, dict[int, dict[str, Minute]]] = defaultdict(dict)  # by label, minute and key

    @property
    def beside(self) -> tuple[str, ...]:
        """Labels (`NAME@VERSION`) of versions that ran beside another."""
        return tuple(dict.fromkeys(label for label, _ in list(self._heard) if "@" in label))

    def minutes(self, label: str) -> tuple[Minute, ...]:
        """Minutes of a version beside another, the oldest first, the keys' together."""
        return tuple(_together(t, dict(keys)) for t, keys in sorted(dict(self._minutes.get(label, {})).items()))

    def take(self, batch: Batch, key: str) -> None:
        """Fold an AnalyticsBatch in. The reader alone calls it."""
        v = batch.values
        if not len(v.value):
            return
        for name in dict.fromkeys(v.step.tolist()):
            mine = VALUES.take(v, v.step == name)
            rows = np.empty(len(mine.value), _ROW)
            for f in _ROW.names or ():
                rows[f] = getattr(mine, f)
            label = name.decode()
            if "@" not in label:
                self._forget_ended(label, key)
            minutes = rows["time_ns"] // MINUTE_NS
            self._heard.setdefault((label, key), int(minutes[0]))
            for minute in dict.fromkeys(minutes.tolist()):
                self._open[label, key].setdefault(minute, _Told()).add(rows[minutes == minute])
            self._compare(label.partition("@")[0], key)

    def _beside_of(self, name: str, key: str) -> dict[str, dict[int, _Told]]:
        """What is kept of the versions beside."""
        return {at: self._open[at, key] for at, k in list(self._heard) if k == key and at.startswith(f"{name}@")}

    def _forget_ended(self, name: str, key: str) -> None:
        """Versions that were silent while the one in force went on run no more."""
        newest = max(self._open[name, key], default=0)
        for label, told in self._beside_of(name, key).items():
            if max(told, default=-1) < newest - _SILENT:
                del self._heard[label, key], self._open[label, key]

    def _compare(self, name: str, key: str) -> None:
        """Compare what is over; forget what nothing will be compared with any more."""
        force, others = self._open[name, key], self._beside_of(name, key)
        newest = max((max(told) for told in (force, *others.values()) if told), default=0)
        done, over = self._over.get((name, key), -1), newest - 1
        if others and (name, key) in self._heard:
            over = min(max(told, default=-1) for told in (force, *others.values()))
            for label, other in others.items():
                begun = max(self._heard[name, key], self._heard[label, key], done - 1)
                for minute in sorted(m for m in force.keys() | other.keys() if begun < m < over):
                    self._keep(label, key, minute, force.get(minute, _Told()), other.get(minute, _Told()))
        self._over[name, key] = max(done, over)
        for told in (force, *others.values()):
            for minute in [m for m in told if m < over]:
                del told[minute]

    def _keep(self, label: str, key: str, minute: int, a: _Told, b: _Told) -> None:
        kept = self._minutes[label]
        first = "" if a.sha.digest() == b.sha.digest() else self._first(a, b)
        made = Minute(minute * MINUTE_NS, a.rows, b.rows, a.sha.hexdigest(), b.sha.hexdigest(), first)
        kept.setdefault(minute, {})[key] = made
        while len(kept) > _KEPT:
            del kept[min(kept)]

    def _first(self, a: _Told, b: _Told) -> str:
        """The first row that differs."""
        none = [np.empty(0, _ROW)]
        x, y = np.concatenate(a.parts or none), np.concatenate(b.parts or none)
        n = min(len(x), len(y))
        apart = np.flatnonzero(x[:n].view(f"V{_ROW.itemsize}") != y[:n].view(f"V{_ROW.itemsize}"))
        if not len(apart) and len(x) == len(y):
            return f"beyond the first {n:,} rows"
        i = int(apart[0]) if len(apart) else n
        return f"{self._words(x, i)}; beside it {self._words(y, i)}"

    def _words(self, rows: NDArray[Any], i: int) -> str:
        if i >= len(rows):
            return "nothing"
        r = rows[i]
        at = datetime.fromtimestamp(int(r["time_ns"]) / 1e9, UTC).strftime("%H:%M:%S.%f")[:-3]
        symbol = self._instruments.rows[int(r["instrument"])].symbol
        return f"{symbol} {at} {r['field'].decode()} {float(r['value'])!r}"


def _together(minute: int, keys: dict[str, Minute]) -> Minute:
    """One minute of all keys: digests of the keys' digests, in the order of their names."""
    of = [keys[k] for k in sorted(keys)]
    sha = [
        hashlib.sha256("".join(d).encode()).hexdigest()
        for d in zip(*((m.digest, m.digest_beside) for m in of), strict=True)
    ]
    return Minute(
        minute * MINUTE_NS, sum(m.rows for m in of), sum(m.rows_beside for m in of), sha[0], sha[1],
        next((m.first for m in of if m.first), ""),
    )  # fmt: skip
