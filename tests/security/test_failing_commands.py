"""Commands that fail over a setting that is, or holds, a secret: they say what is wrong, and not the secret."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer

from qflib import settings
from qflib.cli.main import app
from qflib.errors import InputError, StoreUnavailableError
from qflib.history.postgres import PrivateServer
from qflib.history.postgres.connections import Database, shown
from tests.postgres_server import server
from tests.security.planted import IN_FILE, NAMESPACE, SECRETS, command, environment

__all__ = ["server"]  # a fixture
ROOT = Path(__file__).parents[2]
ROOMS = ("qflib", "pipelines", "dashboards", "deploy", "tests/load")
SECRET = "secret-9f21c4"
_NOWHERE = "host=/nowhere user=me"


def told(folder: Path, **more: str) -> dict[str, str]:
    return environment(folder, _NOWHERE) | more


def clean(text: str) -> None:
    assert [s for s in (*SECRETS, SECRET) if s in text] == []
    assert "Traceback" not in text


def test_the_settings_hold_what_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in told(tmp_path).items():
        if name.startswith("QFLIB_"):
            monkeypatch.setenv(name, value)
    chosen = settings.load()
    assert chosen.broker.options == IN_FILE
    assert chosen.store.dsn is not None
    clean(repr(chosen))


@pytest.mark.parametrize(
    ("words", "more", "code", "said"),
    [
        (("doctor",), {"QFLIB_BROKER__BOOTSTRAP": "127.0.0.1:1"}, 1, "WRONG store"),
        (("up", "--bootstrap", "127.0.0.1:1", "--json"), {}, 2, "127.0.0.1:1"),
        (("store", "migrate"), {"QFLIB_STORE__DSN": f"host=h password=cut {SECRET}"}, 2, "store.dsn is not shown"),
        (("store", "tend"), {"QFLIB_BROKER__OPTIONS": f'{{"sasl.password": "{SECRET}"'}, 2, "cannot be read"),
        (("broker", "start"), {"QFLIB_BROKER__REPOSITORY": f"https://me:{SECRET}/x@mirror/",
                               "QFLIB_BROKER__CACHE": "cache"}, 2, "may hold a password"),
        (("up", "--help"), {}, 0, "Usage"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else None,
)  # fmt: skip
def test_what_fails_tells_no_secret(
    words: tuple[str, ...], more: dict[str, str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command(told(tmp_path, **more), *words)
    clean(done.stdout)
    assert said in done.stdout
    assert done.returncode == code, done.stdout


def _added(text: str) -> list[str]:
    """Flags that a program adds to a parser of argparse."""
    calls = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)]
    return [str(a.value) for c in calls if ast.unparse(c.func).endswith(".add_argument")
            for a in c.args if isinstance(a, ast.Constant)]  # fmt: skip


def test_no_flag_takes_a_secret() -> None:
    """A command line is in every list of processes."""

    def flags(at: Any, name: str) -> Iterator[str]:
        yield from (f"{name} {o}" for p in at.params for o in p.opts)
        for below, inner in getattr(at, "commands", {}).items():
            yield from flags(inner, f"{name} {below}")

    there = list(flags(typer.main.get_command(app), "qflib"))
    assert "qflib up --bootstrap" in there
    # the processes that it starts, and what is run by its module's name, read theirs by argparse
    programs = {f.relative_to(ROOT).as_posix(): f for room in ROOMS for f in (ROOT / room).rglob("*.py")}
    there += [f"{name} {flag}" for name, f in programs.items() for flag in _added(f.read_text(encoding="utf-8"))]
    assert {"dashboards/app.py --origin", "qflib/api/__main__.py --host", "qflib/stream/process.py --bootstrap",
            "deploy/audit.py --osv-url"} <= set(there)  # fmt: skip
    assert [f for f in there if re.search(r"--.*(key|password|passphrase|secret|token|dsn|ticket)\b", f)] == []


@pytest.mark.parametrize(
    "dsn",
    [
        f"host=h password=cut {SECRET}", f"postgresql://u:{SECRET}/more@h/d", f"postgresql://u:a/{SECRET}@h/d",
        f"postgresql://u:{SECRET}%zz@h/d", f"postgresql://u:{SECRET} b@h/d", f"postgresql://u:p@{SECRET}@h/d",
        f"host=h password='{SECRET}", f"postgresql://u:p#{SECRET}@h:p/d", f"{SECRET}",
    ],
)  # fmt: skip
def test_a_password_that_is_cut_up_is_not_shown(dsn: str) -> None:
    with pytest.raises(InputError, match=r"store\.dsn is not shown") as e:
        shown(dsn)
    clean(str(e.value))


@pytest.fixture
def guarded(server: PrivateServer) -> Iterator[str]:
    """A user whom the server asks for a password; how to reach it, without."""
    hba = server.data / "pg_hba.conf"
    before = hba.read_text()
    with psycopg.connect(server.dsn, autocommit=True) as c:
        c.execute("CREATE ROLE guarded LOGIN PASSWORD 'the right one'")
        hba.write_text("local all guarded scram-sha-256\n" + before)
        c.execute("SELECT pg_reload_conf()")
        yield server.dsn.replace("user=qflib", "user=guarded")
        hba.write_text(before)
        c.execute("SELECT pg_reload_conf()")
        c.execute("DROP ROLE guarded")


def test_a_wrong_password_is_refused_and_not_told(guarded: str, tmp_path: Path) -> None:
    wrong = told(tmp_path, QFLIB_STORE__DSN=f"{guarded} password={SECRET}")
    done = command(wrong, "store", "migrate")
    assert "password authentication failed" in done.stdout
    assert "set QFLIB_STORE__DSN, or" in done.stdout
    assert "waiting for PostgreSQL" not in done.stdout  # it will be the wrong one in 20 s, too
    assert f"schema {NAMESPACE}" in done.stdout
    clean(done.stdout)


def test_a_password_that_is_wrong_by_now_is_a_store_that_is_away(guarded: str) -> None:
    """So the archive asks again, and the desk trades on: it may be mended under way."""
    database = Database(f"{guarded} password={SECRET}")
    with pytest.raises(StoreUnavailableError, match="does not let this user in") as e:
        database.run(lambda c: c.execute("SELECT 1"))
    clean(str(e.value))
    database.close()
