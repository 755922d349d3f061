"""Engine and exchange take memory by what lives in them, and nobody but the memory can tell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qflib.orderbook import MatchingEngine, engine_running
from qflib.records import MARKET_EVENTS, Batch, Header, Instrument, Instruments
from qflib.steps.exchange import Exchange
from qflib.steps.exchange import engine as exchange_engine
from qflib.steps.state import pack
from tests.property.engine_orders import Flow, as_rows
from tests.unit.steps.exchange.conftest import same_bytes

END = pd.Timestamp("2030-01-01", tz="UTC")


def peak(symbol: str, n: int) -> pd.DataFrame:
    """Orders at 5,000 prices, half of them good till a time, and all but three taken out again."""
    ids = np.arange(1, n + 1)
    new = pd.DataFrame({"action": "new", "symbol": symbol, "side": "buy", "order_id": ids, "qty": 1.0})
    new["price"] = 10 + 0.01 * (ids % 5_000)
    new["time_in_force"], new["expire"] = "gtc", pd.NaT
    gone = pd.DataFrame({"action": "cancel", "symbol": symbol, "order_id": ids[3:]})
    return pd.concat([new, gone], ignore_index=True)


def test_an_engine_gives_back_what_a_peak_took() -> None:
    engine = MatchingEngine("A")
    small = engine.memory_bytes
    rows = peak("A", 70_000)
    engine.run(rows[:70_000])
    large = engine.memory_bytes
    engine.run(rows[70_000:])
    assert len(engine.orders()) == 3
    assert engine.memory_bytes < 2 * small < large / 4
    again, _ = MatchingEngine.replay(engine.journal)
    assert again.digest == engine.digest


@pytest.mark.parametrize("seed", range(3))
def test_an_engine_goes_on_as_if_it_had_kept_its_room(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flows of every type that rise and fall, with the bound at nothing: it is made anew often."""
    rng = np.random.default_rng(seed)
    table = Instruments(tuple(Instrument(s) for s in "ABCD"))
    kept, made = MatchingEngine(table), MatchingEngine(table)
    anew, of = [], engine_running.Running.of
    for part in range(6):
        rows = as_rows(Flow(ids=3_000 if part % 2 else 60, calm=0.9 if part % 2 else 0.3).commands(rng, 3_000))
        told = kept.run(rows).rows
        monkeypatch.setattr(engine_running, "MUCH", 16)
        monkeypatch.setattr(engine_running.Running, "of", lambda saved: anew.append(0) or of(saved))
        parts = [made.run(p).rows for p in np.array_split(rows, 5)]
        monkeypatch.undo()
        assert np.concatenate(parts).tobytes() == told.tobytes()
        assert made.digest == kept.digest
        for e in (kept, made):
            e.mass_cancel("ABCD"[part % 4])
    assert len(anew) > 5


def test_ends_of_orders_that_have_gone_take_no_room() -> None:
    engine = MatchingEngine("A")
    engine.submit("A", "buy", 1, 50.0, order_id=7, time_in_force="gtd", expire=END)
    for i in range(2_000):
        engine.replace("A", 7, 1, 50 + 0.01 * (1 + i % 7))  # the same end again
        engine.submit("A", "buy", 1, 49.0, order_id=8, time_in_force="gtd", expire=END + pd.Timedelta(i, "s"))
        engine.cancel("A", 8)
    assert len(engine._running.state.expiries) == 16
    assert engine.clock(END).to_frame()["order_id"].tolist() == [7]


def market(kind: int, ids: np.ndarray, start: int) -> Batch:
    n = len(ids)
    one = np.ones(n, np.int64)
    columns = {"kind": kind * one, "flags": one, "side": one, "order_id": ids, "qty": one, "instrument": 0 * one}
    columns |= {"price_ticks": 1_000 + ids % 5_000, "receipt_ns": start + np.arange(n)}
    return Batch.of("market", Header("sim"), events=MARKET_EVENTS.make(**columns))


def test_an_exchange_gives_back_what_a_peak_took(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.arange(1, 140_001)
    batches = [market(1, ids, 1), market(4, ids[3:], 200_000), market(1, ids[3:500], 400_000)]
    table = Instruments((Instrument("ACME", source="sim"),))
    step, kept = Exchange(table), Exchange(table)
    for batch in batches:
        out = step.feed(batch)
        monkeypatch.setattr(exchange_engine, "MUCH", 2**62)
        assert same_bytes(out, kept.feed(batch))
        monkeypatch.undo()
    assert pack(step.state()) == pack(kept.state())
    assert step.books_digest == kept.books_digest
    assert len(step._core.engine.book.orders) < len(kept._core.engine.book.orders) / 8
