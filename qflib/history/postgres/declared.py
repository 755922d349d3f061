"""The tables of the history as PostgreSQL declares them, from the same declaration as everybody else's.

Migrations are files that people read before they run them; `missing` writes the next one, and a test holds the two
together: ``python -m qflib.history.postgres.declared`` prints what the migrations do not make yet.
"""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

from qflib.history.kept import KEPT

_TYPES = {
    pa.int32(): ("integer", 4, "0"),
    pa.int64(): ("bigint", 8, "0"),
    pa.float64(): ("double precision", 8, "0"),
    pa.string(): ("text", 99, "''"),
}
#: Texts that say the same in most rows are numbers of a table of their own: a row is a third smaller.
_SPECIAL = {"date": ("date", 4, ""), "cluster": ("smallint", 2, ""), "source": ("integer", 4, "")}


class Column(NamedTuple):
    """A column of a column table: its SQL type, bytes (99: as many as it needs) and default."""

    name: str
    type: str
    width: int
    default: str

    @property
    def sql(self) -> str:
        """As CREATE TABLE takes it; text is compared by its bytes, as everywhere else."""
        collation = ' COLLATE "C"' if self.type == "text" else ""
        default = f" DEFAULT {self.default}" if self.default else ""
        return f'"{self.name}" {self.type}{collation} NOT NULL{default}'


def columns(table: str) -> tuple[Column, ...]:
    """The columns of a column table, the widest first: so no byte is lost between them.

    Parameters
    ----------
    table
        A name of `KEPT`.

    Examples
    --------
    >>> [c.name for c in columns("clocks")]
    ['offset', 'epoch', 'seq', 'time_ns', 'date', 'partition', 'row', 'source', 'closing', 'cluster']
    """
    made = [Column(f.name, *(_SPECIAL.get(f.name) or _TYPES[f.type])) for f in KEPT[table].schema]
    return tuple(sorted(made, key=lambda c: -(c.width if c.width < 99 else 0)))


def create(table: str) -> str:
    """The statements that make a column table.

    A BRIN tells of each 32 pages the least and greatest time and offset: rows come nearly in their order, so it is some
    kilobytes large and costs an append next to nothing.
    """
    kept = KEPT[table]
    body = ",\n".join(f"    {c.sql}" for c in columns(table))
    return (
        f'CREATE TABLE "{table}" (\n{body}\n) PARTITION BY RANGE ("date");\n'
        f'CREATE INDEX "{table}_time" ON "{table}" USING brin ("{kept.time}", "offset") '
        "WITH (pages_per_range = 32, autosummarize = on);\n"
    )


def indexed(table: str) -> tuple[str, ...]:
    """The columns of the index of a day that is over; none: the table has no instruments."""
    kept = KEPT[table]
    return ("instrument", kept.time) if "instrument" in kept.schema.names else ()


def missing(there: dict[str, dict[str, str]]) -> str:
    """The statements that bring a schema up to the declaration; empty: it is.

    Parameters
    ----------
    there
        Columns and their types, by table, as the database has them.
    """
    made = []
    for table in KEPT:
        if table not in there:
            made.append(create(table))
            continue
        made += [f'ALTER TABLE "{table}" ADD COLUMN {c.sql};\n' for c in columns(table) if c.name not in there[table]]
    return "".join(made)


if __name__ == "__main__":
    import tempfile

    from qflib.history.postgres.connections import Database
    from qflib.history.postgres.private import PrivateServer
    from qflib.history.postgres.schema import described, migrate

    with tempfile.TemporaryDirectory() as folder:
        server = PrivateServer(folder)
        made = Database(None, server=server)
        migrate(made)
        print(missing(described(made)), end="")
        made.close()
        server.remove()
