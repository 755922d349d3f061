"""Back-pressure: how far consumers are behind, and a gate that lets through what they can take."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import structlog

from qflib.broker.clients import Connection
from qflib.broker.reading import committed, ends, starts
from qflib.errors import QflibError
from qflib.records.topics import MARKET_RAW
from qflib.stream.data_ends import DataEnds, usual_end
from qflib.stream.stages import GROUP_PREFIX, STAGES

if TYPE_CHECKING:
    from qflib.stream.process import Stop

#: Raw records that may be between ingest and the end of normalize, and records before each further stage.
IN_FLIGHT = 256
#: Seconds between two looks.
EVERY_S = 0.1
#: While there is room for more than half of what may be ahead.
SELDOM_S = 1.0
ARCHIVE = f"{GROUP_PREFIX}archive"
#: The archive commits every one to three seconds: what came since so many seconds is not held against it.
_ARCHIVE_GRACE_S = 6.0
_ANSWER_S = 2.0
_JOIN_S = 0.2
_STILL_S = 0.2  # an end that has just risen will rise again

_log = structlog.get_logger("qflib.ingest")
_At = tuple[str, int]


class Follower(NamedTuple):
    """A consumer group that ingest waits for."""

    group: str
    topics: tuple[str, ...]
    bound: int
    grace_s: float = 0.0


def followers(stages: Sequence[str], *, archive: bool, in_flight: int = IN_FLIGHT) -> list[Follower]:
    """Whom ingest waits for: the desk's stages, and the archive by its lag on the raw topic.

    Examples
    --------
    >>> [(f.group, f.bound) for f in followers(("normalize",), archive=True)]
    [('qflib.normalize', 256), ('qflib.archive', 1024)]
    """
    made = [Follower(STAGES[s].group, STAGES[s].inputs, in_flight) for s in stages]
    return [*made, Follower(ARCHIVE, (MARKET_RAW,), 4 * in_flight, _ARCHIVE_GRACE_S)] if archive else made


class Lags:
    """Looks how many records each group has before it, by one request a group and one for the ends.

    Parameters
    ----------
    c
        The cluster.
    groups
        Who is looked at.
    partitions
        Of every topic.

    Notes
    -----
    Of a transactional topic one record a partition is not counted: the last commit's own marker. Where several write it
    there may be more of them: what seems to be behind while nothing comes is looked at.
    """

    def __init__(self, c: Connection, groups: Sequence[Follower], partitions: int) -> None:
        self.groups = groups
        self._c = c
        self._reads = {g.group: [(t, p) for t in g.topics for p in range(partitions)] for g in groups}
        self._partitions = sorted({at for of in self._reads.values() for at in of})
        self._starts: dict[_At, int] | None = None
        self._before: deque[tuple[float, dict[_At, int]]] = deque()
        self._data_ends = DataEnds(c, committed=False)  # what an open transaction has written is to be read, too

    def look(self) -> dict[str, int]:
        """Records behind, by group.

        Raises
        ------
        BrokerError
            If the broker does not answer.
        """
        if self._starts is None:
            self._starts = starts(self._c, self._partitions, timeout_s=_ANSWER_S)
        answers = {g: committed(self._c, g, of, timeout_s=_ANSWER_S) for g, of in self._reads.items()}
        now = ends(self._c, self._partitions, committed=False, timeout_s=_ANSWER_S)
        self._before.append((time.monotonic(), now))
        self._data_ends.see(now)
        return {g.group: self._behind(g, answers[g.group], now) for g in self.groups}

    def _behind(self, g: Follower, done: dict[_At, int], now: dict[_At, int]) -> int:
        before, first = self._ago(g.grace_s) if g.grace_s else now, self._starts or {}
        behind = 0
        for at, end in before.items():
            if at[0] in g.topics:
                reached, last = max(done.get(at, -1), first[at]), usual_end(at, end)
                if end > last > reached and self._data_ends.still_s(at) >= _STILL_S:
                    told = self._data_ends.if_told(at, end)
                    last = last if told is None else told
                behind += max(0, last - reached)
        return behind

    def _ago(self, seconds: float) -> dict[_At, int]:
        """The ends as they stood so long ago, or at the first look."""
        then = time.monotonic() - seconds
        while len(self._before) > 1 and self._before[1][0] <= then:
            self._before.popleft()
        return self._before[0][1]


class Gate:
    """Lets a record through while those that follow can take it.

    Parameters
    ----------
    groups
        Who must not fall behind; the first one's lag, normalize's, counts records of ingest's own.
    look
        Records behind, by group.
    seen
        Told of every look.
    pending
        Records sent that the broker does not have yet, and so no look counts.

    Notes
    -----
    At most the first group's bound of records is ever ahead of it, however long ago the last look was.
    """

    def __init__(
        self,
        groups: Sequence[Follower],
        look: Callable[[], Mapping[str, int]],
        seen: Callable[[Mapping[str, int]], None] = lambda _: None,
        pending: Callable[[], int] = lambda: 0,
    ) -> None:
        self._groups, self._look, self._seen, self._pending = groups, look, seen, pending
        self._changed = threading.Condition()
        self._sent = self._limit = 0
        self._done = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._watch, name="lag", daemon=True)

    def __enter__(self) -> Gate:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(_JOIN_S)  # a look at a broker that is away takes many seconds, and may end without us

    def wait(self, stop: Stop, waited: Callable[[float], object] = lambda _: None) -> None:
        """Wait until one more record may go, or a stop is asked for.

        Parameters
        ----------
        stop
            What a signal asks.
        waited
            Called with seconds as they are waited: of a wait that does not end, too.
        """
        if self._sent < self._limit:
            self._sent += 1
            return
        told = time.monotonic()
        with self._changed:
            while self._sent >= self._limit and not stop.asked:
                if self._failure is not None:
                    raise self._failure
                self._changed.wait(0.5)  # a signal does not notify
                now = time.monotonic()
                waited(now - told)
                told = now
            self._sent += 1  # only now: a record that waits is not on its way

    def _watch(self) -> None:
        try:
            self._look_on()
        except BaseException as e:
            self._failure = e  # whoever waits at the gate would wait for ever
            with self._changed:
                self._changed.notify_all()

    def _look_on(self) -> None:
        away = False
        while not self._done.is_set():
            # In this order: a record delivered meanwhile counts twice, none is overlooked.
            sent, pending = self._sent, self._pending()
            try:
                lags = self._look()
            except QflibError as e:
                if not away:
                    _log.warning("the broker does not tell how far consumers are", error=str(e))
                away = True
            else:
                away = False
                self._seen(lags)
                with self._changed:
                    self._limit = sent + max(0, self._room(lags) - pending)
                    self._changed.notify_all()
            self._rest()

    def _rest(self) -> None:
        """Until another look can let more through, or is due."""
        looked = time.monotonic()
        while not self._done.wait(EVERY_S):
            scarce = self._limit - self._sent < self._groups[0].bound // 2
            if scarce or time.monotonic() - looked >= SELDOM_S:
                return

    def _room(self, lags: Mapping[str, int]) -> int:
        first, *others = self._groups
        if any(lags[g.group] > g.bound for g in others):
            return 0
        return max(0, first.bound - lags[first.group])
