"""The roles of a history as a file, and as the database has them: what each may do, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from qflib.history.postgres import PrivateServer
from qflib.history.postgres.connections import Database, psycopg
from qflib.history.postgres.schema import migrate, roles
from tests.postgres_server import server

__all__ = ["server"]  # a fixture
FILE = Path(__file__).parents[2] / "deploy" / "postgres" / "roles.sql"
_OWN = {"migrations", "_yoyo_log", "_yoyo_version", "yoyo_lock"}  # of the migrations
_TABLES = """
    SELECT c.relname, array_agg(p) FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE',
    'REFERENCES', 'TRIGGER']) p
    WHERE relnamespace = 'held'::regnamespace AND relkind IN ('r', 'p') AND has_table_privilege(%s, c.oid, p)
    GROUP BY 1
"""
#: A caller's own: whoever looks into them runs what the caller wrote.
_TRAPS = """
    CREATE FUNCTION pg_temp.evil() RETURNS boolean LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'looked at by %', current_user; END $$;
    CREATE TEMPORARY VIEW pg_inherits AS SELECT * FROM pg_catalog.pg_inherits WHERE pg_temp.evil();
    CREATE TEMPORARY VIEW pg_class AS SELECT * FROM pg_catalog.pg_class WHERE pg_temp.evil();
    CREATE TEMPORARY VIEW days AS SELECT * FROM trapped.days WHERE pg_temp.evil();
    GRANT SELECT, DELETE ON pg_temp.pg_inherits, pg_temp.pg_class, pg_temp.days TO PUBLIC;
"""
_FUNCTIONS = """
    SELECT proname FROM pg_proc WHERE pronamespace = 'held'::regnamespace AND has_function_privilege(%s, oid, 'EXECUTE')
"""


def test_the_file_is_what_the_command_prints() -> None:
    assert FILE.read_text(encoding="utf-8") == roles("qflib"), "qflib store roles > deploy/postgres/roles.sql"


def test_each_role_has_the_rights_of_the_file_and_no_more(server: PrivateServer) -> None:
    own = Database(None, "held", server)
    migrate(own)
    with own.connection() as c:
        c.execute(roles("held").encode())
        c.execute("CREATE ROLE nobody_here LOGIN")
        tables = {
            r: {n: set(p) for n, p in c.execute(_TABLES, [r]).fetchall()} for r in ("qflib_reader", "qflib_writer")
        }
        functions = {r: {n for (n,) in c.execute(_FUNCTIONS, [r]).fetchall()} for r in tables}
        enters = c.execute("SELECT has_schema_privilege('nobody_here', 'held', 'USAGE')").fetchone()
        creates = [c.execute("SELECT has_schema_privilege(%s, 'held', 'CREATE')", [r]).fetchone() for r in tables]
        c.execute("DROP ROLE nobody_here")
    own.close()
    assert (enters, creates) == ((False,), [(False,), (False,)])
    assert {frozenset(p) for p in tables["qflib_reader"].values()} == {frozenset({"SELECT"})}
    changed = {n for n, p in tables["qflib_writer"].items() if "UPDATE" in p}
    added = {n for n, p in tables["qflib_writer"].items() if "INSERT" in p}
    assert changed == {"offsets", "days", "clusters"}
    assert added == tables["qflib_reader"].keys() - _OWN
    assert not any(p - {"SELECT", "INSERT", "UPDATE"} for p in tables["qflib_writer"].values())
    assert functions["qflib_reader"] == {"partitions_of"}
    assert functions["qflib_writer"] - {"partitions_of"} == {
        "make_partition", "drop_partition", "index_partition", "summarize_partition",
    }  # fmt: skip


def test_a_function_of_the_owner_looks_into_no_temporary_view(server: PrivateServer) -> None:
    own = Database(None, "trapped", server)
    migrate(own)
    with own.connection() as c:
        c.execute(roles("trapped").encode())
        c.execute("CREATE ROLE trapper LOGIN IN ROLE qflib_writer")
        set_to = "SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'trapped'::regnamespace"
        paths = dict(c.execute(set_to).fetchall())
        c.execute("INSERT INTO clusters (name) VALUES ('c1')")
        c.execute("INSERT INTO days VALUES ('events', 1, '2026-01-05', 0, now())")
    writer = Database(own.dsn.replace("user=qflib", "user=trapper"), "trapped")  # type: ignore[union-attr]
    with writer.connection() as c:
        c.execute(_TRAPS.encode())
        with pytest.raises(psycopg.Error, match="looked at by trapper"):
            c.execute("SELECT FROM days")
        for made in (True, False):
            assert c.execute("SELECT make_partition('events', '2026-01-05')").fetchone() == (made,)
        assert c.execute("SELECT child FROM partitions_of('events')").fetchone() == ("events_20260105",)
        assert c.execute("SELECT summarize_partition('events', '2026-01-05')").fetchone() == (0,)
        for made in (True, False):
            index = "SELECT index_partition('events', '2026-01-05', '{instrument,receipt_ns}')"
            assert c.execute(index).fetchone() == (made,)
            assert c.execute("SELECT drop_partition('events', '2026-01-06')").fetchone() == (False,)
        assert c.execute("SELECT drop_partition('events', '2026-01-05')").fetchone() == (True,)
    with own.connection() as c:
        assert c.execute("SELECT count(*) FROM days").fetchone() == (0,)
    assert len(paths) == 5
    assert {tuple(p) for p in paths.values()} == {("search_path=trapped, pg_temp",)}
    writer.close()
    own.close()


def test_tables_of_a_later_migration_are_open_whoever_ran_the_file(server: PrivateServer) -> None:
    """An administrator ran it; the owner migrates."""
    admin = Database(None, "later", server)
    with admin.connection() as c:
        c.execute("CREATE ROLE keeper LOGIN")
        c.execute("CREATE SCHEMA later AUTHORIZATION keeper")
    keeper = Database(admin.dsn.replace("user=qflib", "user=keeper"), "later")  # type: ignore[union-attr]
    migrate(keeper)
    with admin.connection() as c:
        c.execute(roles("later").encode())
    with keeper.connection() as c:
        c.execute("CREATE TABLE added_later (n int)")
    with admin.connection() as c:
        asked = "SELECT has_table_privilege(%s, 'later.added_later', %s)"
        may = {(r, p): c.execute(asked, [r, p]).fetchone() == (True,)
               for r in ("qflib_reader", "qflib_writer") for p in ("SELECT", "INSERT", "UPDATE", "DELETE")}  # fmt: skip
    assert {k for k, v in may.items() if v} == {
        ("qflib_reader", "SELECT"), ("qflib_writer", "SELECT"), ("qflib_writer", "INSERT"),
    }  # fmt: skip
    keeper.close()
    admin.close()
