"""Rows between columns and PostgreSQL's binary COPY."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.errors import DataError
from qflib.history.postgres.copying import HEADER, TRAILER, decoded, encoded
from qflib.history.postgres.declared import Column


@given(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(), st.binary(max_size=64), st.binary(max_size=9)))
)
def test_rows_on_the_wire(rows: list[tuple[int, float, bytes, bytes]]) -> None:
    """What a plain writer makes of them, a value at a time; and back."""
    import struct

    declared = (Column("a", "bigint", 8, ""), Column("b", "double precision", 8, ""),
                Column("s", "text", 99, ""), Column("t", "text", 99, ""))  # fmt: skip
    a, b, s, t = ([r[i] for r in rows] for i in range(4))
    held = {"a": np.array(a, np.int64), "b": np.array(b, np.float64), "s": pa.array(s, pa.binary()),
            "t": pa.array(t, pa.binary())}  # fmt: skip
    made = b"".join([bytes(piece) for piece in encoded(declared, held, len(rows))])
    plain = b"".join(
        struct.pack(">hiqid", 4, 8, x, 8, y) + b"".join(struct.pack(">i", len(z)) + z for z in (u, v))
        for x, y, u, v in rows
    )
    assert made == plain
    numbers = declared[:2]
    wire = HEADER + b"".join([bytes(piece) for piece in encoded(numbers, held, len(rows))]) + TRAILER
    back = decoded(numbers, wire)
    assert back["a"].tolist() == a
    assert back["b"].tobytes() == held["b"].tobytes()


def test_many_rows_on_the_wire() -> None:
    """More than are made at a time, with a number that all have; texts as each row alone has them."""
    n, rng = 150_001, np.random.default_rng(3)
    declared = (Column("a", "bigint", 8, ""), Column("b", "integer", 4, ""))
    a = rng.integers(-(2**63), 2**63, n)
    wire = b"".join([bytes(piece) for piece in encoded(declared, {"a": a, "b": 7}, n)])
    back = decoded(declared, HEADER + wire + TRAILER)
    assert np.array_equal(back["a"], a)
    assert np.array_equal(back["b"], np.full(n, 7))
    text = Column("t", "text", 99, "")
    told = pa.array(["x" * int(k) for k in rng.integers(0, 9, n)])
    together = b"".join([bytes(piece) for piece in encoded((*declared, text), {"a": a, "b": 7, "t": told}, n)])
    at = 0
    for i in (0, 1, 65_535, 65_536, 131_072, n - 1):
        alone = encoded((*declared, text), {"a": a[i : i + 1], "b": 7, "t": told[i : i + 1]}, 1)
        at = together.index(b"".join([bytes(piece) for piece in alone]), at) + 1
    assert len(together) == n * (2 + 12 + 8 + 4) + sum(map(len, told.to_pylist()))


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(DataError, match="see who else writes"):
        decoded((Column("a", "bigint", 8, ""),), HEADER + b"\0" * 13 + TRAILER)


# -- the schema's versions -------------------------------------------------------------------------------------------
