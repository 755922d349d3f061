"""The roles of a history as a file, and as the database has them: what each may do, and no more."""

from __future__ import annotations

from pathlib import Path

from qflib.history.postgres.connections import Database
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
_FUNCTIONS = """
    SELECT proname FROM pg_proc WHERE pronamespace = 'held'::regnamespace AND has_function_privilege(%s, oid, 'EXECUTE')
"""


def test_the_file_is_what_the_command_prints() -> None:
    assert FILE.read_text(encoding="utf-8") == roles("qflib"), "qflib store roles > deploy/postgres/roles.sql"


def test_each_role_has_the_rights_of_the_file_and_no_more(server: object) -> None:
    own = Database(None, "held", server)  # type: ignore[arg-type]
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
