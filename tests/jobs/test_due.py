"""Times of jobs: sessions, clocks put forward and back, and what of the missed ones counts."""

from __future__ import annotations

import datetime as dt
from itertools import islice, pairwise, takewhile

import pytest

from qflib.errors import InputError
from qflib.jobs import Job, load_job
from qflib.jobs.cron import check_cron
from qflib.jobs.due import GRACE, MOST, as_of, due_times, is_session, missed, next_due


def job(cron: str | None, zone: str = "UTC", calendar: str = "24/7") -> Job:
    return load_job("daily_risk").model_copy(update={"cron": cron, "time_zone": zone, "calendar": calendar})


def times(told: Job, after: str, until: str) -> list[str]:
    first, last = (dt.datetime.fromisoformat(t) for t in (after, until))
    return [f"{t:%m-%d %H:%M}" for t in takewhile(lambda t: t <= last, due_times(told, first))]


def test_sessions_alone_count() -> None:
    close = job("30 16 * * mon-fri", "America/New_York", "XNYS")
    seen = times(close, "2026-12-22T00:00Z", "2026-12-30T00:00Z")
    assert seen == ["12-22 21:30", "12-23 21:30", "12-24 21:30", "12-28 21:30", "12-29 21:30"]  # not Christmas
    assert times(job("0 0 * * *"), "2026-12-24T00:00Z", "2026-12-26T00:00Z") == ["12-25 00:00", "12-26 00:00"]


def test_the_clock_is_the_zones() -> None:
    close = job("30 16 * * *", "America/New_York")
    assert times(close, "2026-03-07T00:00Z", "2026-03-10T00:00Z") == ["03-07 21:30", "03-08 20:30", "03-09 20:30"]
    # a time that is told twice comes twice; one that is skipped does not come twice at the least
    assert times(job("30 1 * * *", "America/New_York"), "2026-11-01T00:00Z", "2026-11-02T00:00Z") == [
        "11-01 05:30", "11-01 06:30",
    ]  # fmt: skip
    skipped = times(job("30 2 * * *", "America/New_York"), "2026-03-07T12:00Z", "2026-03-09T12:00Z")
    assert len([t for t in skipped if t.startswith("03-08")]) <= 1


def test_times_rise_and_follow_what_went_before() -> None:
    told = job("*/7 9-16 * * mon,wed", "Europe/Berlin", "XNYS")
    after = dt.datetime(2026, 3, 20, tzinfo=dt.UTC)
    made = list(islice(due_times(told, after), 200))
    assert made == sorted(set(made))
    assert made[0] > after
    assert all(next_due(told, a) == b for a, b in pairwise(made))
    assert {t.weekday() for t in made} == {0, 2}


def test_there_may_be_none() -> None:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert next_due(job(None), now) is None
    assert next_due(job("0 0 31 2 *"), now) is None
    assert next_due(job("0 12 25 12 *", "America/New_York", "XNYS"), now) is None  # never a session


def test_what_of_the_missed_counts() -> None:
    now = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
    old = [now - dt.timedelta(hours=h) for h in range(MOST + 5, 0, -1)]
    assert missed("run", old, now) == old[-MOST:]
    assert missed("latest", old, now) == old[-1:]
    assert missed("skip", old, now) == []
    assert missed("skip", [*old, now - GRACE], now) == [now - GRACE]  # about to be run
    assert missed("latest", [], now) == []


def test_dates_and_calendars() -> None:
    assert as_of(dt.datetime.fromisoformat("2026-01-05T20:30-05:00")) == "2026-01-06"  # the history's dates are UTC
    assert not is_session("CME", dt.date(2026, 1, 3))
    assert is_session("CME", dt.date(2026, 1, 5))
    assert not is_session("XNYS", dt.date(2026, 7, 3))  # the fourth is a Saturday


def test_a_step_that_cannot_be_followed_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be followed"):
        check_cron("*/60 * * * *")
    with pytest.raises(InputError, match="has the day of the week 'mon/2'"):
        check_cron("0 0 * * mon/2")
