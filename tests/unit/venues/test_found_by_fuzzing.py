"""What `tests/fuzz` found, one test a finding."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from qflib.errors import DataError, InputError
from qflib.records import MARKET_EVENTS, DeadReason, Header, Instrument, Instruments
from qflib.venues.databento_layouts import DEFINITION, LAYOUTS
from qflib.venues.table import venue


def _reference(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[2] / "reference" / f"{name}.py")
    module: Any = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


slow_levels, venue_bytes = _reference("slow_levels"), _reference("venue_bytes")


def _decoded(name: str, path: Path) -> tuple[list[DeadReason], int]:
    recording = venue(name).read(path)
    decoder = venue(name).decoder(recording.instruments, recording.source)
    made = [decoder.decode(frames, Header()) for frames in recording.chunks()]
    return [r.reason for m in made for r in m.refused], sum(len(m.events.kind) for m in made)


@pytest.mark.parametrize("twin", [slow_levels.Binance, slow_levels.CoinbaseExchange, slow_levels.Bitstamp])
def test_a_price_finer_than_any_tick_does_not_cost_the_recording(twin: Any, tmp_path: Path) -> None:
    book = twin(1)
    told = [book.snapshot(), book.update()]
    good = book.change
    book.change = lambda: [("bid", "100.00" + "0" * 30 + "1", "1"), *good()]
    told += [book.update(), book.snapshot(), book.update()]
    path = tmp_path / "a.txt"
    lines = []
    for n, frame in enumerate(told):
        m = json.loads(frame)
        answer = f"{m['url']} -> {n}.0: {json.dumps(m['body'])}\n" if "url" in m else f"{n}.0: {frame.decode()}\n"
        lines.append(answer)
    path.write_text("".join(lines))
    refused, rows = _decoded(book.venue, path)
    assert DeadReason.BAD_VALUE in refused
    assert rows > 20


_UNITS = ["0." + "0" * 18 + "1", "1" + "0" * 19, "1e-999999999", "1e999999999", "1/" + "9" * 30]


@pytest.mark.parametrize("unit", _UNITS)
def test_ticks_and_lots_that_int64_cannot_hold_are_refused_at_once(unit: str) -> None:
    with pytest.raises(InputError, match="tick_schedule"):
        Instrument("A", tick_schedule=(("0", unit),))
    with pytest.raises(InputError, match="lot"):
        Instrument("A", lot=unit)
    assert Instruments((Instrument("A", lot="0." + "0" * 17 + "1"),)).lot_den[0] == 10**18


def test_a_tick_schedule_whose_divisor_is_too_fine_is_refused() -> None:
    with pytest.raises(InputError, match="18 digits"):
        Instrument("A", tick_schedule=(("0", "1/3000000007"), ("5", "1/5000000029")))


def test_a_line_whose_time_no_record_holds_is_a_frame_of_the_time_before(tmp_path: Path) -> None:
    book = slow_levels.Deribit(1)
    path = tmp_path / "a.txt"
    path.write_bytes(b"1700000000000000000 " + book.snapshot() + b"\n9999999999999999999 " + book.update() + b"\n")
    refused, rows = _decoded("deribit", path)
    assert refused == [DeadReason.UNPARSABLE]
    assert rows > 20


def test_a_signal_of_a_year_that_nanoseconds_do_not_reach_is_told(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("time,instrument,direction\n3073-01-05T14:31:00Z,ACME.F,buy\n")
    with pytest.raises(DataError, match="no time between 1678 and 2262"):
        venue("signals").read(path, Instruments((Instrument("ACME.F"),)))


def test_receipt_times_too_far_apart_to_subtract_are_sorted(tmp_path: Path) -> None:
    rows = {name: [1, 1] for name in MARKET_EVENTS.dtype.names or ()}
    rows |= {"receipt_ns": [1 << 62, -(1 << 62) - 5], "instrument": [0, 0]}
    path = tmp_path / "raw.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    recording = venue("file").read(path, Instruments((Instrument("A"),)))
    assert recording.start_ns < recording.end_ns


@pytest.mark.parametrize("field", ["raw_symbol", "currency", "cfi"])
def test_a_definition_whose_text_is_none_is_told(field: str, tmp_path: Path) -> None:
    files = venue_bytes.good("databento").files
    size = max(size for kind, size in LAYOUTS if kind == DEFINITION)  # of the version of the seeds' metadata
    name, dtype = f"definition-{DEFINITION}-{size}.dbn", LAYOUTS[DEFINITION, size].dtype
    assert dtype.fields is not None
    at = len(files[name]) - size + dtype.fields[field][1]  # of the second of two
    path = tmp_path / name
    path.write_bytes(files[name])
    assert len(venue("databento").instruments(path)) == 1
    path.write_bytes(files[name][:at] + b"2\xa5\0" + files[name][at + 3 :])
    with pytest.raises(DataError, match=r"has a definition that cannot be decoded \(UTF-8"):
        venue("databento").instruments(path)


@pytest.mark.parametrize(
    "told",
    [
        [7, {"as": [["1.0013", "7.0", 1618678000]]}, "book-12", "XBT/USD"],
        [7, {"bs": [["1.0013", "7.0", None]]}, "book-12", "XBT/USD"],
        [7, [["1.0013", "7.0", 1534614057, "s", "l", ""]], "trade", "XBT/USD"],
        {"event": "subscriptionStatus", "status": "subscribed", "pair": "XBT/USD", "subscription": ["book"]},
    ],
)
def test_a_message_of_kraken_whose_times_are_numbers_is_refused(told: Any) -> None:
    made = venue_bytes.decode("kraken", [json.dumps(told).encode()])
    assert [r.reason for r in made.refused] == [DeadReason.UNPARSABLE]
    assert len(made.events.kind) == 0


def test_a_number_of_coinbase_that_no_state_holds_is_refused() -> None:
    book = slow_levels.CoinbaseAdvanced(1)
    snapshot, update = book.snapshot(), book.update()
    made = venue_bytes.decode(
        "coinbase", [snapshot, update.replace(b'"sequence_num": 1', b'"sequence_num": 1' + b"0" * 30)]
    )
    assert [(r.frame, r.reason) for r in made.refused] == [(1, DeadReason.UNPARSABLE)]
    again = venue_bytes.decode("coinbase", [snapshot, update])
    assert again.refused == ()
