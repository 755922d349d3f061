"""Delta Lake tables in an object store: the archive's promises hold there, and others read what it wrote.

The server is moto's S3, in a process of its own: delta-rs holds Python's lock while it asks.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pytest
from pyarrow import fs

import qflib as qf
from qflib.errors import DataError, InputError
from qflib.history import Archiver, ConflictError, DeltaHistory, Log, opened
from qflib.history.opening import establish
from qflib.history.upkeep import tend
from qflib.records import MARKET_EVENTS, Batch, Header, Instrument, Instruments
from qflib.records.codec import encode
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW

NS = 1_767_600_000_000_000_123
TABLE = Instruments((Instrument("ACME", kind="spot"),))
LOG = Log("c1", MARKET_NORMALIZED, "t", 0)
_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("%s:%d" % server.get_host_and_port(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=-1, stdout=-1, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout is not None
    yield f"http://{server.stdout.readline().strip()}"
    server.communicate("")


@pytest.fixture
def url(address: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A bucket; all that is needed to reach it stands in the environment."""
    told = {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "ENDPOINT_URL": address, "ALLOW_HTTP": "true",
            "REGION": "us-east-1"}  # fmt: skip
    for name, value in told.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    bucket = request.node.name.replace("_", "-")[:60].rstrip("-")
    files, path = fs.FileSystem.from_uri(f"s3://{bucket}?allow_bucket_creation=true")
    files.create_dir(path)
    return f"s3://{bucket}/desk"


def record(offset: int) -> bytes:
    events = MARKET_EVENTS.make(kind=1, receipt_ns=[NS + offset, NS + offset], price_ticks=[offset, 7])
    return encode(Batch.of("market", Header("s", 0, offset), events=events))


def archived(history: DeltaHistory, offsets: range) -> Archiver:
    archiver = Archiver(history)
    archiver.assign([LOG])
    for o in offsets:
        archiver.take(MARKET_NORMALIZED, 0, o, NS, b"k", record(o))
    archiver.store()
    return archiver


def test_each_offset_once_and_a_late_writer_is_refused(url: str) -> None:
    history = DeltaHistory(url)
    with pytest.raises(DataError, match="is no history"):
        history.instruments()
    history.register("c1", TABLE)
    late = Archiver(history)
    late.assign([LOG])
    late.take(MARKET_NORMALIZED, 0, 0, NS, b"k", record(0))
    archived(history, range(5))
    with pytest.raises(ConflictError, match="another archive"):
        late.store()
    archived(history, range(9))
    assert sorted(history.scan("batches", ["offset"])["offset"].to_pylist()) == list(range(9))
    assert history.offsets(MARKET_NORMALIZED, "events") == {("c1", 0): 9}
    history.register("c1", TABLE.extended([Instrument("BETA", kind="spot")]))
    assert len(DeltaHistory(url).instruments()) == 2
    assert repr(history) == f"DeltaHistory({url!r})"


def test_upkeep_keeps_the_content(url: str) -> None:
    history = DeltaHistory(url)
    history.register("c1", TABLE)
    for n in range(1, 5):
        archived(history, range(n))
    before = history.read(MARKET_NORMALIZED)
    assert tend(url, min_files=2, retention_hours=0)["events"].replaced == 4
    pd.testing.assert_frame_equal(before, history.read(MARKET_NORMALIZED))


def test_another_engine_reads_it(url: str) -> None:
    """Delta's protocol followed by hand, the files read by Arrow's own client of S3 and asked by DuckDB."""
    history = DeltaHistory(url)
    history.register("c1", TABLE)
    for n in range(1, 4):
        archived(history, range(n))
    tend(url, min_files=2)
    s3, root = fs.FileSystem.from_uri(f"{url}/events")
    alive: set[str] = set()
    for entry in sorted(s3.get_file_info(fs.FileSelector(f"{root}/_delta_log")), key=lambda f: f.path):
        if entry.path.endswith(".json"):
            for line in s3.open_input_stream(entry.path).read().decode().splitlines():
                action = json.loads(line)
                alive |= {action["add"]["path"]} if "add" in action else set()
                alive -= {action["remove"]["path"]} if "remove" in action else set()
    assert len(alive) == 1
    events = ds.dataset([f"{root}/{path}" for path in alive], filesystem=s3, format="parquet")
    told = duckdb.from_arrow(events).aggregate("count(*), sum(price_ticks), max(receipt_ns)").fetchall()
    assert told == [(6, 0 + 1 + 2 + 3 * 7, NS + 2)]
    assert history.sql("select count(*), sum(price_ticks) from events").fetchall() == [(6, 24)]


def test_a_desk_finds_it(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    with pytest.raises(InputError, match="no files to keep at s3://"):
        establish(folder, "postgres", url=url)
    establish(folder, None, url=url)
    history = opened(folder)
    assert isinstance(history, DeltaHistory)
    assert history.name == url
    with pytest.raises(InputError, match=f"kept by delta at {url}, not by delta in the folder"):
        establish(folder, "delta")
    history.register("c1", TABLE)
    archiver = archived(history, range(2))
    archiver.assign([Log("c1", MARKET_RAW, "r", 0)])
    archiver.take(MARKET_RAW, 0, 0, NS, b"k", b"raw")
    archiver.store()
    establish(folder, None)
    assert len(qf.read(folder, venue="history").to_frame(None)) == 4


def test_a_store_that_is_away_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"cannot be read|is no history"):
        DeltaHistory("s3://no-such-bucket/desk").instruments()
