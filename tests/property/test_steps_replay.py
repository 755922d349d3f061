"""Every step, on recorded inputs of a desk: the same bytes whatever the cuts, and after snapshot and restore."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qflib.desk import Desk
from qflib.desk.datasets import load
from qflib.hedging.hedgers import Band
from qflib.records import (
    BY_KIND,
    EXECUTIONS,
    FRAMES,
    MARKET_EVENTS,
    SIGNALS,
    TICK,
    TOPS,
    Batch,
    Instrument,
    Instruments,
)
from qflib.records.codec import encode
from qflib.records.topics import MARKET_NORMALIZED
from qflib.steps.exchange import Exchange
from qflib.steps.exposures import Exposures
from qflib.steps.normalize import Normalize
from qflib.steps.portfolio import Portfolio
from qflib.steps.state import digest, pack, unpack
from qflib.steps.step import Step
from qflib.steps.strategy import Strategy, StrategyConfig

MAKERS: dict[str, Callable[[Any], Step]] = {
    "normalize": Normalize,
    "exchange": Exchange,
    "strategy": lambda table: Strategy(table, StrategyConfig(max_lots=5)),
    "exposures": Exposures,
    "portfolio": Portfolio,
}


class Tap:
    """A step that notes what it is fed."""

    def __init__(self, step: Step) -> None:
        self._step, self.name, self.seen = step, step.name, []

    def feed(self, batch: Batch) -> list[Batch]:
        self.seen.append(batch)
        return self._step.feed(batch)

    def state(self) -> Any:
        return self._step.state()

    def load(self, state: Any) -> None:
        self._step.load(state)


@pytest.fixture(scope="module")
def recorded() -> tuple[Any, dict[str, list[Batch]]]:
    feed = load("sim", seed=11, duration="4s", rate=4_000)
    desk = Desk(feed, hedger=Band(), strategy=StrategyConfig(max_lots=5))
    taps = {}
    for name, timed in desk._chain.items():
        timed.step = taps[name] = Tap(timed.step)
    run = desk.run()
    assert len(run.hedges) > 3
    seen = {name: tap.seen for name, tap in taps.items()}
    futures = [i for i, r in enumerate(feed.instruments) if r.kind == "future"]
    end = int(feed.end.value)
    for k in (40, 90):  # a strategy needs something to follow
        rows = SIGNALS.make(
            signal_id=[f"s{k}"], strategy=["test"], instrument=[futures[k % 4]], direction=[1 if k < 50 else -1],
            strength=[1.0], horizon_ns=[10**9], valid_until_ns=[end],
        )  # fmt: skip
        seen["strategy"].insert(k, Batch.of("signal", topic=MARKET_NORMALIZED, key="", signals=rows))
    return feed.instruments, seen


def outputs(step: Step, batches: list[Batch]) -> list[bytes]:
    return [encode(out) + out.topic.encode() + out.key.encode() for b in batches for out in step.feed(b)]


@pytest.mark.parametrize("name", MAKERS)
def test_snapshot_and_restore_in_the_middle_gives_the_same_bytes(name: str, recorded: Any) -> None:
    table, seen = recorded
    whole = MAKERS[name](table)
    expected = outputs(whole, seen[name])
    assert expected, f"{name} sent nothing: this test would prove nothing"
    rng = np.random.default_rng(3)
    cuts = np.sort(rng.choice(np.arange(1, len(seen[name])), 4, replace=False)).tolist()
    got, step = [], MAKERS[name](table)
    for a, b in zip([0, *cuts], [*cuts, len(seen[name])], strict=True):
        restored = MAKERS[name](table)
        restored.load(unpack(pack(step.state())))
        assert digest(restored.state()) == digest(step.state())
        step = restored
        got += outputs(step, seen[name][a:b])
    assert got == expected
    assert digest(step.state()) == digest(whole.state())


@pytest.mark.parametrize("seed", range(3))
def test_exchange_gives_the_same_bytes_however_market_batches_are_cut(seed: int, recorded: Any) -> None:
    table, seen = recorded
    whole, cut = Exchange(table), Exchange(table)
    rng = np.random.default_rng(seed)
    assert outputs(cut, list(_cut(seen["exchange"], rng))) == outputs(whole, seen["exchange"])
    assert digest(cut.state()) == digest(whole.state())


def _cut(batches: list[Batch], rng: np.random.Generator) -> Iterator[Batch]:
    for b in batches:
        if b.kind != "market" or b.count < 2:
            yield b
            continue
        at = np.unique(rng.integers(1, b.count, rng.integers(1, 6))).tolist()
        for start, stop in zip([0, *at], [*at, b.count], strict=True):
            rows = MARKET_EVENTS.slice(b.events, start, stop)
            yield Batch("market", {"events": rows}, b.header, b.topic, b.key)


@pytest.fixture(scope="module")
def followed(recorded: Any) -> tuple[Any, list[Batch]]:
    """What a strategy is fed that trades: its orders go to an exchange on the recorded market."""
    table, seen = recorded
    futures = [i for i, r in enumerate(table) if r.kind == "future"]
    end = 2**62
    exchange, strategy = Exchange(table), Tap(MAKERS["strategy"](table))
    market = [b for b in seen["exchange"] if b.kind in ("market", "clock", "booking", "control")]
    orders = 0
    for n, b in enumerate(market):
        fed = exchange.feed(b)
        if n % 25 == 20:  # several rows, one instrument twice: turned round before the first order is answered
            ks = [*futures, futures[0]]
            way = [*(1 if (n // 25 + j) % 2 else -1 for j in range(len(futures))), (n // 25) % 2 * -2 + 1]
            rows = SIGNALS.make(
                signal_id=[f"{n}.{j}" for j in range(len(ks))], strategy=["t"] * len(ks), instrument=ks, direction=way,
                strength=[1.0] * len(ks), valid_until_ns=[end] * len(ks),
            )  # fmt: skip
            fed.append(Batch.of("signal", topic=MARKET_NORMALIZED, key="", signals=rows))
        while fed:
            made = strategy.feed(fed.pop(0))
            orders += len(made)
            fed += [out for order in made for out in exchange.feed(order)]
    assert orders > 10
    assert any(b.kind == "execution" and b.count > 2 for b in strategy.seen)
    return table, strategy.seen


@pytest.mark.parametrize("kinds", [("signal",), ("execution",), ("marks",), ("signal", "execution", "marks")])
@pytest.mark.parametrize("seed", range(2))
def test_strategy_gives_the_same_bytes_however_rows_are_cut(seed: int, kinds: tuple[str, ...], followed: Any) -> None:
    table, seen = followed
    whole, cut = MAKERS["strategy"](table), MAKERS["strategy"](table)
    parts = list(_rows_cut(seen, kinds, np.random.default_rng(seed)))
    assert len(parts) > len(seen)
    assert outputs(cut, parts) == outputs(whole, seen)
    assert digest(cut.state()) == digest(whole.state())


@pytest.mark.parametrize("kinds", [("signal",), ("execution",), ("marks",), ("signal", "execution", "marks")])
@pytest.mark.parametrize("seed", range(3))
def test_strategy_takes_rows_one_by_one_whatever_they_tell(seed: int, kinds: tuple[str, ...]) -> None:
    rng = np.random.default_rng(seed)
    table = Instruments(tuple(Instrument(f"X{k}", underlying="XY"[k % 2]) for k in range(4)))
    seen = list(_imagined(MAKERS["strategy"](table), rng))
    whole, cut = MAKERS["strategy"](table), MAKERS["strategy"](table)
    expected = outputs(whole, seen)
    assert len(expected) > 50
    assert outputs(cut, list(_rows_cut(seen, kinds, rng))) == expected
    assert digest(cut.state()) == digest(whole.state())


def _imagined(step: Step, rng: np.random.Generator) -> Iterator[Batch]:
    """Rows as no exchange tells them: ends of orders at any time, several in a batch, halts in the middle of a wait."""
    newest = [0] * 4  # numbers of the orders that a strategy has sent so far
    for b in _imagined_rows(rng, newest):
        for out in step.feed(b):
            newest[int(out.orders.instrument[0])] += 1
        yield b


def _imagined_rows(rng: np.random.Generator, newest: list[int]) -> Iterator[Batch]:
    t = 0
    for _ in range(400):
        n, kind = int(rng.integers(1, 7)), rng.choice(["signal", "execution", "marks"])
        k = rng.integers(0, 4, n)
        if kind == "signal":
            rows = SIGNALS.make(
                signal_id=["s"] * n, strategy=["t"] * n, instrument=k, direction=rng.integers(-1, 2, n),
                strength=rng.random(n), valid_until_ns=t + rng.integers(0, 9, n),
            )  # fmt: skip
            yield Batch.of("signal", signals=rows)
        elif kind == "execution":
            rows = EXECUTIONS.make(
                exec_type=rng.choice([1, 2, 2, 3, 3, 5, 7, 8, 9, 13], n), ord_status=rng.integers(1, 8, n),
                instrument=k,
                side=rng.integers(1, 3, n), qty=rng.integers(1, 4, n), cum_qty=rng.integers(0, 2, n),
                time_ns=t + rng.integers(0, 2, n), account=rng.choice(["STRATEGY", "B"], n, p=[0.8, 0.2]).tolist(),
                portfolio=rng.choice(["STRATEGY", "P"], n, p=[0.8, 0.2]).tolist(),
                to_portfolio=rng.choice(["STRATEGY", "", "P"], n).tolist(),
                client_order_id=[f"STRATEGY/X{i}/{newest[i] + int(rng.integers(0, 2))}" for i in k],
            )  # fmt: skip
            yield Batch.of("execution", executions=rows)
        else:
            t += int(rng.integers(0, 3))
            ticks, u = rng.integers(95, 105, n), int(rng.integers(0, 2))
            tops = TOPS.make(
                instrument=2 * (k // 2) + u, bid_ticks=ticks, ask_ticks=ticks + 1, bid_qty=rng.integers(0, 3, n),
                ask_qty=rng.integers(0, 3, n), status=rng.choice([0, 2, 2, 3], n),
            )  # fmt: skip
            yield Batch.of("marks", key="XY"[u], tick=TICK.make(time_ns=[t]), tops=tops)


def _rows_cut(batches: list[Batch], kinds: tuple[str, ...], rng: np.random.Generator) -> Iterator[Batch]:
    """Rows of signals, executions or tops in several batches; every part of marks tells their time and controls."""
    tables = {"signal": ("signals", SIGNALS), "execution": ("executions", EXECUTIONS), "marks": ("tops", TOPS)}
    for b in batches:
        name, table = tables[b.kind] if b.kind in kinds else ("", SIGNALS)
        n = len(getattr(b, name).instrument) if name else 0
        if n < 2:
            yield b
            continue
        at = np.unique(rng.integers(1, n, rng.integers(1, 4))).tolist()
        for start, stop in zip([0, *at], [*at, n], strict=True):
            rows = table.slice(getattr(b, name), start, stop)
            yield Batch(b.kind, {**b.tables, name: rows}, b.header, b.topic, b.key)


@pytest.mark.parametrize("seed", range(2))
def test_normalize_gives_the_same_rows_however_frames_are_cut(seed: int, recorded: Any) -> None:
    table, seen = recorded
    rng = np.random.default_rng(seed)
    rows: list[dict[str, bytes]] = []
    for batches in (seen["normalize"], list(_grouped(seen["normalize"], rng))):
        step, by_key = Normalize(table), {}
        for b in batches:
            for out in step.feed(b):
                if out.kind == "clock":
                    continue
                for name, columns in out.tables.items():
                    packed = BY_KIND[out.kind].by_name[name].to_struct(columns).tobytes()
                    at = f"{out.topic}|{out.key}|{out.kind}|{name}"
                    by_key[at] = by_key.get(at, b"") + packed
        rows.append(by_key)
    assert rows[0] == rows[1]
    assert rows[0]


def _grouped(batches: list[Batch], rng: np.random.Generator) -> Iterator[Batch]:
    """Frames of successive raw batches of a source, joined at random; sequence numbers follow."""
    held: dict[str, list[Batch]] = {}
    seq: dict[str, int] = {}

    def numbered(b: Batch) -> Batch:
        n = seq.get(b.header.source, 0)
        seq[b.header.source] = n + 1
        return replace(b, header=replace(b.header, seq=n))

    def joined(parts: list[Batch]) -> Batch:
        frames = FRAMES.Columns(*(np.concatenate(a) for a in zip(*(p.frames for p in parts), strict=True)))
        frames = FRAMES.make(**frames._asdict())
        return numbered(Batch("raw", {**parts[0].tables, "frames": frames}, parts[0].header, parts[0].topic))

    for b in batches:
        source = b.header.source
        if b.kind == "raw":
            held.setdefault(source, []).append(b)
        elif rng.random() < 0.5 and not b.tick.closing[0]:
            continue  # a clock between two slices may be missing: rows don't depend on it
        else:
            if held.get(source):
                yield joined(held.pop(source))
            yield numbered(b)
