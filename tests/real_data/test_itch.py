"""ITCH captures and the artificial file at hand: every field, every figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qflib.desk.feed import FileFeed
from qflib.desk.read import read as read_feed
from qflib.desk.replay import replay
from qflib.orderbook.books import Books
from qflib.records import MARKET_EVENTS
from qflib.venues.itch import read, read_messages
from tests.unit.venues.itch_bytes import pcapng

ARTIFICIAL = "itch/ex20101224.TEST_ITCH_50.gz"
#: By a capture's name: its message's type and every field, as the bytes have them.
GOLDEN: dict[str, tuple[str, dict[str, Any]]] = {
    "Bx.Equities.TotalView.Itch.v5.0_AddOrderNoMpidAttributionMessage": ("A", {
        "stock_locate": 524, "timestamp": 34199999357223, "order_reference_number": 1551269, "buy_sell_indicator": "B",
        "shares": 300, "stock": "AMZU", "price": 242700,
    }),
    "Bx.Equities.TotalView.Itch.v5.0_OrderDeleteMessage": ("D", {
        "stock_locate": 4135, "timestamp": 34199999524563, "order_reference_number": 2902330,
    }),
    "Bx.Equities.TotalView.Itch.v5.0_OrderReplaceMessage": ("U", {
        "stock_locate": 2908, "timestamp": 34199999665635, "original_order_reference_number": 2589422,
        "new_order_reference_number": 3541246, "shares": 100, "price": 548800,
    }),
    "Nasdaq.Equities.TotalView.Itch.v5.0_AddOrderNoMpidAttributionMessage": ("A", {
        "stock_locate": 5528, "timestamp": 34199999894278, "order_reference_number": 23508286,
        "buy_sell_indicator": "B", "shares": 1600, "stock": "IVOO", "price": 873900,
    }),
    "Nasdaq.Equities.TotalView.Itch.v5.0_MarketParticipantPositionMessage": ("L", {
        "stock_locate": 3731, "timestamp": 34224494802989, "mpid": "MAXM", "stock": "FGMC",
        "primary_market_maker": "Y", "market_maker_mode": "N", "market_participant_state": "A",
    }),
    "Nasdaq.Equities.TotalView.Itch.v5.0_NetOrderImbalanceIndicatorMessage": ("I", {
        "stock_locate": 6462, "timestamp": 34200000268978, "paired_shares": 1, "imbalance_shares": 0,
        "imbalance_direction": "N", "stock": "MDC", "far_price": 464400, "near_price": 464400,
        "current_reference_price": 464400, "cross_type": "O", "price_variation_indicator": "L",
    }),
    "Nasdaq.Equities.TotalView.Itch.v5.0_OrderDeleteMessage": ("D", {
        "stock_locate": 3517, "timestamp": 34199999896280, "order_reference_number": 23497686,
    }),
    "Nasdaq.Equities.TotalView.Itch.v5.0_OrderExecutedMessage": ("E", {
        "stock_locate": 2345, "tracking_number": 2, "timestamp": 34199999934561, "order_reference_number": 23499418,
        "executed_shares": 25, "match_number": 255547,
    }),
    "Nasdaq.Equities.TotalView.Itch.v5.0_OrderReplaceMessage": ("U", {
        "stock_locate": 7603, "timestamp": 34199999836649, "original_order_reference_number": 15108479,
        "new_order_reference_number": 21361351, "shares": 100, "price": 1062600,
    }),
    "Nasdaq.Equities.TotalView.Itch.v5.0_StockTradingActionMessage": ("H", {
        "stock_locate": 464, "timestamp": 34763322465824, "stock": "AMC", "trading_state": "T", "reserved": "",
        "reason": "",
    }),
}  # fmt: skip


def capture(data: Path, name: str) -> Path:
    return data / "itch/omi" / f"Nasdaq_{name}.pcap"


@pytest.mark.data
def test_the_artificial_file(test_data: Path) -> None:
    figures = replay(test_data / ARTIFICIAL, "itch")
    assert figures["unknown_ids"] == figures["refused"] == 117
    unknown = [m["event"] for m in figures["misfits"] if m["reason"] == "unknown id"]
    assert len(unknown) == 117
    book = Books(3)
    every = MARKET_EVENTS.concat(list(read_feed(test_data / ARTIFICIAL, "itch").events()))
    book.apply(MARKET_EVENTS.slice(every, 0, unknown[5]))
    assert book.apply(MARKET_EVENTS.slice(every, unknown[5], unknown[5] + 1)).unknown_ids == 1
    assert figures["dead_letters"] == 2  # replacements of orders that are not live
    assert list(figures["instruments"]) == ["ALC", "BOB", "CHAR"]
    counts = {t: len(f) for t, f in read_messages(test_data / ARTIFICIAL).items()}
    assert counts == {"S": 6, "R": 3, "H": 3, "A": 4997, "F": 3, "E": 198, "X": 45, "D": 1745, "U": 12, "P": 5000}
    first = read_messages(test_data / ARTIFICIAL, "R")["R"].iloc[0]
    assert (first["stock"], first["round_lot_size"], first["issue_sub_type"]) == ("ALC", 100, "Z")
    assert replay(test_data / ARTIFICIAL, "itch")["digest"] == figures["digest"]


@pytest.mark.data
def test_events_do_not_depend_on_cuts(test_data: Path) -> None:
    feed = FileFeed(test_data / ARTIFICIAL, "itch")
    whole = MARKET_EVENTS.concat(list(feed.events()))
    decoder = feed.decoder()
    parts = [decoder.decode(b.frames, b.header).events for b in feed.raw(3_600_000_000_000) if b.kind == "raw"]
    assert len(parts) > 5
    cut = MARKET_EVENTS.concat(parts)
    assert all((getattr(cut, name) == getattr(whole, name)).all() for name in whole._fields)


@pytest.mark.data
@pytest.mark.parametrize("name", GOLDEN)
def test_a_capture_decodes_to_its_fields(test_data: Path, name: str) -> None:
    kind, fields = GOLDEN[name]
    frames = read_messages(capture(test_data, name))
    assert list(frames) == [kind]
    assert frames[kind].iloc[0].to_dict() == {"type": kind, "tracking_number": 0} | fields
    # What was sent at the exchange was received within a millisecond.
    recording = read(capture(test_data, name))
    midnight = 1_692_676_800_000_000_000  # 22 August 2023, New York
    assert 0 < recording.start_ns - midnight - fields["timestamp"] < 1_000_000


@pytest.mark.data
@pytest.mark.parametrize("little", [True, False])
def test_the_captures_as_pcapng_say_the_same(test_data: Path, tmp_path: Path, little: bool) -> None:
    captures = sorted((test_data / "itch/omi").glob("Nasdaq_*.pcap"))
    assert len(captures) == 11
    for file in captures:
        other = tmp_path / f"{file.stem}.pcapng"
        other.write_bytes(pcapng(file.read_bytes(), resolution=9, little=little))
        a, b = read(file), read(other)
        assert (a.start_ns, a.end_ns, a.instruments) == (b.start_ns, b.end_ns, b.instruments)
        for x, y in zip(a.chunks(), b.chunks(), strict=True):
            assert x.payload.tobytes() == y.payload.tobytes()
            assert (x.receipt_ns == y.receipt_ns).all()


@pytest.mark.data
def test_the_capture_of_many_packets(test_data: Path) -> None:
    name = "Nasdaq.Equities.TotalView.Itch.v5.0_Multiple.Packets"
    frames = read_messages(capture(test_data, name))
    assert {t: len(f) for t, f in frames.items()} == {"A": 36, "F": 2, "D": 1}
    figures = replay(capture(test_data, name), "itch")
    assert figures["unknown_ids"] == 1  # the one deleted was added before the capture
    assert (figures["gaps"], figures["dead_letters"]) == (1, 1)  # the capture leaves out what lies between
    assert figures["instruments"]["META"]["orders"] == 38
