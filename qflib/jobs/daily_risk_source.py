"""Where a daily risk report is from: the desk's history, or for a date without one a simulated market that says so."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pandas as pd

import qflib as qf
from qflib import settings
from qflib.desk.deployment import Deployment
from qflib.desk.history_day import day_of, days_of
from qflib.errors import InputError
from qflib.history import History
from qflib.history.opening import desk_history
from qflib.history.where import field
from qflib.jobs.daily_risk import DailyRisk
from qflib.jobs.simulated_desk import simulated_desk

_LIMITS = ("portfolio", "name", "value", "bound", "breached")


def daily_risk(
    as_of: str,
    portfolio: str = "DESK1",
    level: float = 0.975,
    source: str = "auto",
    seed: int = 7,
    duration: str = "10min",
) -> DailyRisk:
    """The report of a date.

    Parameters
    ----------
    as_of
        UTC date, as 2026-01-05.
    portfolio
        Whose.
    level
        Confidence: one that the desk reports.
    source
        "history" (setting `state`, below ``up/history``), "sim", or "auto": the history where it has the date.
    seed, duration
        Of the simulated market.

    Returns
    -------
    DailyRisk

    Raises
    ------
    InputError
        If the source or the level is none.
    DataError
        If the history is asked for and has no such day.

    Examples
    --------
    >>> from qflib.jobs.daily_risk_source import daily_risk
    >>> daily_risk("2024-01-03", source="sim", duration="3s").as_of
    '2024-01-03'
    """
    if source not in ("auto", "history", "sim"):
        raise InputError(f"source {source!r} is unknown; give auto, history or sim")
    chosen = settings.load()
    up = chosen.state / "up"
    history = desk_history(up / "history", chosen.store)
    days = days_of(history, portfolio) if source != "sim" else ()
    if source == "history" or as_of in days:
        day = day_of(history, as_of, portfolio)
        span = f"{day.run.start:%H:%M:%S} to {day.run.end:%H:%M:%S} UTC"
        note = f"Reports of cluster {day.cluster}, {span}, in the market's time.{_not_over(as_of)}"
        limits = _limits(history, as_of, day.cluster, portfolio)
        currency = currency_of(up / "deployment.json")
        made = DailyRisk(as_of, level, day.run, day.scenarios, "history", note, day.dead_letters, limits, currency)
    else:
        made = _simulated(as_of, portfolio, level, seed, duration)
        if source == "auto":
            has = f"the last ones are of {days[-1]}" if days else "nor of any other"
            no = f"The desk's history has no reports of {portfolio} of this date, {has}."
            made = replace(made, note=f"{no} {made.note}")
    if not len(made.risk):
        known = sorted(set(made.run.risk["level"]))
        raise InputError(f"level {level:g} is not reported; give one of {', '.join(f'{c:g}' for c in known)}")
    return made


def _simulated(as_of: str, portfolio: str, level: float, seed: int, duration: str) -> DailyRisk:
    made = simulated_desk(portfolio, seed, duration)
    run = made.run
    dead = {"simulated": run.recorder.dead_letters} if run.recorder.dead_letters else {}
    told = run.recorder.columns("limits")
    held = {n: getattr(told, n) for n in _LIMITS}
    frame = pd.DataFrame({n: [v.decode() for v in a.tolist()] if a.dtype.kind == "S" else a for n, a in held.items()})
    return DailyRisk(as_of, level, run, made.scenarios, "simulated", made.note, dead, frame, made.currency)


def _limits(history: History, as_of: str, cluster: str, portfolio: str) -> pd.DataFrame:
    """Limits of every report of a day, not only of those that are read whole."""
    where = (field("cluster") == cluster) & (field("date") == as_of) & (field("portfolio") == portfolio)
    rows: pd.DataFrame = history.scan("limits", list(_LIMITS), where).to_pandas()
    return rows


def currency_of(deployment: Path) -> str:
    """The reporting currency of the desk whose history it is."""
    return (Deployment.load(deployment).config if deployment.exists() else qf.DeskConfig()).currency


def _not_over(as_of: str) -> str:
    """What a reader must know of a report made before the date's end; else nothing."""
    now = _now()
    if now.date().isoformat() > as_of:
        return ""
    return f" The date was not over when this was made, {now:%Y-%m-%d %H:%M} UTC: its later reports are not in."


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
