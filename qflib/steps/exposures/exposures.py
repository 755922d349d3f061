"""The exposures step: executions and marks in; Greeks and scenario P&L an underlying of each portfolio out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.records import (
    CONTROLS,
    DEPTH,
    EXPOSURE,
    GREEKS,
    HEDGE_INSTRUMENTS,
    POSITIONS,
    VECTORS,
    Batch,
    Book,
    Instruments,
    Partitions,
)
from qflib.records.schema import TEXT_BYTES, frozen
from qflib.records.topics import RISK_EXPOSURES
from qflib.steps.exposures.explained import Explained
from qflib.steps.exposures.grids import Grids
from qflib.steps.exposures.hedge_orders import HedgeOrders
from qflib.steps.exposures.ledger import Ledger
from qflib.steps.exposures.min_variance import MinVariance
from qflib.steps.exposures.quotes import Quotes
from qflib.steps.exposures.revaluation import Revaluation, Shocks, Valued
from qflib.steps.exposures.scenario_chunks import ScenarioChunks, check_shocks
from qflib.steps.state import State
from qflib.steps.step import Outbox

BOOKS = (Book.CLIENT, Book.HEDGE)
_BOOK_COLUMN = frozen(np.array(BOOKS, np.uint32))
_OF_POSITIONS = (
    "avg_price", "mark", "value", "delta", "gamma", "vega", "theta", "unrealised", "realised", "fees", "lot_value",
    "fx",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExposuresConfig:
    """Settings of the exposures step.

    Parameters
    ----------
    period_ns
        An underlying is published at most so often in market time (and at once after a fill or control).
    rate
        Continuously compounded interest rate a year.
    fx
        Reporting currency a unit of quote currency; a position in a currency not named is left out and counted.
    currency
        The reporting currency.
    outcome_ns
        Forecasts are made of this horizon, once in it.
    session_ns
        Trading time of a day: what a day's shocks are spread over.
    min_variance_ns
        The minimum-variance delta learns from option quotes once in this; 0: never.
    grid_from
        Options times scenarios from which scenario vectors are read off a grid; fewer are revalued option by option.
    """

    period_ns: int = 100_000_000
    rate: float = 0.0
    fx: dict[str, float] = field(default_factory=dict)
    currency: str = "USD"
    outcome_ns: int = 60_000_000_000
    session_ns: int = 86_400_000_000_000
    min_variance_ns: int = 10_000_000_000
    grid_from: int = 1_000_000


@dataclass(slots=True)
class _Sent:
    """What one portfolio was last told of one underlying."""

    time_ns: int = -1
    version: int = -1  # of the quotes
    controls: int = 0  # rows of the underlying's controls
    forecast: int = -1  # number of the outcome period whose forecast it has
    set_id: str = ""


class _Underlying:
    """What is known of one underlying, and who was told."""

    def __init__(self) -> None:
        self.time_ns = 0
        self.as_of_ns = 0
        self.version = 0  # counts changes of quotes
        self.closing = False
        self.controls = CONTROLS.empty  # all so far: a portfolio that comes later needs them too
        self.sent: dict[int, _Sent] = {}


class Exposures:
    """Positions, Greeks and scenario P&L.

    Parameters
    ----------
    instruments
        The instrument table.
    config
        Settings.
    partitions, partition
        Where names lie, and which partition is this instance's.
    """

    name = "exposures"

    def __init__(
        self,
        instruments: Instruments,
        config: ExposuresConfig | None = None,
        partitions: Partitions | None = None,
        partition: int = 0,
    ) -> None:
        self._instruments = instruments
        self._config = config or ExposuresConfig()
        self._index = {u: i for i, u in enumerate(instruments.underlyings)}
        self._quotes = Quotes(instruments, self._config.rate)
        self._revaluation = Revaluation(
            instruments, self._quotes, self._config.rate, self._config.fx, self._config.currency
        )
        self._ledger = Ledger(instruments)
        self._hedges = HedgeOrders()
        self._out = Outbox(f"{self.name}/{partition}", partitions)
        self._underlyings = [_Underlying() for _ in instruments.underlyings]
        self._sets = ScenarioChunks(instruments.underlyings)
        self._explained = Explained(self._quotes, self._revaluation.terms)
        self._grids = Grids(self._revaluation, self._config.rate, self._config.grid_from)
        self._min_variance = MinVariance(
            instruments, self._quotes, self._revaluation.terms, self._config.rate, self._config.min_variance_ns
        )
        self._parts = (
            self._out, self._ledger, self._hedges, self._quotes, self._sets, self._explained, self._grids,
            self._min_variance,
        )  # fmt: skip

    def feed(self, batch: Batch) -> list[Batch]:
        """One batch of executions or marks in.

        Raises
        ------
        InputError
            If the batch is of another kind, or its marks are of no underlying of the table.
        DataError
            If it carries shocks that no market can have.
        """
        if batch.kind == "execution":
            return self._executions(batch)
        if batch.kind != "marks" or batch.key not in self._index:
            raise InputError(
                f"exposures takes execution and marks batches of its underlyings, not {batch.kind!r} of {batch.key!r}"
            )
        check_shocks(batch)
        return self._marks(batch)

    def _marks(self, batch: Batch) -> list[Batch]:
        u = self._index[batch.key]
        mine = self._underlyings[u]
        mine.time_ns = max(mine.time_ns, int(batch.tick.time_ns[0]))
        mine.closing |= bool(batch.tick.closing[0])
        tops = batch.tops
        if len(tops.instrument):
            self._quotes.update(tops, batch.depth)
            mine.as_of_ns = max(mine.as_of_ns, int(tops.time_ns.max()))
            mine.version += 1
            self._min_variance.look(u, mine.time_ns)
        new_set = self._sets.take(u, batch)
        urgent = new_set or len(batch.controls.kind) > 0 or bool(batch.tick.closing[0])
        if len(batch.controls.kind):
            mine.controls = CONTROLS.concat([mine.controls, batch.controls])
        return self._publish(u, range(len(self._ledger.portfolios)), urgent)

    def _executions(self, batch: Batch) -> list[Batch]:
        rows, out = batch.executions, []
        u = self._index.get(batch.key)
        if u is None:  # refusals of what no underlying knows
            return []
        for i in range(len(rows.exec_type)):  # row by row, so that it does not matter which share a batch
            touched: set[str] = set()
            if self._ledger.apply(rows, i) is not None:
                touched |= {rows.portfolio[i].decode(), rows.to_portfolio[i].decode()} - {""}
            if self._hedges.apply(rows, i):
                touched.add(rows.portfolio[i].decode())
            known = self._ledger.portfolios
            cause = int(rows.exec_type[i])
            out += self._publish(u, [p for p in range(len(known)) if known[p] in touched], urgent=True, cause=cause)
        return out

    def _publish(self, u: int, portfolios: Iterable[int], urgent: bool, cause: int = 0) -> list[Batch]:
        mine, period = self._underlyings[u], self._config.period_ns
        out = []
        for p in portfolios:
            sent = mine.sent.setdefault(p, _Sent())
            if urgent or sent.time_ns < 0 or mine.time_ns >= sent.time_ns - sent.time_ns % period + period:
                same = sent.version == mine.version and sent.forecast == mine.time_ns // self._config.outcome_ns
                made = self._exposure(u, p, sent, same and not urgent, cause)
                out += [made] if made is not None else []
        return out

    def _exposure(self, u: int, p: int, sent: _Sent, light: bool, cause: int) -> Batch | None:
        """One portfolio's exposure; a light one says only that time went on. None while it cannot be valued."""
        mine, portfolio = self._underlyings[u], self._ledger.portfolios[p]
        entries, shocks = self._ledger.of(p, u), self._sets.of(u)
        if not len(entries) or shocks is None or mine.time_ns == 0:
            return None
        v = self._revaluation.value(entries, u, mine.time_ns)
        if v is None:  # never quoted
            return None
        pnl = float(v.sums["realised"].sum() + v.sums["unrealised"].sum())
        vectors = {} if light else {"vectors": self._vectors(u, p, v, shocks)}
        tables = {"exposure": self._head(u, portfolio, shocks, v, pnl, self._grids.error(p, u)), **vectors}
        if not light:
            tables |= {
                "greeks": self._greeks(u, portfolio, v),
                "positions": self._positions(portfolio, v),
                "explain": self._explain(u, p, v, cause),
                "min_variance": self._min_variance.row(u, v, *self._names(u, p, 1)),
            }
            tables |= self._hedge_instruments(u, p, v)
            if mine.time_ns // self._config.outcome_ns != sent.forecast:
                sent.forecast = mine.time_ns // self._config.outcome_ns
                tables["forecast"] = self._forecast(v, shocks)
        if len(mine.controls.kind) > sent.controls:
            tables["controls"] = CONTROLS.slice(mine.controls, sent.controls, len(mine.controls.kind))
        if sent.set_id != shocks.set_id:  # the portfolio needs the shocks once, for what is linear in them
            tables |= self._sets.tables(u)
        sent.time_ns, sent.version, sent.set_id = mine.time_ns, mine.version, shocks.set_id
        sent.controls = len(mine.controls.kind)
        return self._out.make(RISK_EXPOSURES, portfolio, "exposures", **tables)

    def _vectors(self, u: int, p: int, v: Valued, shocks: Shocks) -> Any:
        client, hedge = (self._grids.vector(p, u, int(b), v, shocks) for b in BOOKS)
        return VECTORS.make(client=client, hedge=hedge)

    def _forecast(self, v: Valued, shocks: Shocks) -> Any:
        shorter = shocks.over(self._config.outcome_ns, self._config.session_ns)
        client, hedge = (self._grids.once(int(b), v, shorter) for b in BOOKS)
        return VECTORS.make(client=client, hedge=hedge)

    def _head(self, u: int, portfolio: str, shocks: Shocks, v: Valued, pnl: float, error: float) -> Any:
        mine = self._underlyings[u]
        return EXPOSURE.make(
            portfolio=_text(portfolio, 1),
            underlying=_text(self._instruments.underlyings[u], 1),
            set_id=_text(shocks.set_id, 1),
            time_ns=mine.time_ns,
            as_of_ns=mine.as_of_ns,
            forward=v.forward,
            actual_pnl=pnl,
            closing=int(mine.closing),
            unpriced=v.unpriced,
            outcome_ns=self._config.outcome_ns,
            vector_error=error,
        )

    def _greeks(self, u: int, portfolio: str, v: Valued) -> Any:
        return GREEKS.make(
            portfolio=_text(portfolio, len(BOOKS)),
            underlying=_text(self._instruments.underlyings[u], len(BOOKS)),
            book=_BOOK_COLUMN,
            cash_delta=v.sums["delta"] * v.forward,
            forward=v.forward,
            time_ns=v.time_ns,
            as_of_ns=self._underlyings[u].as_of_ns,
            **v.sums,
        )

    def _explain(self, u: int, p: int, v: Valued, cause: int) -> Any:
        mine, pnl = self._explained.take(p, u, v, cause)
        return self._explained.rows(mine, pnl, *self._names(u, p, len(BOOKS)))

    def _names(self, u: int, p: int, n: int) -> tuple[Any, Any]:
        return _text(self._ledger.portfolios[p], n), _text(self._instruments.underlyings[u], n)

    def _positions(self, portfolio: str, v: Valued) -> Any:
        another = self._quotes.is_option[v.entries["instrument"]] & (v.own_forward != v.forward)
        return POSITIONS.make(
            portfolio=_text(portfolio, len(v.entries)),
            instrument=v.entries["instrument"].astype(np.uint32),
            book=v.entries["book"].astype(np.uint32),
            qty=v.entries["qty"],
            implied_vol=v.vol,
            own_forward=np.where(another, v.own_forward, 0.0),
            **{name: getattr(v, name) for name in _OF_POSITIONS},
        )

    def _hedge_instruments(self, u: int, p: int, v: Valued) -> dict[str, Any]:
        at = self._quotes.hedge_instrument(u, v.time_ns)
        if at < 0:
            return {}
        bid, bid_qty, ask, ask_qty = self._quotes.tops[at, :4].tolist()
        last_no, rejected, working = self._hedges.of(self._ledger.portfolios[p].encode(), at)
        unit = self._revaluation.unit_delta(at, v.forward)
        return {
            "hedge_instruments": HEDGE_INSTRUMENTS.make(
                instrument=[at],
                position=self._ledger.held(p, at, int(Book.HEDGE)),
                working=working,
                last_hedge_no=last_no,
                last_rejected=rejected,
                bid_ticks=bid,
                bid_qty=bid_qty,
                ask_ticks=ask,
                ask_qty=ask_qty,
                unit_delta=unit,
                unit_cash=unit * float(self._instruments.to_price(at, 1)),
            ),
            "depth": self._quotes.depth.get(at, DEPTH.empty),
        }

    def state(self) -> State:
        """The whole state as named arrays."""
        out: State = {}
        for part in self._parts:
            out |= part.state()
        for u, mine in enumerate(self._underlyings):
            k = f"underlying.{u}."
            out[k + "time"] = np.array([mine.time_ns, mine.as_of_ns, mine.version, mine.closing], np.int64)
            sent = sorted(mine.sent.items())
            rows = [(p, s.time_ns, s.version, s.controls, s.forecast) for p, s in sent]
            out[k + "sent"] = np.array(rows, np.int64).reshape(-1, 5)
            out[k + "sent_set"] = np.array([s.set_id for _, s in sent], "S64")
            out[k + "controls"] = CONTROLS.to_struct(mine.controls)
        return out

    def load(self, state: State) -> None:
        """Go on from a state."""
        for part in self._parts:
            part.load(state)
        for u, mine in enumerate(self._underlyings):
            k = f"underlying.{u}."
            mine.time_ns, mine.as_of_ns, mine.version, closing = state[k + "time"].tolist()
            mine.closing = bool(closing)
            rows = zip(state[k + "sent"].tolist(), state[k + "sent_set"].tolist(), strict=True)
            mine.sent = {p: _Sent(t, v, n, f, set_id.decode()) for (p, t, v, n, f), set_id in rows}
            mine.controls = CONTROLS.from_struct(state[k + "controls"])


@lru_cache(1024)
def _text(value: str, n: int) -> NDArray[Any]:
    """A text column of one value."""
    return frozen(np.full(n, value.encode(), f"S{TEXT_BYTES}"))
