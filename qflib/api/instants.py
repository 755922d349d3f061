"""Instants and durations of requests."""

from __future__ import annotations

from qflib.api.problems import ProblemError


def nanoseconds(what: str, text: str | None) -> int | None:
    """An instant as nanoseconds UTC.

    Raises
    ------
    ProblemError
        422, if there is no such instant.

    Examples
    --------
    >>> nanoseconds("start", "2026-01-05T14:30:00Z")
    1767623400000000000
    """
    if text is None:
        return None
    import pandas as pd

    try:
        return int(pd.Timestamp(text).tz_convert("UTC").as_unit("ns").value)
    except (ValueError, TypeError, OverflowError):
        detail = f"{what} {text!r} is no instant from 1678 to 2261; give one as 2026-01-05T14:30:00Z"
        raise ProblemError(422, "bad_instant", detail) from None


def duration(text: str | None) -> int:
    """A duration as nanoseconds; 0 where there is none.

    Examples
    --------
    >>> duration("5min")
    300000000000
    """
    if text is None:
        return 0
    import pandas as pd

    try:
        return int(pd.Timedelta(text).as_unit("ns").value)
    except (ValueError, OverflowError):
        raise ProblemError(422, "bad_duration", f"horizon {text!r} is too long; give one as 5min") from None
