"""Readers of a channel log, at any pace, against a plain model: what one holds was told, and what it missed too."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from qflib.api.stream.channels import new_log
from qflib.api.stream.log import ChannelLog, Cursor
from qflib.views import Views
from tests.views.recorded import recorded

State = dict[str, int]
_KEPT = 6

#: What happens next: a message (its step in sequence, the key and value it changes); a reader reads, or comes anew.
_APPEND = st.tuples(st.just("append"), st.integers(1, 3), st.integers(0, 3), st.integers(0, 5))
_READ = st.tuples(st.just("read"), st.integers(0, 2), st.integers(1, 4), st.just(0))
_RESUME = st.tuples(st.just("resume"), st.integers(0, 2), st.just(0), st.just(0))
_RESTART = st.tuples(st.just("restart"), st.integers(0, 12), st.just(0), st.just(0))


def _log(behind: int | None) -> ChannelLog[State]:
    def changes(before: State | None, now: State) -> State:
        return {k: v for k, v in now.items() if (before or {}).get(k) != v}

    return ChannelLog("n", "x", changes, lambda last: last[-1] if last else {}, kept=_KEPT, behind=behind)


class Reader:
    """A client: holds a state and the last sequence, and checks each message against the model."""

    def __init__(self, log: ChannelLog[State], model: dict[int, State]) -> None:
        self.model, self.seq, self.state = model, -1, {}
        self.gap: Any = None
        self.gaps = self.skipped = 0
        self.cursor = Cursor(log)

    def read(self, most: int = 10_000) -> None:
        while most and (event := self.cursor.next()) is not None:
            self.take(json.loads(event["text"]))
            most -= 1

    def take(self, m: dict[str, Any]) -> None:
        if m["type"] == "gap":
            assert self.gap is None
            assert m["from"] == self.seq
            self.gap = m
            self.gaps += 1
            return
        if m["type"] == "snapshot":
            assert self.gap is None or m["seq"] == self.gap["to"]
            self.gap, self.state = None, m["data"]
        else:
            assert self.gap is None  # the snapshot comes first
            assert m["prev_seq"] == self.seq < m["seq"]
            self.state = self.state | m["data"]
        self.seq = m["seq"]
        assert self.state == self.model[self.seq]


@given(st.lists(st.one_of(_APPEND, _APPEND, _READ, _RESUME, _RESTART), max_size=120), st.sampled_from([None, 1, 2, 4]))
def test_readers_at_any_pace_hold_what_was_told(schedule: list[Any], behind: int | None) -> None:
    log, history = _log(behind), [(-1, State())]
    model = dict(history)
    readers = [Reader(log, model) for _ in range(3)]
    for what, a, b, c in schedule:
        if what == "append":
            seq, state = history[-1][0] + a, history[-1][1] | {str(b): c}
            history.append((seq, state))
            model[seq] = state
            log.append(seq, state)
        elif what == "read":
            readers[a].read(b)
        elif what == "resume":
            _resume(readers[a], log, history, behind)
        else:  # the server begins anew, and has read back so far
            log = _log(behind)
            for seq, state in history[-1 - a :]:
                log.append(seq, state)
            for reader in readers:
                _resume(reader, log, history, behind)
    for reader in readers:
        reader.read()
        assert reader.gap is None
        assert (reader.seq, reader.state) == history[-1]


def _resume(reader: Reader, log: ChannelLog[State], history: list[tuple[int, State]], behind: int | None) -> None:
    """Connect anew: exactly on, where the log still has what follows."""
    reader.gap = None  # a snapshot that did not come any more
    reader.cursor, gaps = Cursor(log, reader.seq), reader.gaps
    missed = [s for s, _ in history if s > reader.seq]
    known = reader.seq == log.last_seq or log.after(reader.seq) is not None
    held = log.end - log.first
    if len(missed) <= min(held - 1, log.behind):
        assert known
    reader.read()
    if known and len(missed) <= log.behind:
        assert reader.gaps == gaps


def test_what_must_not_be_left_out_is_sent_up_to_the_logs_length() -> None:
    log = _log(None)
    model = {-1: State()}
    reader = Reader(log, model)
    reader.read()
    for seq in range(_KEPT):
        model[seq] = {"a": seq}
        log.append(seq, model[seq])
    reader.read()
    assert (reader.seq, reader.gaps) == (_KEPT - 1, 0)
    for seq in range(_KEPT, 2 * _KEPT + 1):
        model[seq] = {"a": seq}
        log.append(seq, model[seq])
    reader.read()
    assert (reader.seq, reader.gaps) == (2 * _KEPT, 1)


def test_a_sequence_ahead_of_a_log_that_is_being_read_is_waited_for() -> None:
    log, settled = _log(None), False
    for seq in range(3):
        log.append(seq, {"a": seq})
    cursor = Cursor(log, 5, lambda: settled)
    assert cursor.next() is None
    for seq in range(3, 8):
        log.append(seq, {"a": seq})
        assert (cursor.next() is None) == (seq < 6)
    late = Cursor(log, 50, lambda: settled)
    assert late.next() is None
    settled = True  # the stream of that sequence is no more
    kinds = [json.loads(e["text"])["type"] for e in late.due()]
    assert kinds == ["gap", "snapshot"]


def test_a_message_is_encoded_once_for_all_readers() -> None:
    made = []

    def delta(_: int | None, now: int) -> int:
        made.append(now)
        return now

    log = ChannelLog("n", "x", delta, lambda last: last[-1:], kept=8)
    cursors = [Cursor(log) for _ in range(50)]
    log.append(1, 10)
    assert not made
    events = [next(e for e in c.due() if '"delta"' in e["text"]) for c in cursors]
    assert made == [10]
    assert len({id(e) for e in events}) == 1


def test_of_an_option_few_books_are_kept() -> None:
    """A desk has thousands of options, and a message holds its book until somebody reads it."""
    views = Views(recorded().deployment)
    option = next(r.symbol for r in views.instruments if r.kind == "option")
    for symbol, kept in (("ACME.F", 1_024), (option, 64)):
        log = new_log(views, "book", symbol)
        assert log is not None
        assert log._kept.maxlen == kept
