"""The recordings at hand: known figures of a right replay, broken copies, instrument lists."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from qflib.desk.feed import FileFeed
from qflib.desk.read import read
from qflib.desk.replay import replay
from qflib.errors import DataError
from qflib.records import MARKET_EVENTS, DeadReason, Header
from qflib.steps.normalize import Normalize
from qflib.venues.table import venue

KRAKEN = "crypto/cryptofeed_KRAKEN.ws.50.0.gz"
ES = "databento/esh4-glbx-mdp3-20231225.mbo.dbn.zst"


@pytest.mark.data
def test_every_kraken_checksum_is_right(test_data: Path) -> None:
    figures = replay(test_data / KRAKEN, "kraken")
    assert figures["checksums"] == {"right": 4269, "wrong": 0}
    assert figures["dead_letters"] == figures["crossed"] == figures["refused"] == 0
    assert figures["events"] == 11_755
    assert len(figures["instruments"]) == 10
    book = figures["instruments"]["ADA/XBT"]
    assert book["orders"] is None
    assert re.fullmatch(r"0\.\d{9}", book["bid"])
    json.dumps(figures)


@pytest.mark.data
def test_the_stream_says_what_the_file_says(test_data: Path) -> None:
    feed = read(test_data / KRAKEN, "kraken")
    step, rows = Normalize(feed.instruments), 0
    for batch in feed.raw():
        rows += sum(out.count for out in step.feed(batch) if out.kind == "market")
    assert step.checks == {"events": 11_755, "dead": 0, "gaps": 0, "right": 4269, "wrong": 0}
    assert rows == 11_755


@pytest.mark.data
def test_a_flipped_digit_is_caught_and_the_pair_waits_for_a_snapshot(test_data: Path, tmp_path: Path) -> None:
    lines = gzip.decompress((test_data / KRAKEN).read_bytes()).splitlines(keepends=True)
    pair = b'"XMR/USD"]'
    mine = [i for i, line in enumerate(lines) if pair in line]
    assert b'"as"' in lines[mine[0]]
    update = mine[20]
    lines[update] = re.sub(rb'"c":"(\d)', lambda m: b'"c":"%d' % ((int(m[1]) + 1) % 10), lines[update])
    # The pair's own snapshot comes once more near the end: the book lives again.
    again = mine[-5]
    lines.insert(again, lines[again].split(b": ")[0] + b": " + lines[mine[0]].split(b": ", 1)[1])
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"".join(lines)))
    feed = FileFeed(broken, "kraken")
    decoder = feed.decoder()
    reasons = Counter(r.reason for made in feed.decoded_by(decoder) for r in made.refused)
    # After an old snapshot the first checksum is wrong again: the book has moved on since.
    assert decoder.checks["wrong"] == 2
    assert reasons[DeadReason.BAD_CHECKSUM] == 2
    assert reasons[DeadReason.BEFORE_SNAPSHOT] == len(mine) - 1 - 20 - 1
    assert decoder.checks["right"] + decoder.checks["wrong"] + reasons[DeadReason.BEFORE_SNAPSHOT] == 4269


@pytest.mark.data
def test_es_has_no_unknown_order_and_its_known_top(test_data: Path) -> None:
    figures = replay(test_data / ES, "databento")
    assert figures["unknown_ids"] == figures["dead_letters"] == figures["refused"] == 0
    assert figures["crossed"] == 891  # all before the open
    assert figures["events"] == 68_792 - 6_371  # fills do not touch the book
    top = figures["instruments"]["ESH4"]
    assert (top["bid"], top["ask"]) == ("4810.00", "4810.25")
    assert top["orders"] > 0
    assert replay(test_data / ES, "databento")["digest"] == figures["digest"]


@pytest.mark.data
def test_es_events_do_not_depend_on_cuts(test_data: Path) -> None:
    feed = read(test_data / ES, "databento")
    whole = MARKET_EVENTS.concat(list(feed.events()))
    decoder, parts = feed.decoder(), []
    for batch in feed.raw(7_000_000_000):
        if batch.kind == "raw":
            parts += [decoder.decode(batch.frames, Header()).events]
    cut = MARKET_EVENTS.concat(parts)
    for name in whole._fields:
        assert np.array_equal(getattr(cut, name), getattr(whole, name)), name


@pytest.mark.data
@pytest.mark.parametrize(("name", "kind"), [(KRAKEN, "kraken"), (ES, "databento")])
def test_truncated_recordings_are_told_in_a_sentence(test_data: Path, tmp_path: Path, name: str, kind: str) -> None:
    whole = (test_data / name).read_bytes()
    for part in (20, len(whole) // 2, len(whole) - 3):
        cut = tmp_path / f"{part}-{Path(name).name}"
        cut.write_bytes(whole[:part])
        with pytest.raises(DataError):
            replay(cut, kind)


@pytest.mark.data
def test_another_venues_recording_is_told(test_data: Path) -> None:
    with pytest.raises(DataError, match="not a DBN file"):
        read(test_data / KRAKEN, "databento")
    with pytest.raises(DataError):
        read(test_data / ES, "kraken")
    with pytest.raises(DataError, match="schema definition"):
        read(test_data / "databento/definition-glbx-es-opt.dbn.zst", "databento")


@pytest.mark.data
def test_es_option_definitions(test_data: Path) -> None:
    table = venue("databento").instruments(test_data / "databento/definition-glbx-es-opt.dbn.zst")
    row = table["ESM4 C4250"]
    assert (row.kind, row.right, row.style, row.strike) == ("option", "call", "american", 4250.0)
    assert (row.underlying, row.multiplier, row.settlement_type) == ("ESM4", 50.0, "physical")
    assert row.expiry is not None
    assert row.expiry.isoformat() == "2024-06-21T13:30:00+00:00"
    assert row.tick_schedule == (("0", "0.05"),)


@pytest.mark.data
def test_deribits_instruments(test_data: Path, tmp_path: Path) -> None:
    table = venue("deribit").instruments(test_data / "crypto/cryptofeed_DERIBIT.0.gz")
    assert len(table) > 1000
    option = table["BTC-24SEP21-40000-P"]
    assert (option.inverse, option.strike, option.right, option.settlement_currency) == (True, 40000.0, "put", "BTC")
    assert option.tick_schedule == (("0", "0.0005"),)
    assert option.lot == "0.1"
    perpetual = table["BTC-PERPETUAL"]
    assert (perpetual.kind, perpetual.contract_value, perpetual.expiry) == ("perpetual", 10.0, None)
    assert not table["SOL_USDC-PERPETUAL"].inverse
    (tmp_path / "t.toml").write_text(table.to_toml())
    assert type(table).from_toml(tmp_path / "t.toml").digest == table.digest
    cut = tmp_path / "cut.gz"
    cut.write_bytes((test_data / "crypto/cryptofeed_DERIBIT.0.gz").read_bytes()[:-100])
    with pytest.raises(DataError, match="truncated"):
        venue("deribit").instruments(cut)
