"""A day of the history, as the run of a desk: the same frames and pictures as of one in this process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from qflib.desk.record import Recorder
from qflib.desk.run import Run
from qflib.errors import DataError, InputError
from qflib.history import History, opened
from qflib.history.kept import BATCHES, KEPT
from qflib.history.reading import columns_of, of_day
from qflib.history.where import Condition, field
from qflib.records import Batch, ControlKind
from qflib.records.codec import decode
from qflib.records.topics import ORDERS_INCOMING, RISK_METRICS
from qflib.shortfall import ScenarioSet

_MINUTE_NS = 60 * 10**9
I8 = NDArray[np.int64]


@dataclass(frozen=True)
class HistoryDay:
    """What a desk did on a UTC date.

    Parameters
    ----------
    run
        Executions, risk, hedges, forecasts, explain, positions.
    scenarios
        The set that the last report is about, from the controls that carried it; None where they are not kept.
    dead_letters
        By topic, those appended between the day's first report and its last.
    cluster
        Which Kafka cluster's.
    """

    run: Run
    scenarios: ScenarioSet | None
    dead_letters: dict[str, int]
    cluster: str


def days_of(path: str | Path | History, portfolio: str | None = None) -> tuple[str, ...]:
    """UTC dates of which a history has risk reports, by rising date.

    Parameters
    ----------
    path
        The folder that the archive writes, or a history.
    portfolio
        Only those of this one; default: of any.

    Examples
    --------
    >>> from qflib.desk.history_day import days_of
    >>> days_of("runs/none")
    ()
    """
    store = opened(path)
    if portfolio is None:
        return tuple(sorted({d for c in store.clusters for d in store.dates("risk", c)}))
    return tuple(sorted(pc.unique(store.scan("risk", ["date"], field("portfolio") == portfolio)["date"]).to_pylist()))


def day_of(path: str | Path | History, date: str, portfolio: str = "DESK1") -> HistoryDay:
    """A portfolio's day.

    Parameters
    ----------
    path
        The folder that the archive writes, as ``runs/up/history``, or a history.
    date
        As 2026-01-05, in market time (UTC).
    portfolio
        Whose reports.

    Returns
    -------
    HistoryDay

    Raises
    ------
    DataError
        If there are none of that portfolio and date, or a file is not readable.
    InputError
        If the portfolio's name is empty.

    Notes
    -----
    O(rows of the day) of risk, hedges and executions; of positions and Greeks only the first report of each outcome
    period and the last are read. Of several clusters with such a day, the last one archived.

    Examples
    --------
    >>> from qflib.desk.history_day import day_of
    >>> day_of("runs/none", "2026-01-05")
    Traceback (most recent call last):
    qflib.errors.DataError: history runs/none has no risk reports of 'DESK1' on 2026-01-05; it has none at all
    """
    if not portfolio:
        raise InputError("the portfolio has no name; give one as DESK1")
    store, mine = opened(path), field("portfolio") == portfolio
    cluster, risk = next(
        (
            (c, rows)
            for c in reversed(store.clusters)
            if (rows := of_day(store, KEPT["risk"], date, c, mine)).num_rows
        ),
        ("", None),
    )  # fmt: skip
    if risk is None:
        days = days_of(path, portfolio)
        raise DataError(
            f"history {store.name} has no risk reports of {portfolio!r} on {date}; it has "
            + (f"those of {', '.join(days[-8:])}" if days else "none at all")
        )
    tables = {"risk": columns_of(KEPT["risk"], risk)}
    for name in ("rolling", "evidence", "executions", "components"):
        tables[name] = columns_of(KEPT[name], of_day(store, KEPT[name], date, cluster, mine))
    hedges = of_day(store, KEPT["hedges"], date, cluster, mine & (field("price") > 0))  # 0: told again
    tables["hedges"] = columns_of(KEPT["hedges"], hedges)
    periods = tables["rolling"].period_ns
    outcome_ns = int(periods[-1]) if len(periods) else _MINUTE_NS
    reports = _reports(store, cluster, portfolio, risk, outcome_ns)
    instruments = store.instruments(cluster)
    recorder = Recorder.of(instruments, outcome_ns, portfolio, tables, reports)
    dead = _dead_letters(store, cluster, risk)
    recorder.dead_letters = sum(dead.values())
    decided = tables["hedges"]  # numbers are counted an instrument
    recorder.hedge_orders = len(set(zip(decided.instrument.tolist(), decided.hedge_no.tolist(), strict=True)))
    times = risk["time_ns"].to_numpy()
    start, end = (pd.Timestamp(int(t), unit="ns", tz="UTC") for t in (times[0], times[-1]))
    events = store.count("events", (field("cluster") == cluster) & (field("date") == date))
    # what a stream did took as long as its market: nobody's steps are timed here
    run = Run(recorder, (end - start).total_seconds(), events, {}, "", start, end)
    return HistoryDay(run, _scenarios(store, cluster, reports[-1].risk.set_id[0].decode()), dead, cluster)


def _reports(store: History, cluster: str, portfolio: str, risk: pa.Table, outcome_ns: int) -> list[Batch]:
    """Whole reports: the first of each outcome period and the last."""
    at, rows = _origins(risk), columns_of(KEPT["risk"], risk)
    _, first = np.unique(rows.time_ns // outcome_ns, return_index=True)
    wanted = np.unique(at[np.append(first, len(at) - 1)], axis=0)
    parts: dict[str, list[Any]] = {}
    for name in ("positions", "greeks", "limits", "explain", "min_variance"):
        kept = KEPT[name]
        found = store.scan(name, None, _records(cluster, wanted) & (field("portfolio") == portfolio))
        found = found.sort_by([(c, "ascending") for c in ("partition", "offset", "row")])
        columns, of = columns_of(kept, found), _origins(found)
        parts[name] = [_rows(kept.table, columns, of, record) for record in wanted]
    heads = [_rows(KEPT["risk"].table, rows, at, record) for record in wanted]
    made = [
        Batch.of("risk", topic=RISK_METRICS, key=portfolio, risk=heads[i], **{n: p[i] for n, p in parts.items()})
        for i in range(len(wanted))
    ]
    return sorted(made, key=lambda b: int(b.risk.time_ns[0]))


def _origins(rows: pa.Table) -> I8:
    """Partition and offset of each row, (n, 2)."""
    return np.stack([rows[c].to_numpy().astype(np.int64) for c in ("partition", "offset")], axis=1)


def _records(cluster: str, wanted: I8) -> Condition:
    """The rows of these records, as a condition; an offset of another partition may pass, and falls to `_rows`."""
    offsets = pa.array(np.unique(wanted[:, 1]))
    return (
        (field("cluster") == cluster)
        & field("partition").isin(np.unique(wanted[:, 0]).tolist())
        & field("offset").isin(offsets)
        & (field("offset") >= int(wanted[:, 1].min()))  # by the least and greatest, files are left out
        & (field("offset") <= int(wanted[:, 1].max()))
    )


def _rows(table: Any, columns: Any, of: I8, record: I8) -> Any:
    return table.take(columns, np.flatnonzero((of == record).all(axis=1)))


def _dead_letters(store: History, cluster: str, risk: pa.Table) -> dict[str, int]:
    """By topic, those appended between the first report and the last."""
    ends = _origins(risk.take([0, risk.num_rows - 1]))
    topic = field("topic") == RISK_METRICS
    appended = store.scan(BATCHES, ["append_ns"], _records(cluster, ends) & topic)["append_ns"]
    if not len(appended):
        return {}
    span = pc.min_max(appended)
    low, high = span["min"].as_py(), span["max"].as_py()
    days = [str(np.datetime64(ns, "ns").astype("M8[D]")) for ns in (low, high)]
    where = (
        (field("cluster") == cluster)
        & (field("date") >= days[0])
        & (field("date") <= days[1])
        & field("topic").ends_with(".dead")
        & (field("append_ns") >= low)
        & (field("append_ns") <= high)
    )
    counts = pc.value_counts(store.scan(BATCHES, ["topic"], where)["topic"])
    return {c["values"]: c["counts"] for c in counts.to_pylist()}


def _scenarios(store: History, cluster: str, set_id: str) -> ScenarioSet | None:
    """A scenario set from the controls that carried it: their bytes are kept, whenever they were sent."""
    where = (field("cluster") == cluster) & (field("kind") == int(ControlKind.SCENARIO_SET)) & (field("name") == set_id)
    told = store.scan("controls", ["partition", "offset"], where)
    if not told.num_rows:
        return None
    topic = field("topic") == ORDERS_INCOMING
    values = store.scan(BATCHES, ["value"], _records(cluster, _origins(told)) & topic)["value"].to_pylist()
    batches = [decode(v) for v in values if v is not None]
    chunks = [
        (b.scenario_set, b.shocks)
        for b in batches
        if b.kind == "control" and len(b.scenario_set.set_id) and b.scenario_set.set_id[0].decode() == set_id
    ]
    try:
        return ScenarioSet.from_tables(chunks)
    except DataError:  # a chunk is missing: there is no set
        return None
