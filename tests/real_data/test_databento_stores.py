"""Databento's test stores: every schema of every data set, DBN 1 to 3, fragments, several zstd frames, legacy DBZ."""

from __future__ import annotations

import tarfile
from pathlib import Path

import databento_dbn as dbn
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from qflib.desk.replay import replay
from qflib.errors import DataError
from qflib.venues.databento import read, read_records

ARCHIVES = ("databento-python_tests_data.tar.gz", "dbn_tests_data.tar.gz")
#: Schemas without a book: read as frames alone.
BOOKLESS = ("ohlcv", "definition", "imbalance")


@pytest.fixture(scope="module")
def stores(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("stores")
    for name in ARCHIVES:
        with tarfile.open(test_data / "databento" / name) as f:
            f.extractall(root / name, filter="data")
    found = [p for p in sorted(root.rglob("*")) if p.is_file() and (".dbn" in p.name or p.suffix == ".dbz")]
    assert len(found) == 72 + 82
    return found


def _by_databento(path: Path) -> int:
    """Records that databento_dbn itself counts."""
    data = path.read_bytes()
    if data[:4] == b"\x28\xb5\x2f\xfd":
        with pa.CompressedInputStream(pa.py_buffer(data), "zstd") as f:
            data = f.read()
    decoder = dbn.DBNDecoder(has_metadata=data[:3] == b"DBN")
    decoder.write(data)
    return sum(not isinstance(r, dbn.Metadata) for r in decoder.decode())


@pytest.mark.data
def test_every_record_of_every_store_is_read(stores: list[Path]) -> None:
    for path in stores:
        frames = read_records(path)
        n = sum(len(f) for f in frames.values())
        assert not [name for name in frames if name.startswith("type")], path
        assert n == ((0 if "ohlcv-1d" in path.name else 2) if path.suffix == ".dbz" else _by_databento(path)), path


@pytest.mark.data
def test_books_move_by_every_schema_that_tells_of_them(stores: list[Path]) -> None:
    for path in stores:
        schema = path.name.split(".")[1]
        if any(b in path.name for b in BOOKLESS):
            with pytest.raises(DataError, match="no book"):
                read(path)
            continue
        figures = replay(path, "databento")
        assert figures["dead_letters"] == figures["gaps"] == 0, path
        assert figures["events"] > 0 or schema in ("statistics", "mbo"), path
        if "mbo" not in schema and schema != "live":
            assert figures["refused"] == 0, path
            assert all(b["orders"] is None for b in figures["instruments"].values()), path


@pytest.mark.data
def test_versions_and_the_format_before_them_say_the_same(stores: list[Path]) -> None:
    by_schema: dict[str, list[pd.DataFrame]] = {}
    for path in stores:
        if ARCHIVES[1] in str(path) and path.name.split(".")[1] in ("mbo", "mbp-1", "mbp-10", "tbbo", "trades"):
            (frame,) = read_records(path).values()
            by_schema.setdefault(path.name.split(".")[1], []).append(frame)
    assert all(len(frames) >= 5 for frames in by_schema.values())
    for frames in by_schema.values():
        for frame in frames[1:]:
            pd.testing.assert_frame_equal(frame, frames[0])


@pytest.mark.data
def test_fields_are_what_databento_documents(stores: list[Path]) -> None:
    path = next(p for p in stores if p.name == "test_data.mbp-1.v3.dbn.zst")
    row = read_records(path)["mbp-1"].iloc[0]
    assert row["ts_recv"] == pd.Timestamp("2020-12-28T13:00:00.006136329Z")
    assert (row["action"], row["side"], row["depth"], row["size"]) == ("A", "A", 0, 1)
    assert (row["bid_px_00"], row["ask_px_00"], row["bid_sz_00"], row["ask_sz_00"]) == (3720.25, 3720.5, 24, 11)
    bars = read_records(next(p for p in stores if p.name == "test_data.ohlcv-1s.dbz"))["ohlcv"]
    assert (bars["low"] <= bars["high"]).all()
    definition = read_records(next(p for p in stores if p.name == "test_data.definition.v1.dbn.frag"))["definition"]
    assert definition["raw_symbol"].tolist() == ["GEM3 P9812", "ESH1 P2250"]
    assert definition["exchange"].tolist() == ["XCME", "XCME"]


@pytest.mark.data
def test_cut_and_flipped_stores_are_told_or_read(stores: list[Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    told = 0
    for path in stores[::3]:
        data = bytearray(path.read_bytes())
        for trial in range(6):
            broken = bytearray(data)
            if trial % 2:
                broken = broken[: int(rng.integers(len(broken)))]
            else:
                for at in rng.integers(len(broken), size=3):
                    broken[at] = int(rng.integers(256))
            copy = tmp_path / "broken"
            copy.write_bytes(broken)
            for use in (read_records, lambda p: replay(p, "databento")):
                try:
                    use(copy)
                except DataError:
                    told += 1
    assert told > 50
