"""A step in the notebook: run on a recording, and proven there and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.desk.feed import Feed
from qflib.desk.frame_feed import as_feed
from qflib.desk.step_feed import fixture_of
from qflib.errors import InputError
from qflib.promote.ladder import Rung, climb, compute, inputs_of, whole
from qflib.records import Instruments
from qflib.records.topics import MARKET_NORMALIZED
from qflib.steps.promoted.definition import Definition
from qflib.steps.promoted.step import ORDER, Placed

if TYPE_CHECKING:
    from qflib.market import SimulatedMarket

_NAMES = ("State", "Out", "INITIAL", "PARAMS", "VERSION", "ROWS", "migrate")


@dataclass(frozen=True)
class StepRun:
    """What a step made of a recording.

    Parameters
    ----------
    rows
        Output rows, structured as the cell's `Out`.
    instruments
        The table that they refer to.
    events
        Input rows.
    seconds
        What the step alone took, compiled.
    """

    name: str
    rows: NDArray[Any]
    instruments: Instruments
    events: int
    seconds: float

    def to_frame(self) -> pd.DataFrame:
        """A row an output row; index `time` (UTC), instruments by symbol."""
        index = pd.DatetimeIndex(self.rows["time_ns"].astype("M8[ns]"), tz="UTC", name="time")
        symbols = np.array([r.symbol for r in self.instruments], object)
        columns = {n: self.rows[n] for n in self.rows.dtype.names or () if n not in ("instrument", "time_ns")}
        return pd.DataFrame({"instrument": symbols[self.rows["instrument"]], **columns}, index=index)

    def plot(self, field: str | None = None, instruments: int = 6) -> Any:
        """A field through time (by default the first), of the instruments with most rows."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        frame = self.to_frame()
        shown = field or frame.columns[1]
        if shown not in frame.columns:
            raise InputError(f"field is {field!r}; expected one of {', '.join(frame.columns[1:])}")
        most = frame["instrument"].value_counts().index[:instruments]
        drawn = frame[frame["instrument"].isin(most)].tz_localize(None)
        return drawn.hvplot.line(
            y=shown, by="instrument", width=900, height=340, grid=True, title=self.name, xlabel="UTC"
        )

    def __repr__(self) -> str:
        each = self.seconds / max(self.events, 1) * 1e9
        return f"StepRun({self.name}: {self.events:,} events, {len(self.rows):,} rows; {each:,.0f} ns an event)"

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>" + str(self.to_frame().tail(5).to_html())


@dataclass(frozen=True)
class Parity:
    """The parity ladder of a step: one row a rung."""

    name: str
    rungs: tuple[Rung, ...]

    @property
    def ok(self) -> bool:
        """Whether every rung has the bytes of the whole stream."""
        return all(r.ok for r in self.rungs)

    @property
    def first_difference(self) -> str | None:
        """The first event that differs, in words; None where none does."""
        return next((f"{r.name}: {r.first}" for r in self.rungs if not r.ok), None)

    def to_frame(self) -> pd.DataFrame:
        """Index `rung`; columns same (bytes), seconds, first_difference."""
        index = pd.Index([r.name for r in self.rungs], name="rung")
        told = {
            "same": [r.ok for r in self.rungs],
            "seconds": [round(r.seconds, 3) for r in self.rungs],
            "first_difference": [r.first for r in self.rungs],
        }
        return pd.DataFrame(told, index=index)

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        said = "the same bytes on every rung" if self.ok else f"differs; {self.first_difference}"
        return f"Parity({self.name}: {said})"

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>" + str(self.to_frame().to_html())


class Trial:
    """A step as the notebook has it.

    Parameters
    ----------
    definition
        The step.
    """

    def __init__(self, definition: Definition) -> None:
        self.definition = definition

    @property
    def placed(self) -> Placed:
        """As a desk runs it: rows that tell of orders are orders, and go to the exchange."""
        orders = all(n in (self.definition.out.names or ()) for n in ORDER)
        return Placed(self.definition, orders=orders, live=orders)

    def run(self, source: Feed | pd.DataFrame | SimulatedMarket, instruments: Instruments | None = None) -> StepRun:
        """Run it on a recording, the simulator, or a DataFrame of events.

        Parameters
        ----------
        source
            A feed, or a frame as `Feed.to_frame` gives it.
        instruments
            The table of a frame's symbols.

        Raises
        ------
        InputError
            If the source has no rows that the step takes, or the step fails on them.
        """
        feed, inputs = self._inputs(source, instruments)
        compute(self.definition, feed.instruments, inputs[:1])  # compiled before it is timed
        begun = time.perf_counter()
        made = compute(self.definition, feed.instruments, inputs)
        seconds = time.perf_counter() - begun
        events = sum(len(columns[0]) for _, columns in inputs)
        return StepRun(self.definition.name, made.out, feed.instruments, events, seconds)

    def check(
        self, source: Feed | pd.DataFrame | SimulatedMarket, instruments: Instruments | None = None, *, seed: int = 7
    ) -> Parity:
        """The parity ladder of this process: whole, cut, one by one, restored, underlyings apart, bounds checked.

        `qflib promote` climbs the others, too: a fresh kernel, and Kafka.

        Parameters
        ----------
        source, instruments
            As of `run`.
        seed
            Of the cuts.

        Raises
        ------
        InputError
            As `run`.
        """
        from qflib.progress import bar

        feed, inputs = self._inputs(source, instruments)
        with bar(total=6, desc="parity", unit=" rungs", disable=not sys.stderr.isatty()) as shown:
            _, rungs = climb(self.definition, feed.instruments, inputs, seed=seed, step=lambda _: shown.update())
        return Parity(self.definition.name, tuple(rungs))

    def _inputs(self, source: Any, instruments: Instruments | None) -> tuple[Feed, list[Any]]:
        feed = as_feed(source, instruments)
        inputs = whole(inputs_of(self.definition, fixture_of(feed, self.placed, "").batches))
        if not inputs:
            raise InputError(
                f"{feed!r} has no rows of {', '.join(self.definition.functions)}, which {self.definition.name!r} takes"
            )
        return feed, inputs

    def __repr__(self) -> str:
        d = self.definition
        return f"Step({d.name}: takes {', '.join(d.functions)}; gives {', '.join(d.figures)})"

    def to_frame(self) -> pd.DataFrame:
        """What it is: a row each for what it takes, keeps, gives and is given."""
        d = self.definition
        rows = {
            "takes": ", ".join(d.functions), "keeps of an instrument": ", ".join(d.state.names or ()),
            "gives": ", ".join(d.figures), "params": ", ".join(f"{k} = {v:g}" for k, v in d.params.items()),
        }  # fmt: skip
        return pd.DataFrame({d.name: rows})

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html())


def step(function: Callable[..., Any], *more: Callable[..., Any], topic_in: str = MARKET_NORMALIZED) -> Trial:
    """A step of compiled functions of (table, state, out, params).

    Parameters
    ----------
    function, more
        One for each table taken; the first argument's name says which: events, tops, depth, signals, executions, clock,
        or `columns` for the main one of `topic_in`. `State`, `Out` and, where there are, `INITIAL`, `PARAMS`,
        `VERSION`, `ROWS` and `migrate` stand beside the first in the notebook.
    topic_in
        The topic whose rows `columns` are.

    Returns
    -------
    Trial

    Raises
    ------
    InputError
        If a function is not compiled, or a name is missing or not what it should be.

    Examples
    --------
    >>> import numpy as np, qflib as qf
    >>> from numba import njit
    >>> State = np.dtype([("n", "i8")])
    >>> Out = np.dtype([("instrument", "u4"), ("time_ns", "i8"), ("n", "i8")])
    >>> @njit
    ... def count(events, state, out, params):
    ...     for i in range(events.instrument.size):
    ...         k = events.instrument[i]
    ...         state[k].n += 1
    ...         out[i].instrument, out[i].time_ns, out[i].n = k, events.receipt_ns[i], state[k].n
    ...     return events.instrument.size
    >>> counted = qf.step(count).run(qf.datasets.load("sim", seed=7, duration="1s"))
    >>> bool(counted.to_frame().n.max() > 100)
    True
    """
    beside: dict[str, Any] = {}
    for f in (function, *more):
        if not hasattr(f, "py_func"):
            raise InputError(f"{getattr(f, '__name__', f)!r} is not compiled; decorate it with @njit")
    for name in _NAMES:
        if name in function.py_func.__globals__:  # type: ignore[attr-defined]
            beside[name] = function.py_func.__globals__[name]  # type: ignore[attr-defined]
    return Trial(Definition.of(beside | {f.__name__: f for f in (function, *more)}, topic_in=topic_in))
