"""One promoted step at work: its state, and its functions over columns."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError, StateError
from qflib.records import Instruments
from qflib.records.schema import frozen
from qflib.steps.promoted.definition import Definition, columns_type, record_table
from qflib.steps.promoted.named import named

#: What every function knows of the instruments, an entry each, beside the cell's own PARAMS.
KNOWN = ("tick", "lot", "multiplier", "strike", "expiry_ns", "underlying")


class Working:
    """A definition with the state of every instrument.

    Parameters
    ----------
    definition
        The step.
    instruments
        The table that rows' instruments refer to.

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> from qflib.records import Instrument, Instruments
    >>> @njit
    ... def count(events, state, out, params):
    ...     for i in range(events.instrument.size):
    ...         k = events.instrument[i]
    ...         state[k].n += 1
    ...         out[i].instrument, out[i].time_ns, out[i].n = k, events.receipt_ns[i], state[k].n
    ...     return events.instrument.size
    >>> State = np.dtype([("n", "i8")])
    >>> Out = np.dtype([("instrument", "u4"), ("time_ns", "i8"), ("n", "i8")])
    >>> made = Definition.of({"State": State, "Out": Out, "count": count})
    >>> from qflib.records import MARKET_EVENTS
    >>> w = Working(made, Instruments((Instrument("ACME", kind="spot"),)))
    >>> w.take("events", MARKET_EVENTS.make(kind=[1, 1], instrument=[0, 0]))["n"]
    array([1, 2])
    """

    def __init__(self, definition: Definition, instruments: Instruments) -> None:
        self.definition = definition
        self._functions = {table: guarded(f) for table, f in definition.functions.items()}
        self._state: NDArray[Any] = np.repeat(definition.initial, len(instruments))
        self._bytes = self._state.view(np.uint8)
        self._before = self._bytes.copy()
        self._params = _params(definition, instruments)
        self._out = np.zeros(0, definition.out)

    def compile(self) -> None:
        """Compile the functions now, on no rows: within a transaction it would outlast that."""
        for table in self._functions:
            with suppress(InputError):  # a function that fails tells so at its first row
                self.take(table, record_table(table).empty)

    def take(self, table: str, columns: Any) -> NDArray[Any]:
        """Hand rows over; the output rows they cause, of the definition's dtype.

        Raises
        ------
        InputError
            If the function fails or tells more rows than there is room for; the state is as it was.
        """
        function = self._functions[table]
        kind, names = columns_type(table)
        given = kind(*(frozen(getattr(columns, n)) for n in names))
        n = len(given[0])
        room = n * self.definition.rows
        if len(self._out) < room:
            self._out = np.zeros(room, self.definition.out)
        out = self._out[:room]
        out[...] = np.zeros(1, self.definition.out)  # what a function leaves out is zero, not an earlier row's
        self._before[...] = self._bytes  # all of it: a row may change its underlying's state, or any other's
        try:
            made = function(given, self._state, out, self._params)
        except Exception as e:
            self._bytes[...] = self._before
            raise InputError(f"step {self.definition.name!r} failed on {n} rows of {table}: {_told(e)}") from e
        if not isinstance(made, int) or not 0 <= made <= room:
            self._bytes[...] = self._before
            raise InputError(
                f"step {self.definition.name!r} returned {made!r} for {n} rows of {table}; return how many rows of out "
                f"it wrote, {room} at most (ROWS = {self.definition.rows} an input row)"
            )
        rows = out[:made].copy()
        if (bad := np.flatnonzero((rows["instrument"] < 0) | (rows["instrument"] >= len(self._state)))).size:
            self._bytes[...] = self._before
            raise InputError(
                f"step {self.definition.name!r} told instrument {rows['instrument'][bad[0]]} of {len(self._state)}; "
                "give the input row's"
            )
        return rows

    def state(self) -> NDArray[Any]:
        """A copy of the state, (n_instruments,)."""
        return self._state.copy()

    def load(self, state: NDArray[Any], version: int) -> None:
        """Go on from a state of this version, or of a former one, through `migrate` where it is defined.

        Raises
        ------
        StateError
            If the layout is another one, and nothing makes it this one's, or `migrate` fails.
        """
        d = self.definition
        if version > d.version:
            raise StateError(
                f"the state of step {d.name!r} is of version {version}, and the step of {d.version}; promote the later "
                "one, or begin anew with --fresh"
            )
        if version < d.version and d.migrate is not None:
            try:
                state = np.asarray(d.migrate(state))
            except Exception as e:
                raise StateError(
                    f"migrate of step {d.name!r} failed on a state of version {version}: {_told(e)}; mend the cell"
                ) from e
        if state.dtype != d.state:
            raise StateError(
                f"the state of step {d.name!r} version {version} is laid out as {state.dtype}, its State as {d.state}; "
                "a changed State asks for a new VERSION and migrate(old)"
            )
        if len(state) > len(self._state):
            raise StateError(f"the state of step {d.name!r} has {len(state)} instruments of {len(self._state)}")
        self._state[: len(state)] = state  # instruments added since begin with INITIAL


def _params(d: Definition, table: Instruments) -> Any:
    known = {
        "tick": table.tick_num / table.tick_den,
        "lot": table.lot_num / table.lot_den,
        "multiplier": np.array([r.multiplier for r in table], np.float64),
        "strike": np.array([float(r.strike or 0.0) for r in table], np.float64),
        "expiry_ns": np.asarray(table.expiry_ns, np.int64),
        "underlying": table.underlying_index,
    }
    if twice := sorted(known.keys() & d.params.keys()):
        raise InputError(f"PARAMS has {twice[0]!r}, which the instrument table tells; name yours otherwise")
    return named("Params", (*known, *d.params))(*(frozen(a) for a in known.values()), *d.params.values())


@cache
def guarded(f: Any) -> Any:
    """The function with every array access checked: it raises where it would write past an end, into others' memory.

    All else is compiled as its cell says. It has a name of its own, for Numba's files are not told apart by options;
    a promoted file's content is in it, as the file may be another one by now, whose stamp Numba would take.
    """
    from numba import config, jit

    if not hasattr(f, "py_func"):  # plain Python, where nothing is compiled
        return f
    plain = f.py_func
    copy = FunctionType(plain.__code__, plain.__globals__, plain.__name__, plain.__defaults__, plain.__closure__)
    module = plain.__module__ or ""  # a cell that is tried has none
    content = module.rpartition("_")[2] if module.startswith("qflib_promoted_") else ""
    copy.__qualname__, copy.__module__ = f"{plain.__qualname__}.guarded{content}", plain.__module__
    made = jit(**(f.targetoptions | {"boundscheck": True}))(copy)
    if content and getattr(config, "BOUNDSCHECK", None) != 0 and type(f._cache).__name__ != "NullCache":
        with suppress(RuntimeError):
            made.enable_caching()
    return made


def _told(e: Exception) -> str:
    """The line that says something; of Numba's errors the reason, and the cell's line."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(e))  # Numba colours its errors
    lines = [line.strip() for line in plain.splitlines() if line.strip()] or ["no message"]
    if isinstance(e, IndexError):
        return f"IndexError: {lines[0]}; an input row has room for ROWS rows of out, 1 where the cell does not say"
    if not lines[0].startswith("Failed in"):
        return f"{type(e).__name__}: {lines[0]}"
    reason = next((line for line in lines[1:] if not line.startswith(("File", "-", "During"))), lines[0])
    where = next((m for line in lines if (m := re.search(r"line (\d+)", line))), None)
    told = reason.partition(" of type ")[0][:200]
    return f"{told}{f' (line {where.group(1)})' if where else ''}"
