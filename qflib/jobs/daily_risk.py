"""The daily risk report: every table of it, from what a desk did that day."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from qflib.desk.closing import Closing, closing
from qflib.desk.hedge_fills import hedge_fills
from qflib.desk.run import Run
from qflib.errors import QflibError
from qflib.hedging.ladder import Ladder
from qflib.jobs.heading import Headed
from qflib.records import Batch
from qflib.shortfall import BacktestResult, ComponentES, ScenarioSet, backtest, expected_shortfall

T = TypeVar("T")

SPOT = (-0.10, -0.05, -0.02, 0.0, 0.02, 0.05, 0.10)
VOL = (-0.05, 0.0, 0.05)
POINTS = 600  # of a line through the day: more are not seen
_MONEY = ("value", "unrealised", "realised", "fees", "net_pnl")
_GREEKS = ["value", "delta", "gamma", "vega", "theta", "rho", "vanna", "volga"]


@dataclass(frozen=True)
class Unavailable:
    """A section that cannot be computed, and why."""

    reason: str

    def plot(self) -> Unavailable:
        """Itself: there is no picture."""
        return self

    def _repr_html_(self) -> str:
        return f"<p><i>Not available: {html.escape(self.reason)}</i></p>"


@dataclass(frozen=True)
class DailyRisk(Headed):
    """A portfolio's risk on a date, and every table of its report.

    Parameters
    ----------
    as_of
        The UTC date.
    level
        Confidence of VaR and ES.
    run
        What the desk did that day.
    scenarios
        The set of the last report; None where its content is not kept.
    source
        "history" or "simulated".
    note
        Where the data are from, a sentence.
    dead_letters
        By topic.
    limits
        Limits of each report of the day: portfolio, name, value, bound, breached.
    currency
        The reporting currency.

    Examples
    --------
    >>> from qflib.jobs.daily_risk_source import daily_risk
    >>> report = daily_risk("2024-01-03", source="sim", duration="3s")
    >>> report.source, list(report.close().columns)
    ('simulated', ['unhedged', 'current', 'target'])
    """

    as_of: str
    level: float
    run: Run
    scenarios: ScenarioSet | None
    source: str
    note: str
    dead_letters: dict[str, int]
    limits: pd.DataFrame
    currency: str = "USD"

    @cached_property
    def closing(self) -> Closing:
        """Portfolio and market of the last report."""
        recorder = self.run.recorder
        return closing(recorder.latest["risk"], recorder.instruments, self.currency)

    @property
    def risk(self) -> pd.DataFrame:
        """Its reports at its level; index time (UTC)."""
        rows = self.run.risk
        return rows[(rows["portfolio"] == self.run.recorder.portfolio) & (rows["level"] == self.level)]

    @property
    def limit_level(self) -> float:
        """The level that the limit on ES is of: the first that the desk reports."""
        return float(self.run.recorder.latest["risk"].risk.level[0])

    @property
    def limit(self) -> float:
        """The bound on ES in force at the close; NaN where there is none, or it is of another level."""
        return self._bound() if self.level == self.limit_level else float("nan")

    def _bound(self) -> float:
        limits = self.run.recorder.latest["risk"].limits
        bounds = [float(b) for n, b in zip(limits.name.tolist(), limits.bound, strict=True) if n == b"max_es"]
        return bounds[0] if bounds else float("nan")

    def close(self) -> pd.DataFrame:
        """VaR and ES at the close and ES through the day, before hedging, now and with the orders proposed."""
        rows, kinds = self.risk, ("unhedged", "current", "target")
        es, var = (rows[[f"{m}_{k}" for k in kinds]].set_axis(kinds, axis=1) for m in ("es", "var"))
        made = {
            "VaR at the close": var.iloc[-1],
            "ES at the close": es.iloc[-1],
            "ES, median of the day": es.median(),
            "ES, greatest of the day": es.max(),
        }
        if np.isfinite(self.limit):
            made |= {"ES at the close, share of the limit": es.iloc[-1] / self.limit}
            mine = (self.limits["portfolio"] == self.run.recorder.portfolio) & (self.limits["name"] == "max_es")
            # the limit holds the current ES alone, and may have been another earlier in the day
            beyond = float(self.limits.loc[mine, "breached"].sum())
            made |= {"reports beyond the limit": pd.Series({"current": beyond}).reindex(kinds)}
        return pd.DataFrame(made).T

    def through_the_day(self) -> pd.DataFrame:
        """ES and VaR over time, at most `POINTS` rows: the greatest of each stretch; index time (UTC)."""
        rows = self.risk[["es_unhedged", "es_current", "es_target", "var_current"]]
        rows = rows.set_axis(["ES unhedged", "ES current", "ES target", "VaR current"], axis=1)
        if len(rows) <= POINTS:
            return rows
        stretch = max((rows.index[-1] - rows.index[0]) / POINTS, pd.Timedelta(1, "ns"))
        return rows.groupby((rows.index - rows.index[0]) // stretch).max().set_axis(
            rows.index.to_series().groupby((rows.index - rows.index[0]) // stretch).first(), axis=0
        )  # fmt: skip

    def positions(self) -> pd.DataFrame:
        """Positions at the close, a row an instrument: client, hedge and net quantity, marks, figures of both.

        Those closed since the desk's start are the row "closed positions", and the last is the sum of money: P&L is
        since that start, in reporting currency, and `net_pnl` is what is left of it after fees.
        """
        held = self.run.positions.assign(fees=self.run.recorder.latest["risk"].positions.fees)
        held["net_pnl"] = held["realised"] + held["unrealised"] - held["fees"]
        qty = held.pivot_table(index="instrument", columns="book", values="qty", aggfunc="sum", fill_value=0.0)
        qty = qty.reindex(columns=["client", "hedge"], fill_value=0.0)
        by = held.groupby(level=0)
        sums = by[[*_MONEY, "delta", "gamma", "vega", "theta"]].sum()
        made = qty.assign(net=qty.sum(axis=1)).join(by[["mark", "implied_vol"]].first()).join(sums)
        made = made.rename_axis(columns=None)
        open_ = (made[["client", "hedge"]] != 0).any(axis=1)
        closed = made.loc[~open_, list(_MONEY)].sum().to_frame("closed positions").T if not open_.all() else None
        total = made[list(_MONEY)].sum().to_frame("total").T  # deltas of two underlyings don't add up
        return pd.concat([made[open_], *([] if closed is None else [closed]), total]).rename_axis("instrument")

    def pnl(self) -> pd.DataFrame:
        """P&L since the desk's start, at the day's first report and at its last, and the difference: the day's.

        Realised and unrealised are before fees; "after fees" is what the reported Greeks sum to. Of a day that the desk
        began in, opening positions count from their own prices.
        """
        first, last = (_pnl(b) for b in (self.run.recorder.snapshots[0], self.run.recorder.latest["risk"]))
        return pd.DataFrame({"first report": first, "last report": last, "between them": last - first}).T

    def greeks(self) -> pd.DataFrame | Unavailable:
        """Greeks by underlying and expiry as traders read them: cash delta, cash gamma for 1 %, a point, a day."""
        if self.closing.portfolio is None:
            return Unavailable("nothing is held at the close")
        made = self.closing.portfolio.greeks(self.closing.market, by=["underlying", "expiry"], units="trader")
        return made[_GREEKS]

    def cash_greeks(self) -> pd.DataFrame | Unavailable:
        """The same by underlying, with their sum; deltas of two underlyings add up in money alone."""
        made = self.greeks()
        if isinstance(made, Unavailable):
            return made
        by = made.groupby(level="underlying").sum()
        return pd.concat([by, by.sum().to_frame("all").T.rename_axis("underlying")])

    def component_es(self) -> ComponentES | Unavailable:
        """Who causes the ES at the close: the positions revalued under the report's own scenarios."""
        if self.scenarios is None:
            return Unavailable("the history does not hold the scenario set of the last report")
        pf, scen = self.closing.portfolio, self.scenarios
        if pf is None:
            return Unavailable("nothing is held at the close")
        return _or_reason(lambda: pf.component_es(self.closing.market, scen, level=self.level, by="instrument"))

    def ladder(self) -> Ladder | Unavailable:
        """P&L at the close on a grid of spot and volatility moves, every position revalued."""
        pf = self.closing.portfolio
        if pf is None:
            return Unavailable("nothing is held at the close")
        return _or_reason(lambda: pf.ladder(self.closing.market, spot=SPOT, vol=VOL))

    def hedges(self) -> pd.DataFrame:
        """Fills of hedge orders with their cost against the mid; index time (UTC)."""
        return hedge_fills(self.run)

    def explain(self) -> pd.DataFrame:
        """P&L by Greek, carry and cost, a row an outcome period."""
        return self.run.explain

    def backtest(self) -> BacktestResult | Unavailable:
        """Every test of the day's forecasts at the first level."""
        horizon = pd.Timedelta(self.run.recorder.outcome_ns, unit="ns")
        return _or_reason(lambda: backtest(self.run.forecasts, horizon=horizon))

    def quality(self) -> pd.DataFrame:
        """What a reader must know before believing the rest."""
        risk, latest, run = self.risk, self.run.recorder.latest["risk"], self.run
        gaps = risk.index.to_series().diff().dt.total_seconds()
        fills = run.executions[run.executions["hedge_no"] > 0]
        made: dict[str, Any] = {
            "first report (UTC)": f"{risk.index[0]:%Y-%m-%d %H:%M:%S}",
            "last report (UTC)": f"{risk.index[-1]:%Y-%m-%d %H:%M:%S}",
            "reports": len(risk),
            "longest time without a report, s": round(float(gaps.max()), 3) if len(risk) > 1 else "–",
            "market events": run.events,
            "positions that nothing quoted, at the close": int(latest.risk.unpriced[0]),
            "positions not revalued here": ", ".join(self.closing.left_out) or 0,
            "hedge orders refused": int((fills["exec_type"] == "rejected").sum()),
            "dead letters": sum(self.dead_letters.values()),
            "ES recomputed from positions and scenarios": self._recomputed(),
        }
        made |= {f"dead letters of {t.removesuffix('.dead')}": n for t, n in sorted(self.dead_letters.items())}
        return pd.DataFrame({"": made})

    def facts(self) -> dict[str, Any]:
        """Source and chief figures, for the run's record."""
        last = self.risk.iloc[-1]
        figures = {
            f"{m}_{k}": float(last[f"{m}_{k}"]) for m in ("es", "var") for k in ("unhedged", "current", "target")
        }
        told = {"kind": self.source, "note": self.note, "portfolio": self.run.recorder.portfolio}
        span = {"start": self.run.start.isoformat(), "end": self.run.end.isoformat()}
        figures["pnl_after_fees"] = float(self.pnl()["after fees"].loc["last report"])
        return {"source": told | span, "figures": {"level": self.level, **figures}}

    def _recomputed(self) -> str:
        """An oracle: the same ES from what the report is made of."""
        pf = self.closing.portfolio
        if self.scenarios is None or pf is None:
            return "not possible: no scenarios, or no positions"
        told = float(self.risk["es_current"].iloc[-1])
        try:
            pnl = pf.scenario_pnl(self.closing.market, self.scenarios)
            es = float(expected_shortfall(pnl, level=self.level, kind="pnl").es)
        except QflibError as e:
            return f"not possible: {e}"
        return f"{es:,.2f}, reported {told:,.2f}"

    @property
    def subject(self) -> str:
        """Whose, and of which day."""
        return f"{self.run.recorder.portfolio}, {self.as_of}"

    @property
    def lines(self) -> list[str]:
        """What it is of, and a limit that these figures are not held to."""
        if np.isfinite(self.limit) or not np.isfinite(self._bound()):
            return [self.note]
        return [
            self.note,
            f"The limit on ES, {self._bound():,.0f} {self.currency}, is of level {self.limit_level:g}: "
            f"figures here are of {self.level:g} and are not held to it.",
        ]


def _pnl(report: Batch) -> pd.Series[float]:
    p = report.positions
    made = {n: float(getattr(p, n).sum()) for n in ("realised", "unrealised", "fees")}
    return pd.Series(made | {"after fees": made["realised"] + made["unrealised"] - made["fees"]})


def _or_reason(make: Callable[[], T]) -> T | Unavailable:
    try:
        return make()
    except QflibError as e:
        return Unavailable(str(e))
