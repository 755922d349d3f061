"""What a desk did: executions, risk, forecasts, explain, and pictures of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from qflib.desk.explain import explain
from qflib.desk.figures import figures_of
from qflib.desk.forecasts import forecasts_of
from qflib.desk.hedge_cost import fill_cost, rates_of, value_of_one
from qflib.desk.record import Recorder
from qflib.records import COMPONENTS, ExecType, Liquidity, OrderStatus, Reason, Side
from qflib.records.frames import to_frame


@dataclass(frozen=True)
class Run:
    """The outcome of `Desk.run`.

    Parameters
    ----------
    recorder
        What the steps sent.
    seconds
        Wall time of the run.
    events
        Market events through the exchange.
    steps
        Rows in and seconds spent, a step.
    digest
        SHA-256 over every output byte and the state of every step.
    start, end
        Market time of the feed.

    Examples
    --------
    >>> import qflib as qf
    >>> run = qf.Desk(qf.datasets.load("sim", seed=7, duration="2s")).run()
    >>> run.risk.columns[:2].tolist(), len(run.executions) > 0
    (['portfolio', 'level'], True)
    """

    recorder: Recorder
    seconds: float
    events: int
    steps: dict[str, dict[str, float]]
    digest: str
    start: pd.Timestamp
    end: pd.Timestamp

    @cached_property
    def executions(self) -> pd.DataFrame:
        """Acknowledgements, fills, rejects, bookings, settlements; index exchange time (UTC)."""
        frame = self.recorder.frame("executions", "time_ns")
        table = self.recorder.instruments
        at = frame["instrument"].to_numpy(np.int64)
        frame["instrument"] = [table.rows[i].symbol for i in at]
        priced = frame["price_ticks"].to_numpy() != 0
        frame["price"] = np.where(priced, table.to_price(at, frame.pop("price_ticks").to_numpy()), frame["price"])
        for column in ("qty", "cum_qty", "leaves_qty", "queue_ahead"):
            frame[column] = table.to_qty(at, frame[column].to_numpy())
        for column, codes in _CODES.items():
            names = {int(c): c.name.lower() for c in codes}
            frame[column] = [names.get(int(v), str(v)) for v in frame[column]]
        return frame

    @cached_property
    def risk(self) -> pd.DataFrame:
        """VaR and ES, a row a report and level; index market time (UTC)."""
        frame = self.recorder.frame("risk", "time_ns")
        for column in ("as_of_ns", "newest_ns"):
            frame[column.removesuffix("_ns")] = pd.to_datetime(frame.pop(column), utc=True).to_numpy()
        return frame

    @cached_property
    def hedges(self) -> pd.DataFrame:
        """Hedge orders decided on: expected price and cost against the mid, what was filled, and its cost."""
        columns = self.recorder.columns("hedges")
        table, at = self.recorder.instruments, columns.instrument.astype(np.int64)
        frame = pd.DataFrame(
            {
                "portfolio": [p.decode() for p in columns.portfolio.tolist()],
                "instrument": [table.rows[i].symbol for i in at.tolist()],
                "qty": table.to_qty(at, columns.qty),
                "price": columns.price,
                "cost": columns.cost,
                "hedge_no": columns.hedge_no,
                "net_delta": columns.net_delta,
                "band": columns.band,
            }
        )
        frame = frame[frame["price"] > 0].reset_index(drop=True)  # an order still alive is told again without a price
        fills = self.executions[(self.executions["exec_type"] == "fill") & (self.executions["hedge_no"] > 0)]
        paid = (fills["qty"] * fills["price"]).groupby([fills["instrument"], fills["hedge_no"]]).sum()
        filled = fills["qty"].groupby([fills["instrument"], fills["hedge_no"]]).sum()
        keys = pd.MultiIndex.from_frame(frame[["instrument", "hedge_no"]])
        got = filled.reindex(keys).fillna(0.0).to_numpy()
        spent = paid.reindex(keys).fillna(0.0).to_numpy()
        fx = {} if "risk" not in self.recorder.latest else rates_of(self.recorder.latest["risk"].positions)
        priced = zip(frame["instrument"], frame["price"], strict=True)
        one = np.array([value_of_one(table[s], fx.get(table.id(s), 1.0), p) for s, p in priced], np.float64)
        average = np.divide(spent, got, out=frame["price"].to_numpy(copy=True), where=got > 0)
        cost = fill_cost(frame["qty"], frame["price"], frame["cost"], got, average, got * one)
        return frame.assign(filled=got, realised_cost=cost.where(frame["qty"] != 0, 0.0))

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """Rolling ES of hypothetical and actual P&L with the forecasts they are judged by; a row a period and level."""
        return self.recorder.frame("rolling", "time_ns")

    @cached_property
    def components(self) -> pd.DataFrame:
        """Who causes the ES, at each outcome period's first report; index its time (UTC).

        Rows `by` "position" and `by` "greek" sum to `es`, each with a row "rest" of what the others leave.
        """
        return to_frame(self.recorder.columns("components"), COMPONENTS, self.recorder.instruments)

    def figures(self, step: str | None = None) -> pd.DataFrame:
        """What promoted steps told: step, instrument and a column a field; index market time (UTC).

        Parameters
        ----------
        step
            Whose; None: all.
        """
        return figures_of(self.recorder.columns("values"), self.recorder.instruments, step)

    @cached_property
    def forecasts(self) -> pd.DataFrame:
        """What `qf.backtest` takes, at the first level: time, outcome (of the forecast's own positions), var, es."""
        return forecasts_of(self.outcomes, self.recorder.portfolio)

    @cached_property
    def evidence(self) -> pd.DataFrame:
        """The e-backtest of those forecasts as it went on; a row a period, level, measure (es, var) and betting.

        Columns as in `qflib.shortfall.EBacktest.evidence`, whose figures they are, bit for bit.
        """
        return self.recorder.frame("evidence", "time_ns")

    @cached_property
    def explain(self) -> pd.DataFrame:
        """P&L of each outcome period by Greek, carry and cost, with what they leave; parts sum to total exactly."""
        return explain(self.recorder.snapshots)

    @cached_property
    def positions(self) -> pd.DataFrame:
        """Positions of the last report."""
        last = self.recorder.latest.get("risk")
        if last is None:
            return pd.DataFrame()
        table, p = self.recorder.instruments, last.positions
        at = p.instrument.astype(np.int64)
        made = {"instrument": [table.rows[i].symbol for i in at.tolist()]}
        made |= {"book": ["client" if b == 1 else "hedge" for b in p.book], "qty": table.to_qty(at, p.qty)}
        names = (
            "avg_price",
            "mark",
            "implied_vol",
            "value",
            "delta",
            "gamma",
            "vega",
            "theta",
            "unrealised",
            "realised",
        )
        return pd.DataFrame(made | {n: getattr(p, n) for n in names}).set_index("instrument")

    def summary(self) -> dict[str, Any]:
        """Figures of the run; the shape that `qflib desk --json` prints."""
        market = (self.end - self.start).total_seconds()
        fills = self.executions[(self.executions["exec_type"] == "fill") & (self.executions["hedge_no"] > 0)]
        rejects = self.executions[(self.executions["exec_type"] == "rejected") & (self.executions["hedge_no"] > 0)]
        return {
            "seconds": self.seconds,
            "market_seconds": market,
            "events": self.events,
            "events_per_s": self.events / self.seconds if self.seconds else 0.0,
            "steps": self.steps,
            "hedge": {
                "orders": self.recorder.hedge_orders,
                "fills": len(fills),
                "rejects": len(rejects),
                "cost": float(self.hedges["realised_cost"].sum()),
            },
            "es": self._es(),
            "dead_letters": self.recorder.dead_letters,
            "digest": self.digest,
        }

    def plot(self) -> Any:
        """ES unhedged, current and target over time; hedge cost; P&L explain."""
        from qflib.desk.plots import plot_run

        return plot_run(self)

    def to_frame(self) -> pd.DataFrame:
        """As `risk`."""
        return self.risk

    def _es(self) -> dict[str, Any]:
        risk = self.risk[self.risk["portfolio"] == self.recorder.portfolio]
        if not len(risk):
            return {
                "level": None,
                "horizon": None,
                "unhedged_median": None,
                "current_median": None,
                "target_median": None,
            }
        level = float(risk["level"].iloc[0])
        mine = risk[risk["level"] == level]
        return {
            "level": level,
            "horizon": _horizon(int(mine["horizon_ns"].iloc[0])),
            **{f"{k}_median": float(mine[f"es_{k}"].median()) for k in ("unhedged", "current", "target")},
        }

    def _repr_html_(self) -> str:
        facts = self.summary()
        rows = {
            "market": f"{self.start:%Y-%m-%d %H:%M:%S} to {self.end:%H:%M:%S} UTC",
            "events": f"{self.events:,} in {self.seconds:.1f} s ({facts['events_per_s']:,.0f}/s)",
            "hedges": "{orders} orders, {fills} fills, {rejects} rejects, cost {cost:,.2f}".format(**facts["hedge"]),
            "digest": self.digest[:16],
        }
        es = facts["es"]
        if es["level"] is not None:
            rows[f"ES {es['level']:.1%}, {es['horizon']} (medians)"] = (
                f"unhedged {es['unhedged_median']:,.0f}, current {es['current_median']:,.0f}, "
                f"target {es['target_median']:,.0f}"
            )
        return pd.DataFrame({"": rows}).to_html(header=False)


_CODES = {"exec_type": ExecType, "ord_status": OrderStatus, "reason": Reason, "side": Side, "liquidity": Liquidity}


def _horizon(ns: int) -> str:
    days = ns / 86_400e9
    return f"{days:g}D" if days >= 1 else f"{ns / 60e9:g}min"
