"""ITCH messages made here: what each one does, files and captures, gaps, refusals, and bytes that are none."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.errors import DataError, InputError
from qflib.records import DeadReason, EventFlag, EventKind, Header, Instrument, Instruments, Side, TradingStatus
from qflib.venues.itch import Decoder, read, read_messages
from qflib.venues.itch_messages import MESSAGES
from qflib.venues.venue import frames_of
from tests.unit.venues.itch_bytes import MIDNIGHT_NS, OPEN_NS, directory, framed, message, packet, pcap, pcapng

TABLE = Instruments(
    tuple(Instrument(s, tick_schedule=(("0", "0.0001"),), venue="itch", source="itch:0") for s in ("AAPL", "MSFT", "7"))
)
RECEIPT = MIDNIGHT_NS + OPEN_NS + 5


def add(oid: int, side: bytes = b"B", qty: int = 100, price: int = 1_000_000, locate: int = 1) -> bytes:
    return message("A", oid, side, qty, b"AAPL", price, locate=locate)


def decode(*frames: bytes, decoder: Decoder | None = None) -> Any:
    n = len(frames)
    decoder = decoder or Decoder(TABLE, "s")
    return decoder.decode(frames_of([RECEIPT] * n, list(range(n)), list(frames)), Header())


def rows(made: Any) -> list[tuple[int, ...]]:
    e = made.events
    return list(zip(*(getattr(e, n).tolist() for n in ("kind", "side", "order_id", "price_ticks", "qty")), strict=True))


def test_orders_are_completed_from_what_was_told_of_them() -> None:
    made = decode(
        *framed(
            directory("AAPL", 1),
            add(1),
            message("F", 2, b"S", 50, b"AAPL", 1_010_000, b"MAXM"),
            message("E", 1, 30, 9),
            message("C", 2, 20, 9, b"Y", 1_010_100),
            message("X", 1, 10),
            message("U", 1, 3, 80, 999_900),
            message("D", 3),
            message("D", 2),
        )
    )
    assert made.refused == ()
    assert rows(made) == [
        (EventKind.ADD, Side.BID, 1, 1_000_000, 100),
        (EventKind.ADD, Side.ASK, 2, 1_010_000, 50),
        (EventKind.EXECUTE, Side.BID, 1, 1_000_000, 30),
        (EventKind.EXECUTE, Side.ASK, 2, 1_010_100, 20),
        (EventKind.CANCEL, Side.BID, 1, 1_000_000, 10),
        (EventKind.CANCEL, Side.BID, 1, 1_000_000, 60),
        (EventKind.ADD, Side.BID, 3, 999_900, 80),
        (EventKind.CANCEL, Side.BID, 3, 999_900, 80),
        (EventKind.CANCEL, Side.ASK, 2, 1_010_000, 30),
    ]
    # A replacement is whole at its second row.
    assert (made.events.flags == EventFlag.LAST).tolist() == [True] * 5 + [False] + [True] * 3
    assert set(made.events.venue_ns.tolist()) == {MIDNIGHT_NS + OPEN_NS}


def test_trades_states_and_sessions() -> None:
    made = decode(
        *framed(
            directory("AAPL", 1),
            message("P", 0, b"B", 100, b"AAPL", 1_000_000, 7),
            message("Q", 5_000_000_000, b"AAPL", 1_000_100, 7, b"O"),
            message("Q", 0, b"AAPL", 0, 7, b"C"),
            *(message("H", b"AAPL", state, b" ", b"") for state in (b"T", b"H", b"P", b"Q")),
        )
    )
    assert rows(made)[:2] == [
        (EventKind.TRADE, Side.NONE, 0, 1_000_000, 100),
        (EventKind.TRADE, Side.NONE, 0, 1_000_100, 5_000_000_000),
    ]
    states = [TradingStatus.CONTINUOUS, TradingStatus.HALT, TradingStatus.HALT, TradingStatus.PRE_OPEN]
    assert rows(made)[2:] == [(EventKind.STATUS, 0, 0, 0, s) for s in states]


def test_a_day_begins_with_empty_books_and_ends_closed() -> None:
    made = decode(*framed(add(1), message("S", b"O"), message("D", 1), message("S", b"E")))
    kinds = [EventKind.ADD, *[EventKind.CLEAR] * 3, EventKind.CANCEL, *[EventKind.STATUS] * 3]
    assert made.events.kind.tolist() == kinds
    assert made.events.instrument.tolist() == [0, 2, 0, 1, 0, 2, 0, 1]  # by stock
    assert rows(made)[4] == (EventKind.CANCEL, 0, 1, 0, 0)  # order 1 is not known any more
    assert made.events.qty[-1] == TradingStatus.CLOSED


def test_locates_are_found_by_directory_by_stock_and_by_number() -> None:
    made = decode(
        *framed(
            add(1, locate=7),  # the table names the locate itself
            message("A", 2, b"B", 1, b"MSFT", 1, locate=3),
            message("D", 2, locate=3),
            message("D", 9, locate=4),
            message("A", 4, b"B", 1, b"ZZZ", 1, locate=5),  # not in the table: passed over
            message("D", 4, locate=5),
        )
    )
    assert made.events.instrument.tolist() == [2, 1, 1]
    assert [(r.frame, r.reason) for r in made.refused] == [(3, DeadReason.UNKNOWN_INSTRUMENT)]


@pytest.mark.parametrize("told", [True, False])
def test_lengths_may_be_zero(told: bool) -> None:
    made = decode(*framed(add(1), message("D", 1), told=told))
    assert made.events.kind.tolist() == [EventKind.ADD, EventKind.CANCEL]


def test_what_is_no_message_is_refused() -> None:
    unknown = framed(b"z" + bytes(30))[0]
    short = framed(add(1)[:-1])[0]
    torn = packet(1, add(3), add(4))[:-1]
    made = decode(unknown, short, b"noise", torn, framed(message("U", 1, 2, 3, 4))[0], framed(add(5))[0])
    assert [(r.frame, r.reason) for r in made.refused] == [
        (0, DeadReason.UNKNOWN_KIND),
        (1, DeadReason.TORN),
        (2, DeadReason.UNPARSABLE),
        (3, DeadReason.TORN),
        (4, DeadReason.UNKNOWN_INSTRUMENT),
    ]
    assert rows(made) == [(EventKind.ADD, Side.BID, 5, 1_000_000, 100)]
    made = decode(*framed(add(1), message("U", 77, 78, 3, 4)))
    assert made.refused[0].reason == DeadReason.BAD_VALUE
    assert rows(made)[1] == (EventKind.CANCEL, 0, 77, 0, 0)  # for the book to count


def test_packets_in_sequence_twice_and_with_a_gap() -> None:
    decoder = Decoder(TABLE, "s")
    first, second = packet(10, add(1), add(2)), packet(12, add(3))
    end = packet(13, count=0xFFFF)
    made = decode(first, first, second, packet(11, add(2), add(3), add(4)), end, packet(20, add(5)), decoder=decoder)
    assert made.events.order_id.tolist() == [1, 2, 3, 4, 5]
    assert [(r.frame, r.reason) for r in made.refused] == [(-1, DeadReason.GAP)]
    assert "14 expected, 20 came" in made.refused[0].detail
    assert decoder.checks == {"gaps": 1, "doubled": 4}
    other = decode(packet(1, add(6), session=b"another   "), decoder=decoder)
    assert (other.events.order_id.tolist(), other.refused) == ([6], ())


def test_a_gap_is_marked_at_the_next_row_of_each_instrument() -> None:
    def of_msft(oid: int) -> bytes:
        return message("A", oid, b"B", 100, b"MSFT", 1_000_000, locate=2)

    def told(*packets: bytes, decoder: Decoder) -> list[tuple[int, int]]:
        events = decode(*packets, decoder=decoder).events
        return list(zip(events.order_id.tolist(), (events.flags & EventFlag.GAP).tolist(), strict=True))

    gap, whole, cut = int(EventFlag.GAP), Decoder(TABLE, "s"), Decoder(TABLE, "s")
    packets = [
        packet(1, add(1), of_msft(2)), packet(4, add(3), add(4)), packet(6, add(5), of_msft(6)), packet(9, of_msft(7)),
    ]  # fmt: skip
    expected = [(1, 0), (2, 0), (3, gap), (4, 0), (5, 0), (6, gap), (7, gap)]
    assert told(*packets, decoder=whole) == expected
    made = []
    for p in packets:
        made += told(p, decoder=cut)
        state, cut = cut.state(), Decoder(TABLE, "s")
        cut.load(state)
    assert made == expected
    decode(packet(20, count=0), decoder=cut)  # a heartbeat tells of the gap, and has no row
    assert told(packet(20, add(8)), decoder=cut) == [(8, gap)]
    cut.restart(0)
    assert told(packet(21, add(9), of_msft(10)), decoder=cut) == [(9, gap), (10, gap)]


def test_every_type_has_its_length_and_is_decoded(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    made = {}
    for kind, m in MESSAGES.items():
        body = kind.encode() + struct.pack(">HH", 3, 4) + OPEN_NS.to_bytes(6)
        made[kind] = body + bytes(rng.integers(65, 91, m.dtype.itemsize - len(body)).astype(np.uint8))
    path = tmp_path / "01302019.NASDAQ_ITCH50"
    path.write_bytes(b"".join(framed(*made.values())))
    frames = read_messages(path)
    assert list(frames) == list(MESSAGES)
    assert len(frames) == 23
    for kind, frame in frames.items():
        row = frame.iloc[0]
        assert (row["type"], row["stock_locate"], row["timestamp"]) == (kind, 3, OPEN_NS)
        # The text and numbers of a row give the message back.
        back = b""
        for name in MESSAGES[kind].dtype.names or ():
            if name == "timestamp_high":
                back += int(row["timestamp"]).to_bytes(6)
            elif name != "timestamp_low":
                size = MESSAGES[kind].dtype[name].itemsize
                back += row[name].encode().ljust(size) if isinstance(row[name], str) else int(row[name]).to_bytes(size)
        assert back == made[kind]
    with pytest.raises(InputError, match="unknown"):
        read_messages(path, "Z")


def test_files_packed_or_not_and_captures_say_the_same(tmp_path: Path) -> None:
    messages = [directory("AAPL", 1), add(1), add(2, b"S"), message("E", 1, 30, 9), message("D", 2)]
    plain = b"".join(framed(*messages))
    files = {
        "S013019-v50.txt": plain,
        "20190130.gz": gzip.compress(plain),
        "zero 20190130": b"".join(framed(*messages, told=False)) + b"\0\0",
        "a.pcap": pcap(packet(1, *messages[:2]), packet(3, *messages[2:]), time_ns=RECEIPT),
        "b.pcap.gz": gzip.compress(pcap(*(packet(i, m) for i, m in enumerate(messages)), vlan=1, time_ns=RECEIPT)),
        "c.pcap": pcap(packet(1, *messages), vlan=2, nano=False, little=False, time_ns=RECEIPT),
    }
    whole = pcap(packet(1, *messages), time_ns=RECEIPT)
    files |= {
        "d.pcapng": pcapng(whole),
        "e.pcapng.gz": gzip.compress(pcapng(whole, kind=2, little=False, resolution=9, offset_s=1_000_000_000)),
        "f.pcapng": pcapng(whole, resolution=0x80 | 20),
        "g.pcapng": pcapng(whole) + pcapng(whole, little=False),  # two sections; what comes twice counts once
    }
    told = []
    for name, data in files.items():
        path = tmp_path / name
        path.write_bytes(data)
        recording = read(path)
        assert [r.symbol for r in recording.instruments] == ["AAPL"]
        decoder = Decoder(recording.instruments, "s")
        parts = [decoder.decode(frames, Header()) for frames in recording.chunks()]
        assert not any(p.refused for p in parts)
        told.append([row for p in parts for row in rows(p)])
        assert parts[0].events.venue_ns[0] == MIDNIGHT_NS + OPEN_NS
    assert all(t == told[0] for t in told)


def test_a_simple_packet_of_pcapng_has_the_time_before_it(tmp_path: Path) -> None:
    made = pcapng(pcap(packet(1, directory("AAPL", 1), add(1)), time_ns=RECEIPT))
    path = tmp_path / "x.pcapng"
    path.write_bytes(made + pcapng(pcap(packet(3, message("D", 1))), kind=3)[28:])
    recording = read(path)
    assert (recording.start_ns, recording.end_ns) == (RECEIPT // 1000 * 1000,) * 2
    parts = [Decoder(recording.instruments, "s").decode(f, Header()) for f in recording.chunks()]
    assert [row[0] for p in parts for row in rows(p)] == [EventKind.ADD, EventKind.CANCEL]


def test_locates_without_a_stock_of_their_own_go_by_number(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"".join(framed(add(1, locate=4), add(2, locate=9), message("D", 3, locate=11))))
    assert [r.symbol for r in read(path).instruments] == ["4", "9", "11"]


def test_broken_files_are_told_with_their_byte(tmp_path: Path) -> None:
    good = b"".join(framed(add(1), add(2)))
    path = tmp_path / "x"
    ng = pcapng(pcap(packet(1, add(1)), time_ns=RECEIPT))
    for data, match in (
        (good[:-1], "truncated inside the message at byte 38"),
        (good + b"\0\0z", "at byte 76: no message"),
        (b"hello world, this is text", "not ITCH 5.0 at byte 0"),
        (b"", "not ITCH"),
        (gzip.compress(good)[:-9], "truncated"),
        (pcap(packet(1, add(1)))[:-1], "truncated inside the packet at byte 24"),
        (pcap(packet(1, add(1))) + b"\xff" * 16, "broken at byte"),
        (pcap(b"no mold"), "no ITCH message"),
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "broken at byte 0: a block of 0 bytes"),
        (ng[:40], "truncated inside the block at byte 36"),
        (ng[:-1], "truncated inside the block at byte"),
        (ng[:-4] + bytes(4), "does not end as it begins"),
        (ng[:28], "has no interface"),
        (ng + struct.pack("<IIHHII", 1, 20, 101, 0, 65535, 20), "broken at byte .* link types 1 and 101"),
    ):
        path.write_bytes(data)
        with pytest.raises(DataError, match=match):
            read(path)
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "none")


FRAMES = [*framed(directory("AAPL", 1), add(1), add(2, b"S"), message("E", 1, 30, 9), message("U", 1, 3, 80, 999_900),
                  message("H", b"AAPL", b"T", b" ", b""), message("D", 3)),
          packet(1, add(4), message("D", 4)), packet(4, add(6)), packet(1, add(4))]  # fmt: skip


@pytest.mark.parametrize("cut", range(1, len(FRAMES)))
def test_cuts_and_restores_change_nothing(cut: int) -> None:
    whole = Decoder(TABLE, "s")
    expected = decode(*FRAMES, decoder=whole)
    first, second = Decoder(TABLE, "s"), Decoder(TABLE, "s")
    a = decode(*FRAMES[:cut], decoder=first)
    second.load(first.state())
    b = decode(*FRAMES[cut:], decoder=second)
    assert rows(a) + rows(b) == rows(expected)
    assert len(a.refused) + len(b.refused) == len(expected.refused)
    for name, array in whole.state().items():
        assert np.array_equal(array, second.state()[name]), name


def test_many_orders_and_refusals_in_one_batch() -> None:
    orders = framed(*(add(i) for i in range(1, 9_001)), *(message("D", i) for i in range(1, 9_001)))
    made = decode(*orders, *[b"noise"] * 600)
    assert len(made.events.kind) == 18_000
    assert (made.events.qty == 100).all()
    assert [r.frame for r in made.refused] == list(range(18_000, 18_600))


edits = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6)


@pytest.mark.fuzz
@given(st.lists(st.binary(max_size=120), max_size=6), edits, st.integers(0, 40))
def test_no_bytes_crash_the_decoder_nor_make_it_read_beyond(noise: list[bytes], edit: Any, cut: int) -> None:
    good = bytearray(b"".join(FRAMES))
    for at, value in edit:
        good[at % len(good)] = value
    lengths = [len(f) for f in FRAMES]
    payloads = [bytes(good[sum(lengths[:i]) : sum(lengths[: i + 1])]) for i in range(len(lengths))]
    payloads[-1] = payloads[-1][: max(0, len(payloads[-1]) - cut)]
    frames = frames_of(
        [RECEIPT] * (len(noise) + len(payloads)), list(range(len(noise) + len(payloads))), noise + payloads
    )
    seen = []
    for beyond in (b"\0", b"\xff"):
        # What lies behind the bytes in memory must not matter.
        guarded = np.frombuffer(frames.payload.tobytes() + beyond * 64, np.uint8)[: len(frames.payload)]
        made = Decoder(TABLE, "s").decode(frames._replace(payload=guarded), Header())
        seen.append((rows(made), made.refused))
    assert seen[0] == seen[1]
    torn = Decoder(TABLE, "s").decode(frames._replace(payload=frames.payload[: len(frames.payload) // 2]), Header())
    assert all(-1 <= r.frame < len(frames.length) for r in torn.refused)


@pytest.mark.fuzz
@given(st.binary(max_size=300), edits, st.sampled_from(["", "pcap", "pcapng", "noise"]), st.integers(0, 60))
def test_no_file_crashes_the_reader(tmp_path_factory: Any, noise: bytes, edit: Any, kind: str, cut: int) -> None:
    if kind == "noise":
        data = bytearray(noise)
    elif kind.startswith("pcap"):
        made = pcap(*FRAMES[-3:], vlan=1, time_ns=RECEIPT)
        data = bytearray((made if kind == "pcap" else pcapng(made)) + noise)
    else:
        data = bytearray(b"".join(FRAMES[:-3]) + noise)
    for at, value in edit:
        data[at % max(1, len(data)) : at % max(1, len(data)) + 1] = bytes([value])
    path = tmp_path_factory.mktemp("fuzz") / "20190130"
    path.write_bytes(data[: max(0, len(data) - cut)])
    try:
        recording = read(path)
    except DataError:
        return
    decoder = Decoder(recording.instruments, "s")
    for frames in recording.chunks():
        made = decoder.decode(frames, Header())
        assert all(-1 <= r.frame < len(frames.length) for r in made.refused)
    read_messages(path)
