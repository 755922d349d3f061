"""The market as an onlooker finds it: crossed books, stale instruments, price jumps, wide spreads, leaps of the ES.

Each figure is held against its own last values by their median and median absolute deviation
(`qflib.kernels.hampel`), so that a limit means the same for a future a tick wide and a share of thirty. How often the
limits are passed by nothing but the market's habit is measured on recordings: `qflib bench anomalies`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.hampel import hampel_scores, hampel_state
from qflib.records.instruments import Instruments

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

WINDOW: Final = 256  # values that one is held against,
LEAST: Final = 64  # and how many there must be
#: Scores beyond which something is told as an anomaly: false alarms at these are in docs/operations.md.
LIMITS: Final = {"jump": 12.0, "spread": 12.0, "es": 12.0, "stale": 60.0}
_SAMPLE_NS: Final = 1_000_000_000  # of market time: prices and spreads are looked at so often
_LEAST_STALE_S: Final = 5.0  # no instrument is stale sooner
_WAIT_FLOOR_S: Final = 0.25
_ES_FLOOR: Final = 0.01  # of the logarithm of an ES: a hundredth
_ES_LEAST: Final = 16  # reports are rarer than prices


@dataclass
class Quality:
    """What the tops of a desk's instruments say of its market.

    Parameters
    ----------
    instruments
        The instrument table.

    Attributes
    ----------
    groups
        What figures are told by: an instrument's symbol; of options, which are many, their underlying's.
    anomalies
        How many, by group and kind: "jump", "spread".
    es_anomalies
        Leaps of the unhedged ES, by portfolio.
    worst
        The greatest score by group and kind since it was last asked for.

    Notes
    -----
    Prices and spreads are looked at once a second of market time: the change of the mid in ticks, over the root of the
    seconds it took, and the spread in ticks. The scale of a change is at least a tick and half the spread, that of a
    spread a tick. Intervals between tops are seconds of the wall's clock, their scale at least a quarter of one.
    """

    instruments: Instruments
    groups: tuple[str, ...] = field(init=False)
    anomalies: dict[tuple[str, str], int] = field(init=False)
    es_anomalies: dict[str, int] = field(init=False, default_factory=dict)
    worst: dict[tuple[str, str], float] = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.instruments)
        names = [f"{r.underlying} options" if r.kind == "option" else r.symbol for r in self.instruments]
        self.groups = tuple(dict.fromkeys(names))
        self._group = np.array([self.groups.index(name) for name in names], np.int64)
        keys = [(g, kind) for g in self.groups for kind in ("jump", "spread")]
        self.anomalies, self.worst = dict.fromkeys(keys, 0), dict.fromkeys(keys, 0.0)
        self._windows = {kind: hampel_state(n, WINDOW) for kind in ("jump", "spread", "stale")}
        self._es: dict[str, tuple[F8, int, float]] = {}
        self._mid, self._sampled_ns = np.zeros(n), np.zeros(n, np.int64)
        self._spread, self._crossed = np.full(n, np.nan), np.zeros(n, np.bool_)
        self._seen_ns = np.zeros(n, np.int64)

    def take(self, tops: Any, seen_ns: int) -> None:
        """Tops have come, an instrument once at most.

        Parameters
        ----------
        tops
            TOPS columns.
        seen_ns
            When they were written, by the wall's clock.
        """
        rows = np.asarray(tops.instrument, np.int64)
        bid, ask = np.asarray(tops.bid_ticks), np.asarray(tops.ask_ticks)
        both = (np.asarray(tops.bid_qty) > 0) & (np.asarray(tops.ask_qty) > 0)
        self._crossed[rows] = both & (bid >= ask)
        self._spread[rows] = np.where(both, ask - bid, np.nan)
        known = rows[self._seen_ns[rows] > 0]
        if len(known):
            waited = np.maximum(seen_ns - self._seen_ns[known], 1) / 1e9
            self._score("stale", known, waited, _WAIT_FLOOR_S)
        self._seen_ns[rows] = seen_ns
        self._sample(rows[both], (bid[both] + ask[both]) / 2, (ask - bid)[both], np.asarray(tops.time_ns)[both])

    def take_es(self, portfolio: str, es: float, time_ns: int) -> None:
        """A report's ES, unhedged; what is not positive has no logarithm and is passed over."""
        if not es > 0.0:
            return
        window, last_ns, last = self._es.get(portfolio, (hampel_state(1, WINDOW), 0, 0.0))
        if time_ns - last_ns < _SAMPLE_NS:
            return
        self.es_anomalies.setdefault(portfolio, 0)
        if last:
            out = np.empty(1)
            step, floor = np.array([np.log(es / last)]), np.array([_ES_FLOOR])
            hampel_scores(window, np.zeros(1, np.int64), step, _ES_LEAST, floor, out)
            self.es_anomalies[portfolio] += int(abs(out[0]) > LIMITS["es"])
        self._es[portfolio] = window, time_ns, es

    def crossed(self) -> dict[str, int]:
        """Instruments whose bid is not below their ask, by group."""
        return self._count(self._crossed)

    def ages(self, now_ns: int) -> dict[str, float]:
        """Seconds since the last top of a group."""
        newest = np.zeros(len(self.groups), np.int64)
        np.maximum.at(newest, self._group, self._seen_ns)
        return {g: max(now_ns - int(ns), 0) / 1e9 for g, ns in zip(self.groups, newest, strict=True) if ns}

    def stale(self, now_ns: int) -> dict[str, int]:
        """Instruments that have been silent for much longer than they are wont to, by group."""
        age = np.where(self._seen_ns > 0, np.maximum(now_ns - self._seen_ns, 1), 1) / 1e9
        out = np.empty(len(age))
        every = np.arange(len(age))
        floor = np.full(len(age), _WAIT_FLOOR_S)
        hampel_scores(self._windows["stale"].copy(), every, age, LEAST, floor, out)
        return self._count((out > LIMITS["stale"]) & (age > _LEAST_STALE_S))

    def spreads(self) -> dict[str, float]:
        """The median spread of a group, in ticks."""
        by_group = {g: self._spread[self._group == k] for k, g in enumerate(self.groups)}
        return {g: float(np.nanmedian(s)) for g, s in by_group.items() if np.isfinite(s).any()}

    def scores(self) -> dict[tuple[str, str], float]:
        """The greatest scores since this was last asked."""
        made, self.worst = self.worst, dict.fromkeys(self.worst, 0.0)
        return made

    def _sample(self, rows: I8, mid: F8, spread: F8, time_ns: I8) -> None:
        due = time_ns - self._sampled_ns[rows] >= _SAMPLE_NS
        rows, mid, spread, time_ns = rows[due], mid[due], spread[due].astype(np.float64), time_ns[due]
        if not len(rows):
            return
        seconds = (time_ns - self._sampled_ns[rows]) / 1e9
        moved = np.where(self._mid[rows] != 0.0, (mid - self._mid[rows]) / np.sqrt(seconds), np.nan)
        self._mid[rows], self._sampled_ns[rows] = mid, time_ns
        self._tell("jump", rows, np.abs(self._score("jump", rows, moved, np.maximum(spread / 2, 1.0))))
        self._tell("spread", rows, self._score("spread", rows, spread, 1.0))

    def _score(self, kind: str, rows: I8, values: F8, floor: float | F8) -> F8:
        out = np.empty(len(rows))
        hampel_scores(self._windows[kind], rows, values, LEAST, np.broadcast_to(floor, len(rows)), out)
        return out

    def _tell(self, kind: str, rows: I8, scores: F8) -> None:
        for k in np.flatnonzero(scores > 1.0):
            key = self.groups[self._group[rows[k]]], kind
            self.worst[key] = max(self.worst[key], float(scores[k]))
            self.anomalies[key] += int(scores[k] > LIMITS[kind])

    def _count(self, which: NDArray[np.bool_]) -> dict[str, int]:
        counts = np.bincount(self._group[which], minlength=len(self.groups))
        return dict(zip(self.groups, counts.tolist(), strict=True))
