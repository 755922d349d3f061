"""Conditions as SQL, with the same answers that Arrow gives."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from qflib.history.kept import schema_of
from qflib.history.postgres.connections import sql
from qflib.history.where import Compared, Condition, Joined

#: Columns that hold the number of a name, and the table of the names.
NAMED: Final = {"cluster": "clusters", "source": "sources"}
_CAST = {pa.int32(): "bigint", pa.int64(): "bigint", pa.float64(): "double precision", pa.string(): "text"}


def as_sql(table: str, where: Condition | None) -> sql.Composable:
    r"""A condition as what stands behind WHERE.

    Parameters
    ----------
    table
        Whose rows.
    where
        None: all.

    Examples
    --------
    >>> from qflib.history.where import field
    >>> as_sql("events", (field("date") >= "2026-01-05") & field("instrument").isin([1, 2])).as_string(None)
    '("date" >= \'2026-01-05\'::date AND "instrument" = ANY(\'{1,2}\'::int2[]::bigint[]))'
    """
    if where is None:
        return sql.SQL("true")
    if isinstance(where, Joined):
        parts = [as_sql(table, p) for p in where.parts]
        return sql.SQL("({})").format(sql.SQL(f" {where.how.upper()} ").join(parts))
    assert isinstance(where, Compared)
    if where.column not in NAMED:
        return _compared(sql.Identifier(where.column), where, schema_of(table).field(where.column).type)
    names = sql.Identifier(NAMED[where.column])
    told = _compared(sql.Identifier("name"), where, pa.string())
    if where.op == "=":  # at most one, which the planner then knows
        return sql.SQL("{} = (SELECT id FROM {} WHERE {})").format(sql.Identifier(where.column), names, told)
    return sql.SQL("{} IN (SELECT id FROM {} WHERE {})").format(sql.Identifier(where.column), names, told)


def _compared(column: sql.Identifier, where: Compared, kind: pa.DataType) -> sql.Composable:
    cast = sql.SQL("date" if where.column == "date" else _CAST[kind])
    if where.op == "in":
        values = list(where.value)
        return sql.SQL("{} = ANY({}::{}[])").format(column, sql.Literal(values or "{}"), cast)
    value = sql.Literal(where.value)
    if where.op == "ends":
        return sql.SQL("right({}, {}) = {}").format(column, sql.Literal(len(where.value)), value)
    told = sql.SQL("{} {} {}::{}").format(column, sql.SQL(where.op), value, cast)
    if pa.types.is_floating(kind) and where.op in (">", ">="):  # to PostgreSQL no number is greater than NaN
        return sql.SQL("({} AND {} <> 'NaN')").format(told, column)
    return told
