"""A history from before a column was declared: its rows read as zeros there, alone and beside newer ones."""

from __future__ import annotations

from pathlib import Path

from deltalake import DeltaTable, write_deltalake

from qflib.history import Archiver, DeltaHistory, Log
from qflib.history.kept import COLUMN_PARTITIONS, KEPT
from qflib.history.reading import columns_of
from qflib.records import EXECUTIONS, Batch, Header, Instrument, Instruments
from qflib.records.codec import encode
from qflib.records.topics import ORDERS_EXECUTED

NS = 1_767_600_000_000_000_123
LATER = ("queue_ahead", "to_portfolio", "cash")  # of each type


def archived(history: DeltaHistory, offset: int, ahead: int) -> None:
    archiver = Archiver(history)
    archiver.assign([Log("c1", ORDERS_EXECUTED, ORDERS_EXECUTED, 0)])
    row = EXECUTIONS.make(exec_type=[1], exec_id=[offset + 1], time_ns=[NS + offset], account=["A"], qty=[3],
                          queue_ahead=[ahead], to_portfolio=["P"], cash=[0.5])  # fmt: skip
    batch = Batch.of("execution", Header("exchange/0", 0, offset), executions=row)
    archiver.take(ORDERS_EXECUTED, 0, offset, NS, b"k", encode(batch))
    archiver.store()


def test_old_rows_read_as_zeros(tmp_path: Path) -> None:
    history = DeltaHistory(tmp_path / "history")
    history.register("c1", Instruments((Instrument("ACME"),)))
    archived(history, 0, 7)
    old = DeltaTable(history.root / "executions")
    write_deltalake(
        old,
        old.to_pyarrow_table().drop_columns(list(LATER)),
        mode="overwrite",
        schema_mode="overwrite",
        partition_by=list(COLUMN_PARTITIONS),
    )
    assert not set(LATER) & {f.name for f in DeltaTable(history.root / "executions").schema().fields}
    for expected in ([(1, 0, b"", 0.0)], [(1, 0, b"", 0.0), (2, 9, b"P", 0.5)]):
        rows = history.scan("executions").sort_by("exec_id")
        told = columns_of(KEPT["executions"], rows)
        columns = (told.exec_id, told.queue_ahead, told.to_portfolio, told.cash)
        assert list(zip(*(c.tolist() for c in columns), strict=True)) == expected
        assert history.scan("executions", ["queue_ahead", "qty"]).column_names == ["queue_ahead", "qty"]
        assert len(history.read(ORDERS_EXECUTED)) == len(expected)
        if len(expected) == 1:
            archived(history, 1, 9)
