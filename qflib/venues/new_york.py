"""Days in New York: exchanges there tell the time since midnight."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

_ZONE = ZoneInfo("America/New_York")


def midnight_ns(day: date) -> int:
    """When a day begins, in ns UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=_ZONE).timestamp()) * 10**9


def day_ns(time_ns: int) -> tuple[int, int]:
    """Midnight before a time, and the next one; ns UTC.

    Examples
    --------
    >>> from qflib.venues.new_york import day_ns
    >>> [t // 10**9 % 86_400 // 3600 for t in day_ns(1_694_000_000 * 10**9)]
    [4, 4]
    """
    day = datetime.fromtimestamp(time_ns // 10**9, _ZONE).date()
    return midnight_ns(day), midnight_ns(day + timedelta(1))
