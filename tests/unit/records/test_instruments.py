"""The instrument table as text."""

from typing import Any

import pytest

from qflib.errors import InputError
from qflib.records import Instrument, Instruments


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (0, "<Instruments: 0>"),
        (2, "<Instruments: 2: S0, S1>"),
        (500, "<Instruments: 500: S0, S1, S2, S3, …>"),
    ],
)
def test_a_table_is_one_line_however_long(n: int, said: str) -> None:
    assert repr(Instruments(tuple(Instrument(f"S{i}") for i in range(n)))) == said


@pytest.mark.parametrize(
    "units",
    [
        {"lot": "0." + "0" * 33 + "1"},
        {"lot": str(2**63)},
        {"tick_schedule": (("0", "0." + "0" * 18 + "1"),)},
        {"tick_schedule": (("0", "0.0000000017"), ("1", "0.0000000019"), ("2", "1e-18"), ("3", "7e-19"))},
    ],
)
def test_units_that_no_figure_can_hold_are_refused(units: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="more than 18 digits"):
        Instrument("S", **units)
    finest = Instruments((Instrument("S", lot="0." + "0" * 17 + "1", tick_schedule=(("0", "0." + "0" * 17 + "1"),)),))
    assert (finest.to_ticks(0, 1e-18), finest.to_lots(0, 3e-18)) == (1, 3)
