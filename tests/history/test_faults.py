"""kill -9 in the middle of commits, and a full disk."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np

from qflib.history import DeltaHistory, History
from qflib.history.opening import Kept
from qflib.history.postgres import PostgresHistory
from tests.history.full_disk import filled_and_gone_on, mounted

_WRITER = """
    import sys
    from qflib.history import Archiver, Log, opened
    from qflib.records import MARKET_EVENTS, Batch, Header
    from qflib.records.codec import encode

    topic = "market.data.normalized"
    archiver = Archiver(opened(sys.argv[1]))
    logs = [Log("c1", topic, "t", p) for p in (0, 1)]
    start = min(archiver.assign(logs).values())
    start = max(0, start - 7)  # what the group has committed lies before what is stored
    print("begun", flush=True)
    for offset in range(start, 100_000):
        for p in (0, 1):
            rows = MARKET_EVENTS.make(kind=[1, 3], receipt_ns=[offset + 1, offset + 1])
            record = encode(Batch.of("market", Header("s", 0, offset), events=rows))
            archiver.take(topic, p, offset, 10**18, b"k", record)
        if offset % 5 == 0:
            archiver.store()
            print(offset, flush=True)
"""


def test_killed_in_the_middle_of_commits(history: History, tmp_path: Path) -> None:
    place = history.root if isinstance(history, DeltaHistory) else tmp_path
    if isinstance(history, PostgresHistory):
        (place / "store.json").write_text(json.dumps(Kept("postgres", history.database.dsn)._asdict()))
    rng = np.random.default_rng(0)
    for _ in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_WRITER), str(place)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(int(rng.integers(3, 12))):
            assert child.stdout.readline()
        for _ in range(int(rng.integers(0, 200_000))):
            pass
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    for table, times in (("batches", 1), ("events", 2)):
        ends = history.offsets("market.data.normalized", table)
        assert set(ends) == {("c1", 0), ("c1", 1)}
        for (_, p), end in ends.items():
            rows = history.scan(table, ["partition", "offset"])
            offsets = rows.filter(np.equal(rows["partition"], p))["offset"].to_numpy()
            assert np.array_equal(np.sort(offsets), np.repeat(np.arange(end), times))
            assert end > 20


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "size=2m") as disk:
        filled_and_gone_on(DeltaHistory(disk), disk)
