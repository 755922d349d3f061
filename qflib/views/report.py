"""A risk report as people read it: floats, symbols, UTC times."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from qflib.desk.explain import COLUMNS as EXPLAINED
from qflib.records import Batch, Book, Instruments
from qflib.views.stamp import Stamp

_POSITION = ("avg_price", "mark", "implied_vol", "value", "delta", "gamma", "vega", "theta", "unrealised", "realised",
             "fees")  # fmt: skip
_ADDED = ("value", "delta", "gamma", "vega", "theta", "unrealised", "realised")


@dataclass(frozen=True)
class Report:
    """The last word on one portfolio.

    Parameters
    ----------
    portfolio
        Its name.
    stamp
        Sequence, times, age.
    batch
        The RiskReport itself: tables risk, positions, greeks, limits, hedges, explain, min_variance.
    instruments
        The instrument table.
    """

    portfolio: str
    stamp: Stamp
    batch: Batch
    instruments: Instruments

    @cached_property
    def risk(self) -> pd.DataFrame:
        """VaR and ES: a row a level, with horizon, scenario set, tail count, time and as-of."""
        r = self.batch.risk
        made = pd.DataFrame(
            {
                "level": r.level,
                "horizon": pd.to_timedelta(r.horizon_ns),
                **{n: getattr(r, n) for n in _FIGURES},
                "n_scenarios": r.n_scenarios,
                "n_tail": r.n_tail,
                "set_id": [v.decode() for v in r.set_id.tolist()],
                "dynamics": [v.decode() for v in r.dynamics.tolist()],
                "decay": r.decay.astype(bool),
                "unpriced": r.unpriced,
                "vector_error": r.vector_error,
                "time": pd.to_datetime(r.time_ns, utc=True),
                "as_of": pd.to_datetime(r.as_of_ns, utc=True),
            }
        )
        return made.set_index("level")

    @cached_property
    def positions(self) -> pd.DataFrame:
        """A row an instrument and book: underlying, kind, expiry, quantity, prices, value, Greeks a year, P&L."""
        p = self.batch.positions
        at = p.instrument.astype(np.int64)
        rows = [self.instruments[i] for i in at.tolist()]
        expiry = pd.DatetimeIndex([r.expiry if r.expiry is not None else pd.NaT for r in rows])
        return pd.DataFrame(
            {
                "instrument": [r.symbol for r in rows],
                "underlying": [r.underlying for r in rows],
                "kind": [r.kind for r in rows],
                "expiry": expiry if expiry.tz is not None else expiry.tz_localize("UTC"),
                "book": [_book(b) for b in p.book.tolist()],
                "qty": self.instruments.to_qty(at, p.qty),
                **{n: getattr(p, n) for n in _POSITION},
            }
        )

    @cached_property
    def greeks(self) -> pd.DataFrame:
        """A row an underlying and book: Greeks a year and per 1.00, cash delta, P&L, the forward they are taken at."""
        g = self.batch.greeks
        names = ("value", "delta", "gamma", "vega", "theta", "rho", "vanna", "volga", "cash_delta", "realised",
                 "unrealised", "forward")  # fmt: skip
        return pd.DataFrame(
            {
                "underlying": [v.decode() for v in g.underlying.tolist()],
                "book": [_book(b) for b in g.book.tolist()],
                **{n: getattr(g, n) for n in names},
                "time": pd.to_datetime(g.time_ns, utc=True),
                "as_of": pd.to_datetime(g.as_of_ns, utc=True),
            }
        )

    @cached_property
    def explain(self) -> pd.DataFrame:
        """P&L since from_ns by Greek, carry and cost, a row an underlying and book; parts sum to total exactly."""
        e = self.batch.explain
        return pd.DataFrame(
            {
                "underlying": [v.decode() for v in e.underlying.tolist()],
                "book": [_book(b) for b in e.book.tolist()],
                "from": pd.to_datetime(e.from_ns, utc=True),
                "time": pd.to_datetime(e.time_ns, utc=True),
                **{n: getattr(e, n) for n in EXPLAINED},
            }
        )

    @cached_property
    def min_variance(self) -> pd.DataFrame:
        """The minimum-variance fit, a row an underlying: n, a, b, c, gain one step ahead, used, correction, time."""
        m = self.batch.min_variance
        made = {"underlying": [v.decode() for v in m.underlying.tolist()]}
        made |= {n: getattr(m, n) for n in ("n", "a", "b", "c", "gain", "correction")}
        return pd.DataFrame(made | {"used": m.used.astype(bool), "time": pd.to_datetime(m.time_ns, utc=True)})

    @cached_property
    def by_expiry(self) -> pd.DataFrame:
        """Value, Greeks and P&L by underlying and expiry; what does not expire last."""
        return self.positions.groupby(["underlying", "expiry"], dropna=False)[list(_ADDED)].sum()

    @cached_property
    def limits(self) -> pd.DataFrame:
        """A row a limit: value, bound, breached."""
        n = self.batch.limits
        names = pd.Index([v.decode() for v in n.name.tolist()], name="name", dtype=object)
        return pd.DataFrame({"value": n.value, "bound": n.bound, "breached": n.breached.astype(bool)}, index=names)

    @property
    def pnl(self) -> float:
        """Realised and unrealised, reporting currency."""
        g = self.batch.greeks
        return float(g.realised.sum() + g.unrealised.sum())

    def figure(self, name: str, level: float | None = None) -> float:
        """One of es_unhedged, es_current, es_target, var_… at a level; default: the first."""
        r = self.batch.risk
        k = 0 if level is None else int(np.abs(r.level - level).argmin())
        return float(getattr(r, name)[k])

    def _repr_html_(self) -> str:
        made: Any = self.risk.drop(columns=["set_id"]).to_html()
        return f"<b>{self.portfolio}</b> {pd.Timestamp(self.stamp.time_ns, tz='UTC')}{made}"


_FIGURES = ("es_unhedged", "es_current", "es_target", "var_unhedged", "var_current", "var_target", "target_cost")


def _book(code: int) -> str:
    return Book(code).name.lower() if code else "both"
