"""When a job is due: times of its cron on sessions of its calendar, and which of those that were missed still count."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from qflib.jobs.cron import trigger

if TYPE_CHECKING:
    from qflib.jobs.definition import Job, Missed

#: A time that is no older than this was not missed: the scheduler was about to run it.
GRACE = dt.timedelta(seconds=60)
#: Of the times missed, those that are run at most: a scheduler that stood for a year must not run a job for days.
MOST = 400
#: The names that the instrument table gives calendars, and those of the package.
_NAMES = {"XNYS": "XNYS", "CME": "CMES"}
_FAR = dt.timedelta(days=366)  # without a session in a year there is none


def due_times(job: Job, after: dt.datetime) -> Iterator[dt.datetime]:
    """The times a job is due, after one, UTC; none where it has no cron.

    Parameters
    ----------
    job
        Its cron is read in its time zone. Where a day of the month and a day of the week are given, both must hold. A
        time counts where its date, in that zone, is a session of the job's calendar.
    after
        Aware; not itself.

    Notes
    -----
    O(1) a time. Where clocks are put forward, a time they skip does not come; where they are put back, one that they
    repeat comes twice.

    Examples
    --------
    >>> import datetime as dt
    >>> from itertools import islice
    >>> from qflib.jobs import load_job
    >>> thanksgiving = dt.datetime(2026, 11, 26, tzinfo=dt.UTC)
    >>> [f"{t:%a %H:%M}" for t in islice(due_times(load_job("daily_risk"), thanksgiving), 2)]
    ['Fri 21:30', 'Mon 21:30']
    """
    if job.cron is None:
        return
    zone = ZoneInfo(job.time_zone)
    fires, at, last = trigger(job.cron, zone), after, after
    while (found := fires.get_next_fire_time(None, at + dt.timedelta(microseconds=1))) is not None:
        at = found.astimezone(dt.UTC)
        if is_session(job.calendar, found.astimezone(zone).date()):
            last = at
            yield at
        elif at - last > _FAR:
            return


def next_due(job: Job, after: dt.datetime) -> dt.datetime | None:
    """The first of `due_times`; None where there is none."""
    return next(due_times(job, after), None)


def missed(policy: Missed, times: list[dt.datetime], now: dt.datetime) -> list[dt.datetime]:
    """Which of the times up to now, oldest first, are run.

    Examples
    --------
    >>> import datetime as dt
    >>> now = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
    >>> times = [now - dt.timedelta(hours=h) for h in (3, 2, 1)]
    >>> [len(missed(policy, times, now)) for policy in ("run", "latest", "skip")]
    [3, 1, 0]
    """
    if policy == "run":
        return times[-MOST:]
    if policy == "latest":
        return times[-1:]
    return [t for t in times[-1:] if now - t <= GRACE]


def as_of(due: dt.datetime) -> str:
    """The date that a run is about: the UTC date of the time it was due at, as the history's dates are.

    Examples
    --------
    >>> import datetime as dt
    >>> as_of(dt.datetime(2026, 1, 5, 21, 30, tzinfo=dt.UTC))
    '2026-01-05'
    """
    return due.astimezone(dt.UTC).date().isoformat()


def is_session(calendar: str, day: dt.date) -> bool:
    """Whether a calendar of the instrument table has a session on a date.

    Examples
    --------
    >>> import datetime as dt
    >>> christmas = dt.date(2026, 12, 25)
    >>> is_session("24/7", christmas), is_session("XNYS", christmas)
    (True, False)
    """
    return calendar not in _NAMES or day in _sessions(_NAMES[calendar], day.year)


@lru_cache(maxsize=16)
def _sessions(name: str, year: int) -> frozenset[dt.date]:
    """Of a year: a scheduler that runs into the next one needs that of the next."""
    from exchange_calendars import get_calendar

    told = get_calendar(name, start=f"{year}-01-01", end=f"{year}-12-31")
    return frozenset(told.sessions.date)
