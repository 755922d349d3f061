"""What docs/stream.md, docs/storage.md and the runbook of dead letters show of the history runs as it stands there."""

import re
import textwrap
from pathlib import Path

import pytest

import qflib as qf
from qflib.history import Archiver, DeltaHistory, History, Log
from qflib.history.postgres.connections import Database
from qflib.records import Batch, DeadReason, Header, Instrument, Instruments
from qflib.records.codec import dead_row, encode
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW, dead_letters
from tests.postgres_server import schema_of_its_own

DOCS = Path(__file__).parents[2] / "docs"
NS = 1_767_600_000_000_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a desk ran for a second."""
    made = tmp_path_factory.mktemp("desk")
    sim = qf.datasets.load("sim", seed=7, duration="1s")
    history = DeltaHistory(made / "runs/up/history")
    history.register("c1", sim.instruments)
    archiver = Archiver(history)
    archiver.assign([Log("c1", t, t, 0) for t in (MARKET_RAW, MARKET_NORMALIZED, dead_letters(MARKET_RAW))])
    for offset, raw in enumerate(sim.raw()):
        archiver.take(MARKET_RAW, 0, offset, NS, b"k#0", encode(raw))
    for offset, events in enumerate(sim.events()):
        record = encode(Batch.of("market", Header("normalize/0", 0, offset), events=events))
        archiver.take(MARKET_NORMALIZED, 0, offset, NS, b"k#0", record)
    letter = dead_row(b"no record", MARKET_RAW, DeadReason.UNPARSABLE, "it is no record")
    dead = encode(Batch.of("dead", Header("normalize/0"), dead=letter))
    archiver.take(dead_letters(MARKET_RAW), 0, 0, NS, b"k#0", dead)
    archiver.store()
    return made


def shown(page: str) -> dict[str, object]:
    told: dict[str, object] = {}
    for block in re.findall(r"^ *```python\n(.*?)^ *```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.M):
        exec(textwrap.dedent(block), told)
    return told


def test_the_examples_of_the_stream(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    told = shown("stream.md")
    assert capsys.readouterr().out == "0 market.data.raw 0 it is no record\n"
    assert isinstance(told["feed"], qf.Feed)
    assert len(told["feed"].to_frame(None)) == len(qf.datasets.load("sim", seed=7, duration="1s").to_frame(None))


def test_the_examples_of_the_history(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert isinstance(shown("storage.md")["history"], DeltaHistory)


@pytest.mark.parametrize("kind", ["delta", "postgres"])
def test_the_runbook_shows_the_dead_letters_of_all_partitions(
    kind: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("QFLIB_STATE", str(tmp_path))
    history: History = DeltaHistory(tmp_path / "up" / "history")
    if kind == "postgres":
        database: Database = request.getfixturevalue("database")
        history = schema_of_its_own(database, "letters")
        monkeypatch.setenv("QFLIB_STORE__DSN", database.dsn or "")
        monkeypatch.setenv("QFLIB_STORE__NAMESPACE", "letters")
    history.register("c1", Instruments((Instrument("ACME", kind="spot"),)))
    archiver, topic = Archiver(history), dead_letters(MARKET_RAW)
    archiver.assign([Log("c1", topic, "id", p) for p in range(3)])
    for p in (0, 2):
        for offset in range(2):
            row = dead_row(b"no record", MARKET_RAW, DeadReason.UNPARSABLE, f"it is no record {p}{offset}")
            record = encode(Batch.of("dead", Header(f"normalize/{p}", 0, offset), dead=row))
            archiver.take(topic, p, offset, NS, b"k", record)
    archiver.store()
    capsys.readouterr()  # what the server's start logged
    shown("runbooks/data.md")
    assert capsys.readouterr().out.splitlines() == [
        f"{p} {o} {MARKET_RAW} 0 it is no record {p}{o}" for p in (0, 2) for o in range(2)
    ]
