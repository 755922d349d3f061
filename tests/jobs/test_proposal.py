"""A proposal's file: what was put in, and nothing where it is torn."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.errors import ChecksumError, DataError
from qflib.jobs.proposal import FOLDER, PROPOSAL, propose, read, write
from qflib.shortfall import ScenarioSet

SET = ScenarioSet(("ACME", "EUR/USD"), [[-0.02, 0.1], [0.01, -0.0]], [[0.01, 0], [-0.005, 0]], 86_400 * 10**9, 1)


def test_it_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert propose(SET) is None
    monkeypatch.setenv(FOLDER, str(tmp_path))
    file = propose(SET)
    assert file == tmp_path / PROPOSAL
    assert read(file) == SET
    assert read(file).n_historical == 1


@given(at=st.integers(0, 2_000), byte=st.integers(0, 255))
def test_a_torn_one_is_none(tmp_path_factory: pytest.TempPathFactory, at: int, byte: int) -> None:
    file = tmp_path_factory.getbasetemp() / "torn.npz"
    write(SET, file)
    told = bytearray(file.read_bytes())
    told[at % len(told)] = byte
    file.write_bytes(told)
    with suppress(DataError):
        assert read(file) == SET  # a byte that says nothing
    file.write_bytes(told[: at % len(told)])
    with pytest.raises(DataError):
        read(file)


def test_what_is_no_proposal(tmp_path: Path) -> None:
    file = tmp_path / "p.npz"
    with pytest.raises(DataError, match="does not exist"):
        read(file)
    np.savez(file, set_id=np.array([object()], object))  # a pickle is never read
    with pytest.raises(DataError, match="is no proposal"):
        read(file)
    arrays = {"underlyings": np.array(["A"]), "horizon_ns": 10**9, "n_historical": 0, "vol_shift": np.zeros((2, 1))}
    np.savez(file, **arrays, spot_return=np.zeros((2, 1)), set_id=np.array("0" * 32))
    with pytest.raises(ChecksumError, match="holds scenario set"):
        read(file)
    np.savez(file, **arrays, spot_return=np.full((2, 1), -2.0), set_id=np.array("0" * 32))
    with pytest.raises(DataError, match="is no proposal"):
        read(file)
