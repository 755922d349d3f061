"""Figures of promoted steps as frames, also where a step came to tell others."""

from __future__ import annotations

import numpy as np
import pytest

from qflib.desk.figures import figures_of
from qflib.errors import InputError
from qflib.records import VALUES, Instrument, Instruments

TABLE = Instruments((Instrument("ACME", kind="spot"), Instrument("BETA", kind="spot")))


def test_a_step_that_tells_other_fields_now_keeps_its_former_rows() -> None:
    """Two rows of two fields are not one of four."""
    rows = VALUES.make(
        step=["vol"] * 11, version=[1] * 4 + [2] * 4 + [2] * 3, instrument=[0, 0, 1, 1] + [0] * 7,
        time_ns=[5, 5, 6, 6, 7, 7, 7, 7, 8, 8, 8], field=[*"abab", *"abcd", *"ca", "e"], value=np.arange(11.0),
    )  # fmt: skip
    frame = figures_of(rows, TABLE)
    assert frame.instrument.tolist() == ["ACME", "BETA", "ACME", "ACME"]
    assert [t.value for t in frame.index] == [5, 6, 7, 8]
    told = frame[["a", "b", "c", "d", "e"]].to_numpy()
    nan = np.nan
    wanted = [[0, 1, nan, nan, nan], [2, 3, nan, nan, nan], [4, 5, 6, 7, nan], [9, nan, 8, nan, 10]]
    np.testing.assert_array_equal(told, wanted)


def test_nothing_and_what_is_not_there() -> None:
    assert figures_of(VALUES.make(step=[]), TABLE).empty
    assert figures_of(VALUES.make(step=[]), TABLE, "vol").empty
    with pytest.raises(InputError, match="no figures of step 'other'; there are some of vol"):
        figures_of(VALUES.make(step=["vol"], field=["a"], value=[1.0]), TABLE, "other")
