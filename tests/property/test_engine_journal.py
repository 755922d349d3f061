"""An engine's journal makes book, events, fills and fees again: over every type, cut anywhere, through a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qflib.errors import DataError, InputError
from qflib.orderbook import EngineJournal, MatchingEngine, Rules
from qflib.records import Instrument, Instruments
from tests.property.engine_orders import Flow, as_rows

N = 4_000
RULES = {
    "A": Rules(maker_fee=-0.1, taker_fee=0.3),
    "B": Rules("pro_rata", least_share=2, top_order=5, max_qty=28, taker_fee=1 / 3),
    "C": Rules(collar=0.03, band=(0.94, 1.07), maker_fee=0.07),
}
TABLE = Instruments(tuple(Instrument(s) for s in "ABCD"))


def given(seed: int) -> np.ndarray:
    return as_rows(Flow(ids=100, calm=0.5).commands(np.random.default_rng(seed), N))


def same(a: MatchingEngine, b: MatchingEngine) -> None:
    assert a.digest == b.digest
    pd.testing.assert_frame_equal(a.orders(), b.orders(), check_exact=True)
    assert {n: v.tobytes() for n, v in a.state().items()} == {n: v.tobytes() for n, v in b.state().items()}


@pytest.mark.parametrize("seed", range(6))
def test_a_file_makes_book_and_fills_again(seed: int, tmp_path: Path) -> None:
    engine = MatchingEngine(TABLE, RULES, session="pre_open")
    rng, rows, fills, events, at = np.random.default_rng(seed), given(seed), [], [], 0
    while at < N:  # as they come, some by themselves
        n = int(rng.choice([1, 1, 50, 400]))
        told = engine.run(rows[at : at + n])
        fills.append(told.fills())
        events.append(told.rows)
        at += n
    journal = EngineJournal.load(engine.journal.save(tmp_path / "engine.npz"))
    again, told = MatchingEngine.replay(journal)
    same(again, engine)
    assert told.rows.tobytes() == np.concatenate(events).tobytes()
    pd.testing.assert_frame_equal(told.fills(), pd.concat([f for f in fills if len(f)]), check_exact=True)
    assert told.fills()["fee"].abs().sum() > 0
    assert again.rules == engine.rules
    assert again.journal.save(tmp_path / "again.npz").read_bytes() == (tmp_path / "engine.npz").read_bytes()


@pytest.mark.parametrize("seed", range(6))
def test_a_state_saved_on_the_way_and_the_tail_give_the_same(seed: int, tmp_path: Path) -> None:
    rng, rows = np.random.default_rng(seed), given(100 + seed)
    whole = MatchingEngine(TABLE, RULES)
    events = whole.run(rows).rows
    for cut in (0, *rng.integers(1, N, 4).tolist(), N):
        before, head = MatchingEngine.replay(whole.journal.upto(cut))
        after = MatchingEngine(TABLE, RULES)
        after.load(before.state())
        tail = after.run(rows[cut:])
        assert np.concatenate([head.rows, tail.rows]).tobytes() == events.tobytes()
        same(after, whole)
        once_more, told = MatchingEngine.replay(EngineJournal.load(after.journal.save(tmp_path / "tail.npz")))
        same(once_more, whole)
        assert told.rows.tobytes() == tail.rows.tobytes()


def test_ids_go_on_where_they_were() -> None:
    engine = MatchingEngine("A")
    engine.submit("A", "buy", 1, 99.0)
    engine.submit("A", "buy", 1, 99.0, order_id=2**64 - 1)
    engine.cancel("A", 1)
    again, _ = MatchingEngine.replay(engine.journal)
    loaded = MatchingEngine("A")
    loaded.load(engine.state())
    assert {int(e.submit("A", "buy", 1, 99.0).rows["order_id"][0]) for e in (engine, again, loaded)} == {2}


def test_what_is_no_journal_is_a_sentence(tmp_path: Path) -> None:
    engine = MatchingEngine("A")
    for price in (1.0, 1.01):
        engine.submit("A", "buy", 5, price)
    file = engine.journal.save(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"ends with \.npz"):
        engine.journal.save(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="does not exist"):
        EngineJournal.load(tmp_path / "b.npz")
    for broken in (b"", file.read_bytes()[:200], b"PK" + bytes(100)):
        (tmp_path / "c.npz").write_bytes(broken)
        with pytest.raises(DataError, match="no readable journal"):
            EngineJournal.load(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", commands=np.zeros(3))
    with pytest.raises(DataError, match="no readable journal"):
        EngineJournal.load(tmp_path / "d.npz")
    short = replace(engine.journal, rules=()).save(tmp_path / "e.npz")
    with pytest.raises(DataError, match="rules of 0 instruments and a table of 1"):
        EngineJournal.load(short)
    changed = EngineJournal.load(file)
    changed.commands["qty"][0] = 4
    with pytest.raises(DataError, match="ends with digest"):
        MatchingEngine.replay(changed)
    assert "2 commands" in repr(changed)


def test_a_state_of_other_rules_is_not_taken() -> None:
    engine = MatchingEngine("A", {"A": Rules(max_qty=5)})
    with pytest.raises(DataError, match="max_qty of A is 5 in the state, 0 in the engine"):
        MatchingEngine("A").load(engine.state())


def test_flipped_bits_are_a_sentence(tmp_path: Path) -> None:
    """Of a file with a state, 600 flips of one bit: it is read as it was, or refused, and nothing else is raised."""
    rng, rows = np.random.default_rng(1), given(1)[:60]
    engine, before = MatchingEngine(TABLE, RULES), MatchingEngine(TABLE, RULES)
    before.run(rows[:30])
    engine.load(before.state())
    engine.run(rows[30:])
    whole = engine.journal.save(tmp_path / "a.npz").read_bytes()
    file, refused = tmp_path / "b.npz", 0
    for bit in rng.integers(8 * len(whole), size=600).tolist():
        changed = bytearray(whole)
        changed[bit >> 3] ^= 1 << (bit & 7)
        file.write_bytes(changed)
        try:
            again = EngineJournal.load(file)
        except DataError:
            refused += 1
        else:
            same(MatchingEngine.replay(again)[0], engine)
    assert refused > 300


def test_files_beside_it_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = MatchingEngine("A")
    (tmp_path / "a.part").write_text("a stranger's")
    engine.journal.save(tmp_path / "a.npz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "a.part"]
    assert (tmp_path / "a.part").read_text() == "a stranger's"
    before = (tmp_path / "a.npz").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    engine.submit("A", "buy", 1, 99.0)
    with pytest.raises(OSError, match="No space"):
        engine.journal.save(tmp_path / "a.npz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "a.part"]
    assert (tmp_path / "a.npz").read_bytes() == before


def test_a_journal_is_not_the_callers_to_change() -> None:
    engine = MatchingEngine("A")
    engine.submit("A", "buy", 5, 99.0)
    state = engine.state()
    after = MatchingEngine("A")
    after.load(state)
    after.submit("A", "sell", 2, 99.0)
    state["orders"]["qty"] = 99
    state.clear()
    for e in (engine, after):
        told = e.journal
        for rows in (told.commands, *(told.start or {}).values()):
            with pytest.raises(ValueError, match="read-only"):
                rows[...] = 0
            with pytest.raises(ValueError, match="WRITEABLE"):
                rows.setflags(write=True)
        if told.start is not None:
            told.start.clear()  # type: ignore[attr-defined]
        same(MatchingEngine.replay(e.journal)[0], e)


def test_ids_end_with_a_sentence() -> None:
    engine = MatchingEngine("A")
    engine.submit("A", "buy", 1, 99.0, order_id=2**63 - 2)
    assert int(engine.submit("A", "buy", 1, 99.0).rows["order_id"][0]) == 2**63 - 1
    loaded = MatchingEngine("A")
    loaded.load(engine.state())
    for e in (engine, loaded):
        with pytest.raises(InputError, match="give order_id"):
            e.submit("A", "buy", 1, 99.0)
        assert len(e.submit("A", "buy", 1, 99.0, order_id=5).of("accepted")) == 1
