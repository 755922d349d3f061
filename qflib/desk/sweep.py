"""One function over many cases: in this process while that is quick, else on workers of Dask; the same results."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qflib.errors import InputError, MissingPartError
from qflib.machine import processors
from qflib.progress import bar

if TYPE_CHECKING:
    import pandas as pd

#: Seconds that workers must save before they are started: their start and their imports cost some.
PAYS_S = 10.0
_REACHED_S = "10s"


@dataclass(frozen=True)
class Sweep:
    """What a function gave for each case, in the order of the cases.

    Parameters
    ----------
    cases
        Its arguments, by name.
    results
        What it returned.
    where
        "this process", or the workers of which cluster.

    Examples
    --------
    >>> import qflib as qf
    >>> made = qf.sweep(lambda vol: {"daily": vol / 16}, vol=[0.16, 0.32])
    >>> made.to_frame()
        vol  daily
    0  0.16   0.01
    1  0.32   0.02
    >>> made.plot("daily")
    :Overlay...
    """

    cases: tuple[Mapping[str, Any], ...]
    results: tuple[Any, ...]
    where: str

    def to_frame(self) -> pd.DataFrame:
        """A row a case: its arguments, then what it gave.

        A number stands in the column `result`; a mapping or a Series has a column an entry.
        """
        import pandas as pd

        told = [dict(r) if isinstance(r, Mapping | pd.Series) else {"result": r} for r in self.results]
        return pd.concat([pd.DataFrame(list(self.cases)), pd.DataFrame(told)], axis=1)

    def plot(self, value: str | None = None, x: str | None = None) -> Any:
        """A result over an argument, a curve for each combination of the others.

        Parameters
        ----------
        value
            A column of results; default: the first of numbers.
        x
            An argument of numbers; default: the first.

        Raises
        ------
        InputError
            If there is no such column, or none of numbers.
        """
        import hvplot.pandas  # noqa: F401

        frame = self.to_frame()
        told = list(self.cases[0])
        numbers = list(frame.select_dtypes("number").columns)
        value = value or next((c for c in numbers if c not in told), None)
        x = x or next((c for c in numbers if c in told), None)
        if value not in numbers or x not in numbers:
            raise InputError(f"value={value!r} over x={x!r} is no picture; columns of numbers are {', '.join(numbers)}")
        others = [c for c in told if c != x and (frame[c] != frame[c].iloc[0]).any()]
        kept = frame[[x, value, *others]].sort_values([*others, x])
        return kept.hvplot.line(x=x, y=value, by=others or None) * kept.hvplot.scatter(x=x, y=value, by=others or None)

    def _repr_html_(self) -> str:
        return f"<div>{len(self.cases)} cases on {self.where}</div>{self.to_frame().to_html(max_rows=30)}"


def sweep(
    function: Callable[..., Any],
    cases: Sequence[Mapping[str, Any]] | None = None,
    *,
    cluster: str | None = None,
    workers: int | None = None,
    **each: Sequence[Any],
) -> Sweep:
    """Call a function for each case, under a bar; on more than one process where it is told to, or where that pays.

    Told nothing, the first case is run here and timed: where the others would take so long that a worker a processor
    saves ten seconds or more, a Dask cluster of this machine is started for them and ended afterwards. Told `workers`
    or a `cluster`, all cases are run there. A case runs in one process from its beginning to its end wherever that is,
    so results have the same bits on one kind of processor; where a cluster has another kind than this machine, what is
    pricing or Monte Carlo agrees to its stated error bound, and `NUMBA_CPU_NAME` gives all of them one target.

    Parameters
    ----------
    function
        Of named arguments; it and what it returns can be sent to another process. An argument seeds its chance.
    cases
        Arguments of each case; or
    **each
        the values of each argument: every combination is a case, the last argument's changing the fastest.
    cluster
        A Dask scheduler, as "tcp://host:8786"; default: the setting `research.cluster`, else none. It is trusted: what
        Dask sends is run where it arrives.
    workers
        So many processes of this machine, however quick the cases are; 1: all in this process; default: one a
        processor, where that pays.

    Raises
    ------
    InputError
        If there are no cases, or both ways of telling them; if workers is below 1, or told with a cluster; or where a
        case fails: the sentence names it.
    MissingPartError
        If workers or a cluster are told and Dask is not installed, or the cluster does not answer.

    Examples
    --------
    >>> import qflib as qf
    >>> qf.sweep(lambda strike, vol: strike * vol, strike=[90.0, 100.0], vol=[0.1, 0.2]).results
    (9.0, 18.0, 10.0, 20.0)
    """
    from qflib import settings

    rows = _cases(cases, each)
    if workers is not None and (cluster is not None or workers < 1):
        raise InputError(f"workers={workers!r} with cluster={cluster!r}; expected one of them, workers 1 or more")
    # workers that the caller tells are this machine's, whatever the setting names
    address = cluster or (settings.load().research.cluster if workers is None else None)
    with bar(total=len(rows), desc="sweep", unit=" cases") as shown:
        if address is not None:
            with _client(address, 0) as client:
                return Sweep(rows, tuple(_spread(client, function, rows, shown)), f"the cluster {address}")
        first, count = _tried(function, rows, shown) if workers is None else ((), workers)
        others = rows[len(first) :]
        if count == 1:
            return Sweep(rows, (*first, *_here(function, others, shown)), "this process")
        with _client(None, count) as client:
            results = (*first, *_spread(client, function, others, shown))
        return Sweep(rows, results, f"{count} processes of this machine")


def _tried(function: Callable[..., Any], rows: Sequence[Mapping[str, Any]], shown: Any) -> tuple[tuple[Any, ...], int]:
    """The first case's result, and how many processes the others pay for."""
    began = time.monotonic()
    first = tuple(_here(function, rows[:1], shown))
    spent, left = time.monotonic() - began, len(rows) - 1
    count = min(processors(), left)
    saved = spent * left * (1 - 1 / count) if count > 1 else 0.0
    return first, count if saved >= PAYS_S and _has_dask() else 1


def _here(function: Callable[..., Any], rows: Sequence[Mapping[str, Any]], shown: Any) -> Iterator[Any]:
    for row in rows:
        yield _one(function, row)
        shown.update(1)


def _cases(
    cases: Sequence[Mapping[str, Any]] | None, each: Mapping[str, Sequence[Any]]
) -> tuple[Mapping[str, Any], ...]:
    if (cases is None) == (not each):
        raise InputError("a sweep is over cases= or over the values of each argument; give one of them")
    if cases is None:
        made = tuple(dict(zip(each, row, strict=True)) for row in itertools.product(*each.values()))
    else:
        made = tuple(dict(c) for c in cases)
    if not made:
        raise InputError("a sweep over no cases; give each argument one value at least")
    return made


def _one(function: Callable[..., Any], case: Mapping[str, Any]) -> Any:
    try:
        return function(**case)
    except Exception as e:
        raise _failed(case, e) from e


def _failed(case: Mapping[str, Any], e: BaseException) -> InputError:
    told = ", ".join(f"{k}={v!r}"[:80] for k, v in case.items())
    return InputError(f"the case {told} failed ({type(e).__name__}: {e}); run it alone to see more")


def _spread(client: Any, function: Callable[..., Any], cases: Sequence[Mapping[str, Any]], shown: Any) -> Iterator[Any]:
    """Results in the order of the cases, the bar as they come."""
    import distributed

    as_completed: Any = distributed.as_completed  # untyped
    sent = [client.submit(function, **case, pure=False) for case in cases]
    at = {future.key: i for i, future in enumerate(sent)}
    made: dict[int, Any] = {}
    for future in as_completed(sent, loop=client.loop):
        i = at[future.key]
        if future.status != "finished":
            reason = future.exception()  # before the cancelling, which takes it away
            client.cancel(sent)
            raise _failed(cases[i], reason) from reason
        made[i] = future.result()
        shown.update(1)
    return (made[i] for i in range(len(cases)))


@contextmanager
def _client(address: str | None, workers: int) -> Iterator[Any]:
    """A client of a cluster; one of this machine ends with it, and is reached from nowhere else."""
    if not _has_dask():
        raise MissingPartError("sweeps on a cluster need Dask; install it with `pip install 'qflib[dask]'`")
    from distributed import Client, LocalCluster

    reach: Any = Client  # untyped
    if address is not None:
        try:
            client = reach(address, timeout=_REACHED_S, set_as_default=False)
        except (OSError, ValueError) as e:
            raise MissingPartError(
                f"no Dask scheduler answers at {address} ({e}); start one, or leave research.cluster out"
            ) from None
        with client:
            yield client
        return
    own: Any = LocalCluster
    with (
        own(n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as made,
        reach(made, set_as_default=False) as client,
    ):
        yield client


def _has_dask() -> bool:
    import importlib.util

    return importlib.util.find_spec("distributed") is not None
