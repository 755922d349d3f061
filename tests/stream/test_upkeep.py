"""The history is tended while the archive runs, and left in peace at its end."""

import time
from pathlib import Path

from qflib.history import Archiver, DeltaHistory, Log
from qflib.records.topics import MARKET_RAW
from qflib.stream.upkeep import Upkeep


def test_rounds_beside_a_writer(tmp_path: Path) -> None:
    history = DeltaHistory(tmp_path)
    archiver = Archiver(history)
    archiver.assign([Log("c1", MARKET_RAW, "t", 0)])
    offset = 0
    with Upkeep(history, every_s=0.01) as upkeep:
        until = time.monotonic() + 60
        while upkeep.rounds < 2:
            archiver.take(MARKET_RAW, 0, offset, 1, b"k", b"value")
            archiver.store()
            offset += 1
            assert time.monotonic() < until
    rows = history.scan("batches", ["offset"])
    assert sorted(rows["offset"].to_pylist()) == list(range(offset))
    dataset = history.dataset("batches")
    assert dataset is not None
    assert len(list(dataset.get_fragments())) < offset
