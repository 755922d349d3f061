"""Conditions as SQL, with the same answers that Arrow gives."""

from __future__ import annotations

from typing import Any, Final

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
    '("date" >= \'2026-01-05\'::date AND "instrument" = ANY(\'{1,2}\'::bigint[]))'
    """
    if where is None:
        return sql.SQL("true")
    if isinstance(where, Joined):
        parts = [as_sql(table, p) for p in where.parts]
        return sql.SQL("({})").format(sql.SQL(f" {where.how.upper()} ").join(parts))
    assert isinstance(where, Compared)
    kind = schema_of(table).field(where.column).type
    if where.op == "in":
        return _among(where, kind)
    column, value = sql.Identifier(where.column), sql.Literal(where.value)
    if where.op == "ends":
        return sql.SQL("right({}, {}) = {}").format(column, sql.Literal(len(where.value)), value)
    if where.column in NAMED:
        number = sql.SQL("(SELECT id FROM {} WHERE name = {})").format(sql.Identifier(NAMED[where.column]), value)
        return sql.SQL("{} {} {}").format(column, sql.SQL(where.op), number)
    if where.column == "date":
        return sql.SQL("{} {} {}::date").format(column, sql.SQL(where.op), value)
    told = sql.SQL("{} {} {}").format(column, sql.SQL(where.op), value)
    if pa.types.is_floating(kind) and where.op in (">", ">="):  # to PostgreSQL no number is greater than NaN
        return sql.SQL("({} AND {} <> 'NaN')").format(told, column)
    return told


def _among(where: Compared, kind: pa.DataType) -> sql.Composable:
    column, values = sql.Identifier(where.column), _array(list(where.value))
    if where.column in NAMED:
        names = sql.Identifier(NAMED[where.column])
        return sql.SQL("{} IN (SELECT id FROM {} WHERE name = ANY({}::text[]))").format(column, names, values)
    cast = "date" if where.column == "date" else _CAST[kind]
    return sql.SQL("{} = ANY({}::{}[])").format(column, values, sql.SQL(cast))


def _array(values: list[Any]) -> sql.Composable:
    return sql.Literal(values) if values else sql.Literal("{}")
