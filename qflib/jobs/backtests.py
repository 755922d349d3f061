"""The backtest report: were the forecasts of VaR and ES right, and did the hedges hedge."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qflib import settings
from qflib.desk.forecasts import forecasts_of
from qflib.desk.hedge_fills import hedge_fills
from qflib.desk.history_day import day_of, days_of
from qflib.desk.run import Run
from qflib.errors import DataError, InputError, QflibError
from qflib.hedging import HedgeEffectiveness, hedge_effectiveness
from qflib.history import History
from qflib.history.opening import desk_history
from qflib.jobs.daily_risk import Unavailable
from qflib.jobs.daily_risk_source import currency_of
from qflib.jobs.heading import Headed
from qflib.jobs.simulated_desk import simulated_desk
from qflib.records import Batch, Book
from qflib.shortfall import BacktestResult, backtest

WHOLE = "all"
_OUTCOME_NS = 10 * 10**9  # of the simulated market: a report of some minutes has forecasts enough to be judged
#: What a reader looks at first; the tests with what a low value of theirs means are in the table below it.
_CHIEF = ("kupiec", "christoffersen_cc", "acerbi_szekely_z2", "e_backtest_log_max")


@dataclass(frozen=True)
class Backtests(Headed):
    """Forecasts with their outcomes, and P&L of clients and hedges, over some days.

    Parameters
    ----------
    as_of
        The last UTC date.
    portfolio
        Whose.
    days
        The dates there are.
    runs
        What the desk did on each.
    source
        "history" or "simulated".
    note
        Where the data are from, a sentence.
    currency
        The reporting currency.

    Examples
    --------
    >>> from qflib.jobs.backtests import backtests
    >>> report = backtests("2024-01-03", source="sim", duration="1min")
    >>> report.source, sorted(report.forecasts()["level"].unique().tolist())
    ('simulated', [0.975, 0.99])
    """

    as_of: str
    portfolio: str
    days: tuple[str, ...]
    runs: tuple[Run, ...]
    source: str
    note: str
    currency: str = "USD"

    def forecasts(self, outcome: str = "hypothetical") -> pd.DataFrame:
        """Every forecast with what came after it, at every level, by rising time.

        Parameters
        ----------
        outcome
            "hypothetical", P&L of the forecast's own positions, or "actual", with what was traded meanwhile.
        """
        parts = []
        for run in self.runs:
            rows = run.outcomes[run.outcomes["outcome"] == outcome].assign(outcome="hypothetical")  # as it is asked for
            parts += [forecasts_of(r, self.portfolio) for _, r in rows.groupby("level", sort=True)]
        made = pd.concat(parts, ignore_index=True) if parts else forecasts_of(pd.DataFrame(), self.portfolio)
        return made.sort_values(["level", "time"], kind="stable", ignore_index=True)

    @cached_property
    def hypothetical(self) -> BacktestResult | Unavailable:
        """Every test, of the P&L that the forecasts' own positions made."""
        return self._tested("hypothetical")

    @cached_property
    def actual(self) -> BacktestResult | Unavailable:
        """The same, of the P&L there was: what was traded between forecast and outcome is in it."""
        return self._tested("actual")

    def verdict(self) -> pd.DataFrame | Unavailable:
        """A row a kind of P&L and level: forecasts, exceedances seen and expected, the light, the chief tests."""
        rows = []
        for name, made in (("hypothetical", self.hypothetical), ("actual", self.actual)):
            if isinstance(made, Unavailable):
                return made
            for level, path in made.path.groupby("level"):
                table: Any = made.table.loc[level]
                row: dict[str, Any] = {
                    "P&L": name,
                    "level": level,
                    "forecasts": len(path),
                    "exceedances": int(path["hit"].sum()),
                }
                row |= {"expected": len(path) * (1.0 - float(str(level)))}
                row |= {"light": str(table.loc["traffic_light", "note"]).partition(":")[0]}
                for test in _CHIEF:
                    p = table.loc[test, "p_value"]
                    figure = np.isnan(p) or test.startswith("e_backtest")  # evidence, not a p-value asked once
                    row[test] = table.loc[test, "statistic"] if figure else p
                rows.append(row)
        return pd.DataFrame(rows).set_index(["P&L", "level"])

    def pnl(self) -> pd.DataFrame:
        """P&L of clients' and hedges' positions a period, by underlying: index the period's end (UTC), no fees in it.

        A period ends where the next day begins: what came between two days is nobody's period.
        """
        frames = [frame for run in self.runs if len(frame := _periods(run.recorder.snapshots))]
        return pd.concat(frames) if frames else pd.DataFrame(columns=["underlying", "client", "hedge"])

    @cached_property
    def effectiveness(self) -> dict[str, HedgeEffectiveness | Unavailable]:
        """How much of the clients' P&L the hedges took away: of all underlyings together, and of each."""
        rows, cost = self.pnl(), self._cost()
        if rows.empty:
            return {WHOLE: Unavailable("no period of P&L has ended")}
        whole = rows.groupby(level="time")[["client", "hedge"]].sum()
        parts = {WHOLE: whole} | {str(u): r for u, r in rows.groupby("underlying")}
        return {name: _judged(r, cost.get(name, 0.0)) for name, r in parts.items()}

    def hedging(self) -> pd.DataFrame:
        """The same as a table: a row each, with why there is none where there is none."""
        rows: dict[str, dict[str, Any]] = {}
        for name, made in self.effectiveness.items():
            if isinstance(made, Unavailable):
                rows[name] = {"n": 0.0, "note": made.reason}
            else:
                figures = {str(k): v for k, v in made.to_frame()["value"].items()}
                rows[name] = {**figures, "note": "passes 80-125" if made.passes else "fails 80-125"}
        return pd.DataFrame(rows).T.rename_axis("underlying").infer_objects()

    def facts(self) -> dict[str, Any]:
        """Source and chief figures, for the run's record."""
        told: dict[str, Any] = {"kind": self.source, "note": self.note, "days": list(self.days)}
        verdict, whole = self.verdict(), self.effectiveness[WHOLE]
        figures: dict[str, Any] = {}
        if not isinstance(verdict, Unavailable):
            chief: Any = verdict.loc["hypothetical"]
            for level, row in chief.to_dict("index").items():
                named = {n: row[n] for n in ("forecasts", "exceedances", "light")}
                figures |= {f"{n}_{level}": v for n, v in named.items()}
        if not isinstance(whole, Unavailable):
            figures["hedge_effectiveness"] = float(whole.effectiveness)
        return {"source": told, "figures": figures}

    def _tested(self, outcome: str) -> BacktestResult | Unavailable:
        horizon = pd.Timedelta(min(run.recorder.outcome_ns for run in self.runs), unit="ns")
        try:
            return backtest(self.forecasts(outcome), horizon=horizon)
        except QflibError as e:
            return Unavailable(str(e))

    def _cost(self) -> dict[str, float]:
        """What the hedges have cost against the mid, and their fees, by underlying."""
        made: dict[str, float] = {WHOLE: 0.0}
        for run in self.runs:
            table, fills = run.recorder.instruments, hedge_fills(run)
            for symbol, row in fills.groupby("instrument")[["cost", "fee"]].sum().iterrows():
                spent = float(row["cost"] + row["fee"])
                of = table[table.id(str(symbol))].underlying
                made[of] = made.get(of, 0.0) + spent
                made[WHOLE] += spent
        return made

    @property
    def subject(self) -> str:
        """Whose, and of which day."""
        return f"{self.portfolio}, {self.as_of}"


def backtests(
    as_of: str,
    portfolio: str = "DESK1",
    days: int = 20,
    source: str = "auto",
    seed: int = 7,
    duration: str = "10min",
) -> Backtests:
    """The backtest report up to a date.

    Parameters
    ----------
    as_of
        The last UTC date, as 2026-01-05.
    portfolio
        Whose.
    days
        Of the dates up to it that the history has, so many at most.
    source
        "history" (setting `state`, below ``up/history``), "sim", or "auto": the history where it has the date.
    seed, duration
        Of the simulated market.

    Raises
    ------
    InputError
        If the source is none, or days below 1.
    DataError
        If the history is asked for and does not have the date.

    Examples
    --------
    >>> from qflib.jobs.backtests import backtests
    >>> backtests("2024-01-03", source="sim", duration="3s").days
    ('2024-01-03',)
    """
    if source not in ("auto", "history", "sim"):
        raise InputError(f"source {source!r} is unknown; give auto, history or sim")
    if days < 1:
        raise InputError(f"days is {days}; give one at least")
    chosen = settings.load()
    up = chosen.state / "up"
    history = desk_history(up / "history", chosen.store)
    known = days_of(history, portfolio) if source != "sim" else ()
    if as_of in known:
        return _of_history(up, history, as_of, portfolio, tuple(d for d in known if d <= as_of)[-days:])
    if source == "history":
        has = f"those of {', '.join(known[-8:])}" if known else "none at all"
        raise DataError(f"the history has no risk reports of {portfolio!r} on {as_of}; it has {has}")
    made = simulated_desk(portfolio, seed, duration, _OUTCOME_NS)
    no = "" if source == "sim" else f"The desk's history has no reports of {portfolio} of this date. "
    return Backtests(as_of, portfolio, (as_of,), (made.run,), "simulated", no + made.note, made.currency)


def _of_history(up: Path, history: History, as_of: str, portfolio: str, days: tuple[str, ...]) -> Backtests:
    runs = tuple(day_of(history, day, portfolio).run for day in days)
    note = f"Forecasts and P&L of {len(days)} days with reports, {days[0]} to {days[-1]}, in the market's time."
    return Backtests(as_of, portfolio, days, runs, "history", note, currency_of(up / "deployment.json"))


def _periods(reports: list[Batch]) -> pd.DataFrame:
    """Differences of P&L between reports, a row an underlying and period."""
    names = {Book.CLIENT: "client", Book.HEDGE: "hedge"}
    rows = []
    for report in reports:
        g = report.greeks
        at = pd.Timestamp(int(report.risk.time_ns[0]), unit="ns", tz="UTC")
        for u, b, pnl in zip(g.underlying.tolist(), g.book.tolist(), (g.realised + g.unrealised).tolist(), strict=True):
            rows.append((at, u.decode(), names.get(Book(b), "client"), pnl))
    if not rows:
        return pd.DataFrame()
    frame = pd.DataFrame(rows, columns=["time", "underlying", "book", "pnl"])
    wide = frame.pivot_table(index=["underlying", "time"], columns="book", values="pnl", aggfunc="sum", fill_value=0.0)
    wide = wide.reindex(columns=["client", "hedge"], fill_value=0.0)
    made = wide.groupby(level="underlying").diff().dropna().reset_index("underlying")
    return made.rename_axis(columns=None)


def _judged(rows: pd.DataFrame, cost: float) -> HedgeEffectiveness | Unavailable:
    try:
        return hedge_effectiveness(rows["client"].to_numpy(), rows["hedge"].to_numpy(), cost=max(cost, 0.0))
    except QflibError as e:
        return Unavailable(str(e))
