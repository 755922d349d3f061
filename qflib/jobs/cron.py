"""Cron expressions: minute, hour, day of the month, month, day of the week."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from qflib.errors import InputError

UTC = ZoneInfo("UTC")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: name, least, greatest, and names that stand for numbers. Days of the week go by name alone: 0 is Sunday to cron and
#: Monday to Python's schedulers.
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {m: i + 1 for i, m in enumerate(_MONTHS)}),
    ("day of the week", 0, 6, {d: i for i, d in enumerate(_DAYS)}),
)


def check_cron(expression: str) -> None:
    """Hold an expression to what cron's five fields may say.

    Parameters
    ----------
    expression
        As ``30 21 * * mon-fri``: numbers, ``*``, ranges, lists and steps; days of the week by name.

    Raises
    ------
    InputError
        If there are not five fields, or one says what it may not: it is named.

    Examples
    --------
    >>> check_cron("*/15 9-16 * * mon-fri")
    >>> check_cron("30 25 * * *")
    Traceback (most recent call last):
    qflib.errors.InputError: cron '30 25 * * *' has the hour '25'; give 0 to 23, a range, a list, a step or *
    """
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        raise InputError(
            f"cron {expression!r} has {len(fields)} fields; give five: minute, hour, day of the month, month and day "
            "of the week, as '30 21 * * mon-fri'"
        )
    for text, (name, least, most, names) in zip(fields, _FIELDS, strict=True):
        if not all(_is_part(part, least, most, names) for part in text.lower().split(",")):
            known = "mon to sun" if name == "day of the week" else f"{least} to {most}"
            raise InputError(f"cron {expression!r} has the {name} {text!r}; give {known}, a range, a list, a step or *")
    trigger(expression, UTC)


def trigger(expression: str, zone: dt.tzinfo) -> CronTrigger:
    """What tells the next time of an expression, in the clock of a zone.

    Raises
    ------
    InputError
        If the expression says what cannot be followed: a step behind a name, or beyond the field.
    """
    try:
        return CronTrigger.from_crontab(" ".join(expression.lower().split()), timezone=zone)
    except ValueError as e:
        raise InputError(f"cron {expression!r} cannot be followed ({e}); write out its values as a list") from None


def _is_part(part: str, least: int, most: int, names: dict[str, int]) -> bool:
    m = re.fullmatch(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", part)
    if m is None or (m[4] is not None and not 1 <= int(m[4]) <= most + 1 - least):
        return False
    if m[4] is not None and m[2] is not None and not m[2].isdigit():
        return False  # a step behind a name would be overlooked
    if m[1] == "*":
        return True
    only_names = least == 0 and len(names) == 7
    ends = [names.get(t, -1) if only_names or not t.isdigit() else int(t) for t in (m[2], m[3]) if t is not None]
    return all(least <= e <= most for e in ends) and ends == sorted(ends)
