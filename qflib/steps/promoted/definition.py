"""What a promoted step is made of: a state, functions by the table they take, and what they put out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from keyword import iskeyword
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.records import BY_KIND
from qflib.records.schema import TEXT_BYTES, Table
from qflib.records.topics import EXCHANGE_MARKS, MARKET_NORMALIZED, ORDERS_EXECUTED
from qflib.steps.promoted.named import named

#: What a step may take: table -> (kind of record, topic), in the order in which a record's tables are handed over.
TABLES: dict[str, tuple[str, str]] = {
    "clock": ("clock", MARKET_NORMALIZED),
    "events": ("market", MARKET_NORMALIZED),
    "signals": ("signal", MARKET_NORMALIZED),
    "executions": ("execution", ORDERS_EXECUTED),
    "tops": ("marks", EXCHANGE_MARKS),
    "depth": ("marks", EXCHANGE_MARKS),
}
#: The table that a function's `columns` are, by the topic it is promoted to.
MAIN = {MARKET_NORMALIZED: "events", ORDERS_EXECUTED: "executions", EXCHANGE_MARKS: "tops"}
MOST = 10_000  # of VERSION, and of ROWS: room is made for so many output rows an input row
_FIELDS = {"clock": "tick"}  # where a record calls its table otherwise
_ARGUMENTS = ("state", "out", "params")
_KEYS = ("instrument", "time_ns")


@dataclass(frozen=True)
class Definition:
    """A step as its cell defines it.

    Parameters
    ----------
    name
        Of the step, a Python name.
    functions
        Compiled functions by the table they take (`TABLES`).
    state
        Structured dtype of what is kept of one instrument.
    initial
        (1,) of `state`: what every instrument begins with.
    out
        Structured dtype of an output row; it has `instrument` and `time_ns`.
    params
        Numbers that every call is given.
    version
        Of the state's layout and of what the step means: a change of either raises it.
    rows
        Output rows that one input row may cause, at most.
    migrate
        Makes a state of the former version one of this: function of a structured array of any layout.
    source
        The cell's text.
    """

    name: str
    functions: Mapping[str, Callable[..., Any]]
    state: np.dtype[Any]
    initial: NDArray[Any]
    out: np.dtype[Any]
    params: Mapping[str, float] = field(default_factory=dict)
    version: int = 1
    rows: int = 1
    migrate: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    source: str = ""

    @property
    def topics(self) -> tuple[str, ...]:
        """What it reads."""
        return tuple(dict.fromkeys(TABLES[t][1] for t in TABLES if t in self.functions))

    @property
    def figures(self) -> tuple[str, ...]:
        """Output fields beside instrument and time."""
        return tuple(n for n in self.out.names or () if n not in _KEYS)

    @classmethod
    def of(
        cls, cell: Mapping[str, Any], *, name: str = "", topic_in: str = MARKET_NORMALIZED, source: str = ""
    ) -> Definition:
        """A step from the names that its cell defines.

        `State` and `Out` are structured dtypes; every compiled function of (table, state, out, params) is one of the
        step's, its first argument named after a table, or `columns` for the main one of `topic_in`. `INITIAL`,
        `PARAMS` (mappings), `VERSION`, `ROWS` and `migrate` are taken where they are defined.

        Raises
        ------
        InputError
            If a name is missing or not what it should be.
        """
        functions: dict[str, Callable[..., Any]] = {}
        first = ""
        for label, value in cell.items():
            table = _table_of(value, topic_in)
            if table is None:
                continue
            if table in functions:
                raise InputError(f"{label} takes {table!r}, which another function of the cell takes, too; join them")
            functions[table] = value
            first = first or label
        if not functions:
            raise InputError(
                f"no function of the cell is a step; define @njit f(TABLE, {', '.join(_ARGUMENTS)}) with TABLE one of "
                f"columns, {', '.join(TABLES)}"
            )
        state, out = _structured(cell, "State"), _structured(cell, "Out")
        for key in _KEYS:
            if key not in (out.names or ()):
                raise InputError(f"Out has no field {key!r}; every output row tells its instrument and its time_ns")
        bad = [n for n in out.names or () if out[n].shape or out[n].kind not in "iuf"]
        if bad:
            raise InputError(f"Out.{bad[0]} is {out[bad[0]]}; expected numbers, i8, u4 or f8")
        for key, kinds in (("instrument", "iu"), ("time_ns", "i")):
            if out[key].kind not in kinds:
                raise InputError(f"Out.{key} is {out[key]}; expected a whole number: u4 for instrument, i8 for time_ns")
        if long := [n for n in out.names or () if not n.isascii() or len(n) > TEXT_BYTES]:
            raise InputError(
                f"Out has {long[0]!r}; expected plain letters, {TEXT_BYTES} at most: it is a record's text"
            )
        called = name or first
        if not called.isidentifier() or not called.isascii() or not called.islower() or len(called.encode()) > 48:
            raise InputError(f"name is {called!r}; expected a short lower-case Python name, such as realised_vol")
        return cls(
            called,
            {t: functions[t] for t in TABLES if t in functions},
            state,
            _initial(state, cell.get("INITIAL", {})),
            out,
            _numbers(cell.get("PARAMS", {})),
            _whole(cell, "VERSION"),
            _whole(cell, "ROWS"),
            cell.get("migrate"),
            source,
        )


@cache
def columns_type(table: str) -> tuple[Any, tuple[str, ...]]:
    """The named tuple a function takes a table as, and its fields: the columns that are numbers."""
    t = record_table(table)
    names = tuple(c.name for c in t.columns if c.type not in ("text", "blob"))
    return named(t.name, names), names


def record_table(table: str) -> Table:
    """The declaration of a table of `TABLES`."""
    return BY_KIND[TABLES[table][0]].by_name[field_of(table)]


def field_of(table: str) -> str:
    """What its record calls a table."""
    return _FIELDS.get(table, table)


def _table_of(value: Any, topic_in: str) -> str | None:
    """The table that a function takes; None where it is no function of a step."""
    plain = getattr(value, "py_func", None)
    if plain is None:
        return None
    names = tuple(inspect.signature(plain).parameters)
    if len(names) != 4 or names[1:] != _ARGUMENTS:
        return None
    if names[0] == "columns":
        if topic_in not in MAIN:
            raise InputError(f"topic {topic_in!r} is none a step reads; expected one of {', '.join(MAIN)}")
        return MAIN[topic_in]
    if names[0] not in TABLES:
        raise InputError(f"{plain.__name__} takes {names[0]!r}; expected columns, {', '.join(TABLES)}")
    return names[0]


def _structured(cell: Mapping[str, Any], name: str) -> np.dtype[Any]:
    made = cell.get(name)
    if not isinstance(made, np.dtype) or made.names is None:
        raise InputError(f"{name} is {made!r}; define it as a structured dtype: np.dtype([('last', 'f8')])")
    if made.hasobject:
        raise InputError(f"{name} holds Python objects; a state is numbers")
    return made


def _initial(state: np.dtype[Any], told: Any) -> NDArray[Any]:
    made = np.zeros(1, state)
    for name, value in _mapping("INITIAL", told).items():
        if name not in (state.names or ()):
            raise InputError(f"INITIAL has {name!r}, which State has not; it has {', '.join(state.names or ())}")
        try:
            made[name] = value
        except (ValueError, TypeError, OverflowError) as e:
            raise InputError(f"INITIAL[{name!r}] is {value!r}, which State cannot hold ({e}); give a number") from None
    return made


def _mapping(name: str, told: Any) -> dict[Any, Any]:
    if not isinstance(told, Mapping):
        raise InputError(f"{name} is {told!r}; expected names and numbers, as {{'decay': 0.06}}")
    return dict(told)


def _numbers(told: Any) -> dict[str, float]:
    made = _mapping("PARAMS", told)
    for name, value in made.items():
        plain = isinstance(name, str) and name.isidentifier() and not iskeyword(name) and not name.startswith("_")
        if not plain or isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"PARAMS[{name!r}] is {value!r}; expected names and numbers")
    return made


def _whole(cell: Mapping[str, Any], name: str) -> int:
    value = cell.get(name, 1)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST:
        raise InputError(f"{name} is {value!r}; expected a whole number from 1 to {MOST}")
    return value
