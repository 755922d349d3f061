"""The parity ladder: one stream handed over in every way it may be cut, outputs and final states compared by bytes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.records import Batch, Instruments
from qflib.steps.promoted.definition import TABLES, Definition, field_of, record_table
from qflib.steps.promoted.running import Working
from qflib.steps.state import pack, unpack

#: Rows handed over one at a time; what follows them comes at once. A call from Python costs some microseconds.
ONE_BY_ONE = 20_000
_CUTS = 400
_RESTORES = 5
_APART = 8  # partitions at most: of more underlyings some share one

Rows = tuple[str, Any]  # a table's name and its columns


@dataclass(frozen=True)
class Computed:
    """What a step made of a stream: its output rows and its final state."""

    out: NDArray[Any]
    state: NDArray[Any]

    @property
    def digest(self) -> str:
        """SHA-256 of the output rows."""
        return hashlib.sha256(self.out.tobytes()).hexdigest()

    @property
    def state_digest(self) -> str:
        """SHA-256 of the final state."""
        return hashlib.sha256(self.state.tobytes()).hexdigest()


@dataclass(frozen=True)
class Rung:
    """One way to hand the stream over, and whether the bytes are those of the stream handed over whole.

    Parameters
    ----------
    name
        Of the way.
    ok
        Whether outputs and state are the same bytes.
    first
        The first event whose output differs, in words; empty where none does.
    seconds
        What it took.
    """

    name: str
    ok: bool
    first: str
    seconds: float


def inputs_of(definition: Definition, batches: Sequence[Batch]) -> list[Rows]:
    """What a step is handed of a stream of records, a table at a time."""
    made: list[Rows] = []
    for batch in batches:
        for table in definition.functions:
            if TABLES[table] != (batch.kind, batch.topic):
                continue
            columns = getattr(batch, field_of(table))
            if len(columns[0]):
                made.append((table, columns))
    return made


def inputs_sha256(inputs: Sequence[Rows]) -> str:
    """SHA-256 of every column of a stream, wherever it is cut."""
    h = hashlib.sha256()
    for table, columns in whole(inputs):
        h.update(f"{table}|{len(columns[0])}|".encode())
        for a in columns:
            h.update(np.ascontiguousarray(a).tobytes())
    return h.hexdigest()


def whole(inputs: Sequence[Rows]) -> list[Rows]:
    """The same stream in as few pieces as there can be: rows of a table that follow one another are one."""
    made: list[tuple[str, list[Any]]] = []
    for table, columns in inputs:
        if made and made[-1][0] == table:
            made[-1][1].append(columns)
        else:
            made.append((table, [columns]))
    return [(table, record_table(table).concat(parts)) for table, parts in made]


def cut(inputs: Sequence[Rows], at: NDArray[np.int64]) -> Iterator[Rows]:
    """The stream cut before the rows `at`, counted over all tables."""
    done = 0
    for table, columns in whole(inputs):
        n = len(columns[0])
        inside = at[(at > done) & (at < done + n)] - done
        for a, b in zip([0, *inside.tolist()], [*inside.tolist(), n], strict=True):
            yield table, record_table(table).slice(columns, a, b)
        done += n


def compute(definition: Definition, instruments: Instruments, inputs: Sequence[Rows] | Iterator[Rows]) -> Computed:
    """Hand a stream over as it is cut."""
    working = Working(definition, instruments)
    out = [working.take(table, columns) for table, columns in inputs]
    return Computed(np.concatenate(out) if out else np.zeros(0, definition.out), working.state())


def climb(
    definition: Definition,
    instruments: Instruments,
    inputs: Sequence[Rows],
    *,
    seed: int = 7,
    step: Callable[[str], None] = lambda _: None,
) -> tuple[Computed, list[Rung]]:
    """The rungs of one process, the stream handed over whole as the first.

    Parameters
    ----------
    definition, instruments, inputs
        The step, and the stream it is tried on.
    seed
        Of the cuts.
    step
        Told the name of each rung before it is tried.

    Returns
    -------
    Computed, list of Rung
        What the whole stream gives; "whole", "random_cuts", "one_by_one", "restore", "apart", "bounds".

    Raises
    ------
    InputError
        If the stream has no row that the step takes, or the step fails on it as a whole.
    """
    n = sum(len(columns[0]) for _, columns in inputs)
    if not n:
        raise InputError(
            f"the stream has no rows of {', '.join(definition.functions)}, which step {definition.name!r} takes; give "
            "another recording"
        )
    rng = np.random.Generator(np.random.PCG64(seed))
    anywhere = np.unique(rng.integers(1, max(n, 2), min(_CUTS, n)))
    singly = np.arange(1, min(n, ONE_BY_ONE) + 1)
    stops = np.unique(rng.integers(1, max(n, 2), _RESTORES))
    ways: list[tuple[str, Callable[[], Computed]]] = [
        ("random_cuts", lambda: compute(definition, instruments, cut(inputs, anywhere))),
        ("one_by_one", lambda: compute(definition, instruments, cut(inputs, singly))),
        ("restore", lambda: _restored(definition, instruments, inputs, stops)),
        ("apart", lambda: _apart(definition, instruments, inputs, reference)),
        ("bounds", lambda: compute(_bounded(definition), instruments, whole(inputs))),
    ]
    step("whole")
    begun = time.perf_counter()
    reference = compute(definition, instruments, whole(inputs))
    rungs = [Rung("whole", True, "", time.perf_counter() - begun)]
    for name, way in ways:
        step(name)
        rungs.append(tried(name, definition, instruments, inputs, reference, way))
    return reference, rungs


def tried(
    name: str,
    definition: Definition,
    instruments: Instruments,
    inputs: Sequence[Rows],
    reference: Computed,
    way: Callable[[], Computed],
) -> Rung:
    """One rung: the way tried, its bytes beside the reference's."""
    begun = time.perf_counter()
    try:
        made = way()
    except InputError as e:
        return Rung(name, False, str(e), time.perf_counter() - begun)
    first = difference(definition, instruments, inputs, reference, made)
    return Rung(name, not first, first, time.perf_counter() - begun)


def difference(
    definition: Definition, instruments: Instruments, inputs: Sequence[Rows], reference: Computed, made: Computed
) -> str:
    """The first event whose output differs, in words; or what of the state does. Empty where all bytes are the same."""
    a, b = reference.out, made.out
    n = min(len(a), len(b))
    width = definition.out.itemsize
    same = (_bytes(a[:n], width) == _bytes(b[:n], width)).all(axis=1) if n else np.zeros(0, bool)
    if not same.all() or len(a) != len(b):
        row = int(np.argmin(same)) if not same.all() else n
        where = _cause(definition, instruments, inputs, row)
        if row == n:
            return f"{where}: {len(a):,} output rows whole, {len(b):,} this way"
        names = [f for f in definition.out.names or () if a[row][f].tobytes() != b[row][f].tobytes()]
        return f"{where}: {names[0]} is {a[row][names[0]].item()!r} whole, {b[row][names[0]].item()!r} this way"
    s, t = reference.state, made.state
    for field in definition.state.names or ():
        for i in range(len(s)):
            if s[field][i].tobytes() != t[field][i].tobytes():
                what = f"{s[field][i]} whole, {t[field][i]} this way" if not s[field][i].shape else "other bytes"
                return f"all outputs are the same; State.{field} of {instruments.rows[i].symbol} ends as {what}"
    return ""


def _cause(definition: Definition, instruments: Instruments, inputs: Sequence[Rows], row: int) -> str:
    """The input row that causes an output row, found by handing rows over one at a time."""
    working, made = Working(definition, instruments), 0
    rows = cut(inputs, np.arange(1, sum(len(c[0]) for _, c in inputs) + 1))
    for done, (table, columns) in enumerate(rows):
        made += len(working.take(table, columns))
        if made > row:
            time_ns = next((int(getattr(columns, t)[0]) for t in ("receipt_ns", "time_ns") if hasattr(columns, t)), 0)
            who = f" of {instruments.rows[int(columns.instrument[0])].symbol}" if hasattr(columns, "instrument") else ""
            return f"event {done:,} ({table}{who} at {pd.Timestamp(time_ns, tz='UTC')}), output row {row:,}"
    return f"output row {row:,}, after the last event"


def _restored(
    definition: Definition, instruments: Instruments, inputs: Sequence[Rows], stops: NDArray[np.int64]
) -> Computed:
    """Handed over to a fresh copy at every stop: all that lives on is the state's bytes."""
    working = Working(definition, instruments)
    out, done = [], 0
    for table, columns in cut(inputs, stops):
        if done in stops:
            kept = unpack(pack({"state": working.state()}))["state"]
            working = Working(definition, instruments)
            working.load(kept, definition.version)
        out.append(working.take(table, columns))
        done += len(columns[0])
    return Computed(np.concatenate(out), working.state())


def _apart(definition: Definition, instruments: Instruments, inputs: Sequence[Rows], reference: Computed) -> Computed:
    """Every underlying by a copy of its own, as partitions have them; the rows in the order of the whole stream's.

    What a step tells of one underlying must not depend on another: that one may lie in another partition.
    """
    part = instruments.underlying_index % _APART
    of_rows = part[reference.out["instrument"]]
    out, state = reference.out.copy(), reference.state.copy()
    end, more = len(out), [np.zeros(0, definition.out)]
    for p in np.unique(part).tolist():
        made = compute(definition, instruments, _of_part(inputs, part == p))
        at = np.flatnonzero(of_rows == p)
        n = min(len(at), len(made.out))
        out[at[:n]] = made.out[:n]
        end = min(end, int(at[n])) if n < len(at) else end
        more.append(made.out[n:])
        state[part == p] = made.state[part == p]
    return Computed(out[:end] if end < len(out) else np.concatenate([out, *more]), state)


def _of_part(inputs: Sequence[Rows], mine: NDArray[np.bool_]) -> Iterator[Rows]:
    """The rows of some instruments; clocks go to every partition."""
    for table, columns in inputs:
        own = record_table(table).take(columns, mine[columns.instrument]) if hasattr(columns, "instrument") else columns
        if len(own[0]):
            yield table, own


def _bounded(definition: Definition) -> Definition:
    """The step with every array access checked: what reads past an end raises there, and is silent elsewhere."""
    from numba import njit

    return replace(
        definition,
        functions={t: njit(boundscheck=True)(f.py_func) for t, f in definition.functions.items()},  # type: ignore[attr-defined]
    )


def _bytes(rows: NDArray[Any], width: int) -> NDArray[np.uint8]:
    return np.frombuffer(np.ascontiguousarray(rows).tobytes(), np.uint8).reshape(len(rows), width)
