"""The portfolio step: sums exposures, reports VaR and ES, sizes hedges, and follows outcomes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging.hedgers import Band
from qflib.kernels.position_values import Terms
from qflib.records import ALL_INSTRUMENTS, ORDERS, Batch, ControlKind, Instruments, Partitions
from qflib.records.codec import decode, encode
from qflib.records.topics import ANALYTICS_RESULTS, ORDERS_INCOMING, RISK_METRICS
from qflib.steps.exposures.quotes import Quotes
from qflib.steps.exposures.revaluation import terms_of
from qflib.steps.portfolio.components import Components, Shock
from qflib.steps.portfolio.evidence import Evidence
from qflib.steps.portfolio.hedger import Hedge, Hedger
from qflib.steps.portfolio.outcomes import Outcomes
from qflib.steps.portfolio.report import Measure, tables
from qflib.steps.portfolio.sums import Sums
from qflib.steps.state import State
from qflib.steps.step import Outbox

F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PortfolioConfig:
    """Settings of the portfolio step.

    Parameters
    ----------
    levels
        Confidences of VaR and ES; the first is the one limits and hedges look at.
    hedging
        Whether hedge orders are decided at all.
    hedged
        Portfolios that are hedged; empty: all.
    period_ns
        Reports come at most so often in market time (and at once after a fill or control).
    outcome_ns
        A forecast and its outcome share this horizon.
    window
        Outcomes in the rolling and in the weighted expected shortfall.
    decay
        What an outcome weighs as a share of the next one, in the weighted expected shortfall.
    band
        The hedger's no-trade band and its bounds.
    rate, fx, currency
        As of the exposures step: positions are revalued where they cause the shortfall.
    """

    levels: tuple[float, ...] = (0.975, 0.99)
    hedging: bool = True
    hedged: tuple[str, ...] = ()
    band: Band = field(default_factory=lambda: Band(max_order=1_000))
    period_ns: int = 100_000_000
    outcome_ns: int = 60_000_000_000
    window: int = 250
    decay: float = 0.99
    account: str = "HEDGER"
    dynamics: str = "sticky_strike"
    rate: float = 0.0
    fx: dict[str, float] = field(default_factory=dict)
    currency: str = "USD"


class _Book:
    """Everything the step keeps of one portfolio."""

    def __init__(self, instruments: Instruments, config: PortfolioConfig, terms: Terms) -> None:
        self.sums = Sums(instruments.underlyings)
        self.hedger = Hedger(instruments, config.band)
        self.outcomes = Outcomes(config.levels, config.outcome_ns, config.window, config.decay)
        self.evidence = Evidence(config.levels)
        self.components = Components(terms, config.rate, config.outcome_ns)
        self.reported_ns = 0


class Portfolio:
    """Exposures in; risk reports, rolling shortfall and hedge orders out.

    Parameters
    ----------
    instruments
        The instrument table.
    config
        Settings.
    partitions, partition
        Where names lie, and which partition is this instance's.
    """

    name = "portfolio"

    def __init__(
        self,
        instruments: Instruments,
        config: PortfolioConfig | None = None,
        partitions: Partitions | None = None,
        partition: int = 0,
    ) -> None:
        self._instruments = instruments
        self._config = config or PortfolioConfig()
        c = self._config
        self._terms = terms_of(instruments, Quotes(instruments, c.rate), c.rate, {c.currency: 1.0, **c.fx})
        self._measure = Measure(self._config.levels)
        self._out = Outbox(f"{self.name}/{partition}", partitions)
        self._books: dict[str, _Book] = {}
        self._limits: dict[str, dict[str, float]] = {}
        self._killed: set[tuple[str, int]] = set()
        self._hedging_off: set[str] = set()
        self._controls: set[bytes] = set()
        self._shocks: dict[tuple[str, str], Shock] = {}
        self._horizons: dict[str, int] = {}

    def feed(self, batch: Batch) -> list[Batch]:
        """One exposure in.

        Raises
        ------
        InputError
            If the batch is of another kind.
        """
        if batch.kind != "exposures" or len(batch.exposure.portfolio) != 1:
            raise InputError(f"portfolio takes exposures batches of one portfolio, not {batch.kind!r}")
        name = batch.exposure.portfolio[0].decode()
        book = self._books.get(name)
        if book is None:
            book = self._books[name] = _Book(self._instruments, self._config, self._terms)
        self._apply_controls(batch)
        if batch.exposure.closing[0]:
            self._hedging_off.add(name)
        urgent = book.sums.put(batch)
        self._forget_shocks()
        set_id = book.sums.complete_set()
        time_ns = book.sums.time_ns()
        due = time_ns >= book.reported_ns - book.reported_ns % self._config.period_ns + self._config.period_ns
        if not book.reported_ns:  # the first report waits for what else comes with the first exposure
            book.reported_ns = time_ns
            due = False
        if not set_id or not (due or urgent):
            return []
        book.reported_ns = time_ns
        return self._report(name, book, set_id, time_ns, due)

    def _report(self, name: str, book: _Book, set_id: str, time_ns: int, due: bool) -> list[Batch]:
        send, acts = self._may_hedge(name), book.hedger.acts(due)
        hedges: list[Hedge] = []
        shocks: dict[int, F8] = {}
        for part in book.sums.parts():
            found = book.hedger.decide(part, send, self._killed_instruments(name), acts)
            for h in found:
                shocks[h.instrument] = self._shocks[set_id, part.exposure.underlying[0].decode()].spot_return
            hedges += found
        facts = {
            "set_id": set_id,
            "horizon_ns": self._horizons[set_id],
            "dynamics": self._config.dynamics,
            "decay": 1,
            "time_ns": time_ns,
        }
        report = tables(name, book.sums, self._measure, hedges, shocks, facts, self._limits_of(name))
        out = [self._out.make(RISK_METRICS, name, "risk", **report)]
        out += self._orders(name, book, hedges, time_ns)
        rolled = book.outcomes.update(name, book.sums, time_ns)
        of_set = {u: shock for (s, u), shock in self._shocks.items() if s == set_id}
        caused = book.components.update(name, book.sums, report["risk"], of_set)
        proved = None if rolled is None else book.evidence.update(rolled)
        told = {"rolling": rolled, "evidence": proved, "components": caused}
        if analytics := {k: v for k, v in told.items() if v is not None}:
            out.append(self._out.make(ANALYTICS_RESULTS, name, "analytics", **analytics))
        return out

    def _orders(self, name: str, book: _Book, hedges: list[Hedge], time_ns: int) -> list[Batch]:
        out = []
        for row in book.hedger.orders(hedges, name, self._config.account):
            request = hashlib.sha256(repr(sorted(row.items())).encode()).digest()
            plain = {k: int(v) if isinstance(v, int) else v for k, v in row.items()}  # codes too
            orders = ORDERS.make(**plain, sent_ns=time_ns, request_hash=int.from_bytes(request[:8], "little"))
            key = self._instruments.rows[row["instrument"]].underlying
            out.append(self._out.make(ORDERS_INCOMING, key, "order", orders=orders))
        return out

    def _may_hedge(self, name: str) -> bool:
        off = self._hedging_off | {p for p, i in self._killed if i == ALL_INSTRUMENTS}
        ours = not self._config.hedged or name in self._config.hedged
        return self._config.hedging and ours and name not in off and "" not in off

    def _killed_instruments(self, name: str) -> set[int]:
        return {i for p, i in self._killed if p in ("", name)}

    def _limits_of(self, name: str) -> dict[str, float]:
        every, own = self._limits.get("", {}), self._limits.get(name, {})
        return {n: min(b for b in (every.get(n), own.get(n)) if b is not None) for n in {**every, **own}}

    def _apply_controls(self, batch: Batch) -> None:
        if len(batch.scenario_set.set_id):
            self._take_shocks(batch)
        c = batch.controls
        for i in range(len(c.kind)):
            if c.control_id[i] in self._controls:
                continue
            self._controls.add(c.control_id[i])
            whose = c.portfolio[i].decode()
            if c.kind[i] == ControlKind.KILL_SWITCH:
                (self._killed.add if c.value[i] else self._killed.discard)((whose, int(c.instrument[i])))
            elif c.kind[i] == ControlKind.HEDGING:
                (self._hedging_off.discard if c.value[i] else self._hedging_off.add)(whose)
            elif c.kind[i] == ControlKind.LIMIT:
                self._limits.setdefault(whose, {})[c.name[i].decode()] = float(c.value[i])

    def _take_shocks(self, batch: Batch) -> None:
        s = batch.scenario_set
        set_id, underlying = s.set_id[0].decode(), s.underlying[0].decode()
        self._horizons[set_id] = int(s.horizon_ns[0])
        self._shocks[set_id, underlying] = Shock(batch.shocks.spot_return, batch.shocks.vol_shift)

    def _forget_shocks(self) -> None:
        """Keep the shocks of sets that some portfolio still reports on or collects."""
        used = {s for b in self._books.values() for s in b.sums.set_ids()}
        for key in [k for k in self._shocks if k[0] not in used]:
            del self._shocks[key]
            self._horizons.pop(key[0], None)

    def state(self) -> State:
        """The whole state as named arrays."""
        out = self._out.state()
        put = _texts
        out["portfolio.names"] = put(list(self._books))
        out["portfolio.reported_ns"] = np.array([b.reported_ns for b in self._books.values()], np.int64)
        for i, book in enumerate(self._books.values()):
            held = [np.frombuffer(encode(b), np.uint8) for b in book.sums.batches()]
            out[f"portfolio.{i}.exposures"] = np.concatenate(held) if held else np.zeros(0, np.uint8)
            out[f"portfolio.{i}.lengths"] = np.array([len(h) for h in held], np.int64)
            out[f"portfolio.{i}.sent"] = book.hedger.state()
            kept = book.outcomes.state() | book.evidence.state() | book.components.state()
            out |= {f"portfolio.{i}.{k}": v for k, v in kept.items()}
        out["controls.ids"] = np.array(sorted(self._controls), "S64")
        out["controls.killed"] = put([p for p, _ in sorted(self._killed)])
        out["controls.killed_instruments"] = np.array([i for _, i in sorted(self._killed)], np.int64)
        out["controls.hedging_off"] = put(sorted(self._hedging_off))
        limits = [(p, n, v) for p, by in self._limits.items() for n, v in by.items()]
        out["limits.portfolio"] = put([p for p, _, _ in limits])
        out["limits.name"] = put([n for _, n, _ in limits])
        out["limits.bound"] = np.array([v for _, _, v in limits], np.float64)
        out["sets.ids"] = put(list(self._horizons))
        out["sets.horizon_ns"] = np.array(list(self._horizons.values()), np.int64)
        out["shocks.set"] = put([s for s, _ in self._shocks])
        out["shocks.underlying"] = put([u for _, u in self._shocks])
        for i, shock in enumerate(self._shocks.values()):
            out[f"shocks.{i}"] = shock.spot_return
            if shock.vol_shift is not None:
                out[f"shocks.{i}.vol"] = shock.vol_shift
        return out

    def load(self, state: State) -> None:
        """Go on from a state."""
        self._out.load(state)
        self._books = {}
        for i, name in enumerate(_names(state["portfolio.names"])):
            book = self._books[name] = _Book(self._instruments, self._config, self._terms)
            book.reported_ns = int(state["portfolio.reported_ns"][i])
            ends = np.cumsum(state[f"portfolio.{i}.lengths"])
            data = state[f"portfolio.{i}.exposures"].tobytes()
            for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=False):
                book.sums.put(decode(data[start:end]))
            book.hedger.load(state[f"portfolio.{i}.sent"])
            prefix = f"portfolio.{i}."
            own = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
            book.outcomes.load(own)
            book.components.load(own)
            book.evidence.load(own)
        self._controls = set(state["controls.ids"].tolist())
        killed = zip(_names(state["controls.killed"]), state["controls.killed_instruments"].tolist(), strict=True)
        self._killed = set(killed)
        self._hedging_off = set(_names(state["controls.hedging_off"]))
        self._limits = {}
        for p, n, v in zip(
            _names(state["limits.portfolio"]), _names(state["limits.name"]), state["limits.bound"].tolist(), strict=True
        ):
            self._limits.setdefault(p, {})[n] = v
        self._horizons = dict(zip(_names(state["sets.ids"]), state["sets.horizon_ns"].tolist(), strict=True))
        pairs = zip(_names(state["shocks.set"]), _names(state["shocks.underlying"]), strict=True)
        self._shocks = {p: Shock(state[f"shocks.{i}"], state.get(f"shocks.{i}.vol")) for i, p in enumerate(pairs)}


def _texts(names: list[str]) -> NDArray[Any]:
    return np.array(names, "S64")


def _names(a: NDArray[Any]) -> list[str]:
    return [n.decode() for n in a.tolist()]
