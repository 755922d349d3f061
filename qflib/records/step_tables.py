"""The tables of promoted steps.

The rules of `qflib.records.tables` hold here too.
"""

from __future__ import annotations

from qflib.records.schema import Column as C
from qflib.records.schema import Table

VALUES = Table(
    "Values",
    (
        C("step", "text", 1, "a promoted step's name; with @ and its version where another one is in force"),
        C("version", "u32", 2),
        C("instrument", "u32", 3),
        C("time_ns", "i64", 4, "market time"),
        C("field", "text", 5, "of the step's Out"),
        C("value", "f64", 6),
    ),
    "Figures of promoted steps: of each output row, one for each field.",
)
