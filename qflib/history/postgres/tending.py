"""Partitions made ahead, days that are over indexed, and days that are too old dropped."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import structlog

from qflib.history.kept import BATCHES, KEPT
from qflib.history.postgres.connections import Database, psycopg
from qflib.history.postgres.declared import indexed
from qflib.history.postgres.handle import FREE

_log = structlog.get_logger(__name__)

#: Days made ahead: a day begins without anybody who waits for its partition.
AHEAD = 2
#: A day to which nothing was added for so long is over.
QUIET_S = 600
#: Days written to within this are summed up again: longer than from one round to the next, and than a day is quiet.
_FRESH_S = 3_600
_RETIRED = """
    SELECT p.day FROM partitions_of(%(table)s) p
    WHERE p.day < (
        SELECT least(max(day), current_date) FROM days WHERE "table" = %(table)s AND rows > 0
    ) - %(days)s::integer AND NOT EXISTS (
        SELECT FROM days d WHERE d."table" = %(table)s AND d.day = p.day AND d.written >= (
            SELECT least(max(written), now()) FROM days
        ) - make_interval(days => greatest(%(days)s::integer, 1))
    )
"""
_OVER = """
    SELECT day FROM days WHERE "table" = %s GROUP BY day
    HAVING sum(rows) > 0 AND max(written) < now() - make_interval(secs => %s) ORDER BY day
"""
_FRESH = """
    SELECT day FROM days WHERE "table" = %s GROUP BY day HAVING max(written) > now() - make_interval(secs => %s)
"""


class Tended(NamedTuple):
    """Partitions that a round made, indexed and dropped."""

    made: int = 0
    indexed: int = 0
    dropped: int = 0


def tend(database: Database, retention_days: int | None = None, quiet_s: float = QUIET_S, ahead: int = AHEAD) -> Tended:
    """One round over all tables.

    Parameters
    ----------
    database
        The schema.
    retention_days
        Days before the last one that a table has, which it keeps; None: all. Days in the future are kept, and today
        is the last then. A day to which something was added within as many days (one at least) before anything was
        added last is kept too: a recording's may be years old.
    quiet_s
        A day is over when nothing was added to it for so long.
    ahead
        Days from today (UTC) on whose partitions are made.

    Notes
    -----
    A day under way has an index of times alone: one of (instrument, time) halves the rate at which rows are taken in.
    It is made once the day is over. What is locked now is left for the next round.

    Raises
    ------
    DataError
        If the server is away.
    """
    return database.run(lambda c: _round(c, retention_days, quiet_s, ahead))


def _round(c: psycopg.Connection[Any], retention_days: int | None, quiet_s: float, ahead: int) -> Tended:
    tables = [BATCHES, *KEPT]
    found = c.execute(
        "SELECT count(*) FILTER (WHERE make_partition(t::name, d::date)) FROM unnest(%s::text[]) t, "
        "generate_series(current_date, current_date + %s::integer, interval '1 day') d",
        [tables, ahead],
    ).fetchone()
    made, built, dropped = int(found[0]) if found else 0, 0, 0
    for table in tables:
        if retention_days is not None:
            retired = _retired(c, table, retention_days)
            gone = [str(day) for day in sorted(retired) if _dropped(c, table, day, retention_days)]
            if gone:
                _log.info("days dropped", table=table, days=gone)
            dropped += len(gone)
        for (day,) in c.execute(_FRESH, [table, _FRESH_S]).fetchall():
            c.execute("SELECT summarize_partition(%s, %s)", [table, day])
        names = () if table == BATCHES else indexed(table)
        for (day,) in c.execute(_OVER, [table, quiet_s]).fetchall() if names else ():
            built += _done(c, "SELECT index_partition(%s, %s, %s::name[])", [table, day, list(names)])
    return Tended(made, built, dropped)


def _retired(c: psycopg.Connection[Any], table: str, retention_days: int) -> set[date]:
    return {day for (day,) in c.execute(_RETIRED, {"table": table, "days": retention_days}).fetchall()}


def _dropped(c: psycopg.Connection[Any], table: str, day: date, retention_days: int) -> bool:
    """Drop a day, if nobody adds to it now, nor has since it was asked for."""
    try:
        with c.transaction():
            free = c.execute(FREE, [table, str(day)]).fetchone() == (True,)
            if not free or day not in _retired(c, table, retention_days):
                return False
            return c.execute("SELECT drop_partition(%s, %s)", [table, day]).fetchone() == (True,)
    except psycopg.errors.LockNotAvailable:
        return False


def _done(c: psycopg.Connection[Any], statement: Any, parameters: list[Any]) -> bool:
    try:
        told = c.execute(statement, parameters).fetchone()
    except psycopg.errors.LockNotAvailable:
        return False
    return bool(told and told[0])
