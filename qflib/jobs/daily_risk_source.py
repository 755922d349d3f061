"""Where a daily risk report is from: the desk's history, or for a date without one a simulated market that says so."""

from __future__ import annotations

from dataclasses import replace

import qflib as qf
from qflib import settings
from qflib.desk.history_day import day_of, days_of
from qflib.errors import InputError
from qflib.jobs.daily_risk import DailyRisk

#: The simulated market of a date without history: prices move by the clock, so a slow one has the same volatility.
_RATE, _PERIOD_NS = 2_000.0, 2_000_000_000


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
    history = settings.load().state / "up" / "history"
    days = days_of(history) if source != "sim" else ()
    if source == "history" or as_of in days:
        day = day_of(history, as_of, portfolio)
        span = f"{day.run.start:%H:%M:%S} to {day.run.end:%H:%M:%S} UTC"
        note = f"Reports of cluster {day.cluster}, {span}, in the market's time."
        made = DailyRisk(as_of, level, day.run, day.scenarios, "history", note, day.dead_letters)
    else:
        made = _simulated(as_of, portfolio, level, seed, duration)
        if source == "auto":
            has = f"the last ones are of {days[-1]}" if days else "nor of any other"
            made = replace(made, note=f"The desk's history has no reports of this date, {has}. {made.note}")
    if not len(made.risk):
        known = sorted(set(made.run.risk["level"]))
        raise InputError(f"level {level:g} is not reported; give one of {', '.join(f'{c:g}' for c in known)}")
    return made


def _simulated(as_of: str, portfolio: str, level: float, seed: int, duration: str) -> DailyRisk:
    chosen = settings.load()
    feed = qf.datasets.load("sim", seed=seed, duration=duration, rate=_RATE)
    assert feed.history is not None  # the simulator has both
    assert feed.positions is not None
    scenarios = qf.scenarios.default(
        feed.history,
        horizon=chosen.desk.horizon,
        n_historical=chosen.desk.n_historical,
        n_simulated=chosen.desk.n_simulated,
        seed=chosen.desk.seed,
    )
    limits = {} if chosen.limits.es is None else {"max_es": chosen.limits.es}
    run = qf.Desk(
        feed,
        portfolio=qf.Portfolio.from_frame(feed.positions, name=portfolio),
        hedger=qf.hedgers.Band(chosen.desk.risk_aversion, max_order=chosen.limits.order_qty),
        scenarios=scenarios,
        config=qf.DeskConfig(period_ns=_PERIOD_NS, levels=chosen.desk.levels, limits=limits),
    ).run(digests=False)
    note = (
        f"Figures are of the seeded simulated market (seed {seed}, {duration}), whose clock says "
        f"{run.start:%Y-%m-%d %H:%M} to {run.end:%H:%M} UTC."
    )
    dead = {"simulated": run.recorder.dead_letters} if run.recorder.dead_letters else {}
    return DailyRisk(as_of, level, run, scenarios, "simulated", note, dead)
