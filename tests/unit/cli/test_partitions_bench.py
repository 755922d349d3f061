"""The bench of partitions varies one factor at a time, and times what a real worker wrote."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from qflib.cli.benches.partitions import DEFAULT, VARIED, measured, setups


def test_one_factor_is_varied_at_a_time() -> None:
    made = list(setups())
    assert made[0] == ("default", DEFAULT)
    assert len({name for name, _ in made}) == len(made) == 1 + sum(map(len, VARIED.values()))
    assert len({setup for _, setup in made}) == len(made)
    for _, setup in made[1:]:
        other = {k for k, v in asdict(setup).items() if v != asdict(DEFAULT)[k]}
        assert len(other) == 1


@pytest.mark.faults
def test_a_worker_is_timed(tmp_path: Path) -> None:
    lz4 = next(setup for name, setup in setups() if name == "lz4")
    rows = {name: {r.row: r for r in measured("one", setup, tmp_path, 60_000, 40_000)}
            for name, setup in (("plain", DEFAULT), ("lz4", lz4))}  # fmt: skip
    for of in rows.values():
        assert list(of) == ["flat_out_one", "raw_bytes_one", "p50_one", "p99_one"]
        assert all(r.value >= r.min > 0 for r in of.values())
        assert of["p99_one"].value >= of["p50_one"].value
    assert rows["lz4"]["raw_bytes_one"].value < 0.7 * rows["plain"]["raw_bytes_one"].value  # it reached the producer
