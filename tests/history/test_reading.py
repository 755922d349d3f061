"""What was archived comes back: order, units, pruning; whole states while it is written; after compaction the same."""

from pathlib import Path
from threading import Event, Thread

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pytest

import qflib as qf
from qflib.errors import DataError, InputError, UnknownInstrumentError
from qflib.history import Archiver, DeltaHistory, History, Log
from qflib.history.kept import KEPT
from qflib.history.reading import in_time
from qflib.history.upkeep import tend
from qflib.records import MARKET_EVENTS, POSITIONS, RISK, Batch, Header, Instrument, Instruments
from qflib.records.codec import encode
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW, RISK_METRICS
from tests.history.conftest import NewHistory

TABLE = Instruments((Instrument("ACME", kind="spot"), Instrument("BETA", kind="spot", tick_schedule=(("0", "0.5"),))))
DAY = 86_400 * 10**9
NS = 1_767_600_000_000_000_123  # 2026-01-05T08:00
LOGS = [Log("c1", t, t, p) for t in (MARKET_NORMALIZED, MARKET_RAW, RISK_METRICS) for p in (0, 1)]


def value(offset: int, instrument: int = 0, rows: int = 4, at: int = NS) -> bytes:
    receipt = np.arange(rows, dtype=np.int64) + at
    columns = MARKET_EVENTS.make(kind=1, side=1, instrument=instrument, price_ticks=100, qty=2, receipt_ns=receipt)
    return encode(Batch.of("market", Header(f"sim:{instrument}", 0, offset), events=columns))


def filled(made: History) -> History:
    """Two partitions, an instrument each; three days; a commit a day and partition."""
    made.register("c1", TABLE)
    archiver = Archiver(made)
    archiver.assign(LOGS)
    for day in range(3):
        for p in (1, 0):
            archiver.take(MARKET_NORMALIZED, p, day, NS, b"k", value(day, p, at=NS + day * DAY))
            archiver.store()
    return made


@pytest.fixture
def history(new_history: NewHistory) -> History:
    return filled(new_history())


@pytest.fixture
def delta(tmp_path: Path) -> DeltaHistory:
    made = DeltaHistory(tmp_path / "history")
    filled(made)
    return made


def test_a_frame_in_time_with_prices(history: History) -> None:
    frame = history.read(MARKET_NORMALIZED)
    assert len(frame) == 24
    assert frame.index.is_monotonic_increasing
    assert str(frame.index.dtype) == "datetime64[ns, UTC]"
    assert frame.index[1].nanosecond == 123
    assert list(frame["instrument"].iloc[:2]) == ["ACME", "BETA"]
    assert list(frame["price"].iloc[:2]) == [1.0, 50.0]
    assert list(frame["source"].iloc[:2]) == ["sim:0", "sim:1"]
    raw = history.read(MARKET_NORMALIZED, raw=True)
    assert raw.index[0] == NS
    assert raw["price_ticks"].iloc[0] == 100


def test_columns_instrument_and_instants(history: History) -> None:
    frame = history.read(
        MARKET_NORMALIZED, ["price", "receipt_ns"], "BETA", "2026-01-06T08:00Z", pd.Timestamp(NS + DAY + 2, tz="UTC")
    )
    assert list(frame.columns) == ["price"]
    assert list(frame["price"]) == [50.0, 50.0]
    arrow = history.read(MARKET_NORMALIZED, ["receipt_ns"], 1, form="arrow")
    assert arrow.column_names == ["receipt_ns"]
    assert arrow["receipt_ns"].to_pylist() == sorted(NS + d * DAY + i for d in range(3) for i in range(4))


def test_a_table_without_a_time_takes_its_records(history: History) -> None:
    archiver = Archiver(history)
    archiver.assign(LOGS)
    report = Batch.of(
        "risk", risk=RISK.make(level=[0.975], time_ns=[NS]), positions=POSITIONS.make(instrument=[0, 1], qty=[3, -4])
    )
    archiver.take(RISK_METRICS, 0, 0, NS + DAY, b"k", encode(report))
    archiver.store()
    positions = history.read(RISK_METRICS, table="positions", start="2026-01-05T00:00Z", end="2026-01-06T00:00Z")
    assert list(positions["qty"]) == [3.0, -4.0]
    assert positions.index[0] == pd.Timestamp(NS, tz="UTC")
    assert len(history.read(RISK_METRICS)) == 1


def test_other_days_and_instruments_are_not_opened(delta: DeltaHistory) -> None:
    data = delta.dataset("events")
    assert data is not None

    def opened(where: ds.Expression) -> int:
        return len(list(data.get_fragments(filter=where)))

    assert opened(ds.field("date") >= "2000") == 6
    assert opened(ds.field("date") == "2026-01-06") == 2
    assert opened(ds.field("instrument") == 1) == 3
    assert opened((ds.field("date") == "2026-01-06") & (ds.field("receipt_ns") < NS)) == 0


def test_sql(delta: DeltaHistory) -> None:
    made = delta.sql("select instrument, count(*), max(receipt_ns) from events group by 1 order by 1").fetchall()
    assert made == [(0, 12, NS + 2 * DAY + 3), (1, 12, NS + 2 * DAY + 3)]
    assert delta.sql("select count(*) from batches where topic = 'market.data.normalized'").fetchall() == [(6,)]


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"topic": "exchange.marks"}, InputError, "no column tables"),
        ({"table": "orders"}, InputError, "has no table 'orders'; it has events, signals, clocks"),
        ({"columns": ["colour"]}, InputError, "no column 'colour'"),
        ({"instrument": "GAMMA"}, UnknownInstrumentError, "GAMMA"),
        ({"instrument": 7}, InputError, "instrument 7"),
        ({"start": "2026-01-05"}, InputError, "time zone"),
        ({"end": "soon"}, InputError, "time zone"),
        ({"form": "xml"}, InputError, "frame or arrow"),
        ({"cluster": "c9"}, InputError, "c9"),
    ],
)
def test_wrong_questions(history: History, arguments: dict, error: type, sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        history.read(**({"topic": MARKET_NORMALIZED} | arguments))


def test_a_folder_that_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no history"):
        qf.read(tmp_path, venue="history")


def test_another_instrument_table_is_refused(history: History) -> None:
    history.register("c1", TABLE.extended([Instrument("GAMMA", kind="spot")]))
    assert len(history.instruments()) == 3
    history.register("c1", TABLE)  # an older start
    assert len(history.instruments()) == 3
    with pytest.raises(DataError, match="another instrument table"):
        history.register("c1", Instruments((Instrument("BETA", kind="spot"),)))
    history.register("c2", Instruments((Instrument("BETA", kind="spot"),)))
    assert history.clusters == ("c1", "c2")


def test_a_reader_sees_whole_commits_and_nobody_waits(delta: DeltaHistory) -> None:
    """A commit holds 5 records of each of two partitions; no reader ever counts otherwise."""
    archiver = Archiver(delta)
    archiver.assign(LOGS)
    ended = Event()
    seen: list[int] = []

    def look() -> None:
        while not ended.is_set():
            counts = delta.sql("select partition, count(*) from events group by 1 order by 1").fetchall()
            seen.extend(n for _, n in counts)
            assert len({n for _, n in counts}) == 1

    reader = Thread(target=look)
    reader.start()
    for commit in range(25):
        for offset in range(3 + commit * 5, 8 + commit * 5):
            for p in (0, 1):
                archiver.take(MARKET_NORMALIZED, p, offset, NS, b"k", value(offset, p))
        archiver.store()
        if commit % 10 == 5:
            tend(delta.root, min_files=2)
    ended.set()
    reader.join()
    assert seen
    assert all((n - 12) % 20 == 0 for n in seen)
    assert len(delta.read(MARKET_NORMALIZED)) == 24 + 25 * 5 * 2 * 4


def test_compaction_and_vacuum_keep_the_content(delta: DeltaHistory) -> None:
    before = delta.read(MARKET_NORMALIZED)
    archiver = Archiver(delta)
    archiver.assign(LOGS)  # loaded before the files are replaced
    records = [list(delta.batches(MARKET_NORMALIZED, p)) for p in (0, 1)]
    done = tend(delta.root, min_files=2, retention_hours=0)
    assert done["events"].replaced == 6
    assert done["events"].deleted == 6
    pd.testing.assert_frame_equal(before, delta.read(MARKET_NORMALIZED))
    assert records == [list(delta.batches(MARKET_NORMALIZED, p)) for p in (0, 1)]
    assert len(list((delta.root / "events").rglob("*.parquet"))) == 3
    for o in range(4):
        archiver.take(MARKET_NORMALIZED, 0, o, NS, b"k", value(o))
    archiver.store()
    assert len(delta.read(MARKET_NORMALIZED)) == len(before) + 4


def test_files_that_a_reader_may_hold_stay(delta: DeltaHistory) -> None:
    data = delta.dataset("events")
    assert data is not None
    tend(delta.root, min_files=2)
    assert data.count_rows() == 24


def test_as_a_feed(new_history: NewHistory) -> None:
    """A simulated market's raw records through the history: the same bytes, the same events."""
    sim = qf.datasets.load("sim", seed=7, duration="2s")
    history = new_history()
    history.register("c1", sim.instruments)
    archiver = Archiver(history)
    archiver.assign(LOGS)
    sent = list(sim.raw())
    offsets = [0, 0]
    for batch in sent:
        p = sim.instruments.sources.index(batch.header.source) % 2
        archiver.take(MARKET_RAW, p, offsets[p], NS, batch.key.encode() + b"#0", encode(batch))
        offsets[p] += 1
    for offset, events in enumerate(sim.events()):
        record = encode(Batch.of("market", Header("n", 0, offset), events=events))
        archiver.take(MARKET_NORMALIZED, 0, offset, NS, b"k", record)
    archiver.store()
    feed = qf.read(history, venue="history")
    assert isinstance(feed, qf.Feed)
    got = list(feed.raw())
    for source in sim.instruments.sources:
        assert [encode(b) for b in got if b.header.source == source] == [
            encode(b) for b in sent if b.header.source == source
        ]
        assert all(b.key == source for b in got if b.header.source == source)
    mine, theirs = feed.to_frame(None), sim.to_frame(None)
    assert len(mine) == len(theirs)
    assert (feed.start, feed.end) == (theirs.index.min(), theirs.index.max())
    columns = ["symbol", "kind", "side", "price", "qty", "order_id"]
    for symbol in mine["symbol"].unique():
        a, b = (f[f["symbol"] == symbol][columns] for f in (mine, theirs.sort_index(kind="stable")))
        pd.testing.assert_frame_equal(a, b, check_categorical=False)


def test_windows_of_a_large_table(history: History) -> None:
    """However few rows a window holds, together they are the table in order."""
    whole = history.read(MARKET_NORMALIZED, raw=True)
    for rows in (1, 9, 10**6):
        windows = list(in_time(history, KEPT["events"], window_rows=rows))
        assert [t for w in windows for t in w["receipt_ns"].to_pylist()] == whole.index.tolist()
        assert len(windows) == (1 if rows == 10**6 else 3 if rows == 1 else len(windows))


def test_records_in_windows_and_ranges(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qflib.history.store.WINDOW_BYTES", 1)
    assert [b.offset for b in history.batches(MARKET_NORMALIZED, 0)] == [0, 1, 2]
    assert [b.offset for b in history.batches(MARKET_NORMALIZED, 0, start=1, stop=2)] == [1]
    assert [b.offset for b in history.batches(MARKET_NORMALIZED, 0, date="2026-01-05")] == [0, 1, 2]
    assert not list(history.batches(MARKET_NORMALIZED, 0, date="2026-01-06"))
    assert not list(history.batches(MARKET_NORMALIZED, 5))
    assert history.partitions(MARKET_NORMALIZED) == [0, 1]
