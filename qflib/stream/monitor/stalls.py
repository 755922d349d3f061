"""What stands still: a group with records before it that commits nothing, a broker that gives no answer."""

from __future__ import annotations

import structlog

from qflib.stream.data_ends import Place
from qflib.stream.monitor.lag_time import STARTING_S
from qflib.stream.monitor.offsets import Progress

#: A restart with a restore takes less.
_STILL_S = 20.0
_SILENT_S = 5.0

_log = structlog.get_logger(__name__)


class Stalls:
    """Says once of each stall that it began, and that it is over."""

    def __init__(self) -> None:
        self._moved: dict[str, tuple[dict[Place, int], float]] = {}  # committed offsets, and when they last rose
        self._still: set[str] = set()
        self._answered: float | None = None
        self._silent = False

    def see(self, progress: Progress | None, now: float) -> set[str]:
        """Take note of what the broker told, None where it told nothing; the groups that stand still."""
        if progress is None:
            self._answered = now if self._answered is None else self._answered
            if not self._silent and now - self._answered > _SILENT_S:
                self._silent = True
                mend = "stages wait; `qflib broker status` says whether it runs, its log why it is slow"
                _log.warning("the broker gives no answer", seconds=_SILENT_S, mend=mend)
            self._moved = {g: (at, now) for g, (at, _) in self._moved.items()}  # nobody can commit
            return self._still
        if self._silent:
            _log.warning("the broker answers again")
        self._answered, self._silent = now, False
        for group in progress.groups:
            offsets, behind = progress.committed.get(group, {}), sum(progress.unread(group).values())
            at, since = self._moved.get(group, (None, now))
            limit = _STILL_S if offsets else STARTING_S
            if offsets != at or not behind:
                self._moved[group] = offsets, now
                if group in self._still:
                    self._still.discard(group)
                    _log.warning("a stage goes on", group=group)
            elif now - since > limit and group not in self._still:
                self._still.add(group)
                mend = "look at its log; one that is stopped goes on by kill -CONT, and a kill -9 costs nothing"
                _log.warning("a stage stands still", group=group, behind=behind, seconds=limit, mend=mend)
        return self._still
