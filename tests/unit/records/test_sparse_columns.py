"""Columns added later: records that do not use them keep their bytes, whoever wrote them."""

from __future__ import annotations

import pytest

from qflib.records import BY_KIND, EXECUTIONS, ORDERS, Batch, proto
from qflib.records.codec import decode, encode

RECORDS = [
    ("order", "orders", ORDERS, {"options": [0, 129], "expire_ns": [0, 7]}),
    ("execution", "executions", EXECUTIONS, {"queue_ahead": [0, 12]}),
]


def fields_of(data: bytes, kind: str, name: str) -> set[str]:
    """The columns that stand on the wire, read by protobuf itself."""
    table = getattr(getattr(proto.shadow()["Envelope"].FromString(data), kind), name)
    return {f.name for f, _ in table.ListFields()}


@pytest.mark.parametrize(("kind", "name", "table", "later"), RECORDS, ids=[r[0] for r in RECORDS])
def test_a_column_of_zeros_is_not_written(kind, name, table, later) -> None:
    told = {"instrument": [1, 2], "qty": [3, 4], "account": ["A", "B"]}
    plain = encode(Batch.of(kind, **{name: table.make(**told)}))
    zeros = encode(Batch.of(kind, **{name: table.make(**told, **{n: [0, 0] for n in later})}))
    used = encode(Batch.of(kind, **{name: table.make(**told, **later)}))
    assert plain == zeros
    assert {c.name for c in table.columns if c.sparse} == set(later)
    assert fields_of(plain, kind, name) & set(later) == set()
    assert set(later) <= fields_of(used, kind, name)
    for data, want in ((plain, {n: [0, 0] for n in later}), (used, later)):
        again = decode(data).tables[name]
        assert {n: getattr(again, n).tolist() for n in later} == want
        assert encode(decode(data)) == data


def test_released_columns_are_always_written() -> None:
    """A reader of the released schema may count on them."""
    released = {c.name for r in BY_KIND.values() for _, t, _ in r.tables for c in t.columns if c.sparse}
    assert released == {"options", "expire_ns", "queue_ahead", "own_forward"}
