"""docs/venues.md against the table of venues and what their modules say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qflib.records import DeadReason, Header, Instrument, Instruments
from qflib.venues import itch
from qflib.venues.databento_layouts import LAYOUTS, MBO, PASSED_OVER
from qflib.venues.databento_quotes import TOLD
from qflib.venues.itch_messages import MESSAGES
from qflib.venues.table import VENUES, live_names
from qflib.venues.venue import frames_of

TABLE = Instruments((Instrument("AAPL", tick_schedule=(("0", "0.0001"),), venue="itch", source="itch:0"),))
PAGE = (Path(__file__).parents[3] / "docs" / "venues.md").read_text(encoding="utf-8")
LABELS = ["Reads", "Applied", "Decoded only", "Sequence, checksum", "Units", "Seeding", "A gap", "Live"]
LABELS += ["Tested on", "Limits"]
each = pytest.mark.parametrize("name", list(VENUES))


def told(name: str) -> dict[str, str]:
    """A venue's section, by label."""
    _, _, rest = PAGE.partition(f"\n## {name}\n")
    section = rest.partition("\n## ")[0]
    return dict(re.findall(r"^\| ([A-Z][^|]*?) \| (.+) \|$", section, re.MULTILINE))


def test_the_page_has_every_venue_of_the_table_in_its_order() -> None:
    headings = re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)
    overview = re.findall(r"^\| \[`(\w+)`\]\(#(\w+)\) \|.* (yes|no) \|$", PAGE, re.MULTILINE)
    assert headings == list(VENUES)
    assert [(a, b) for a, b, _ in overview] == [(name, name) for name in VENUES]
    assert [a for a, _, live in overview if live == "yes"] == live_names()


@each
def test_a_venues_section_says_everything(name: str) -> None:
    assert list(told(name)) == LABELS
    assert told(name)["Reads"].startswith("no recordings") == (not VENUES[name].reads)
    named = re.findall(r"`([A-Z]+_?[A-Z]+)`", told(name)["A gap"])
    assert set(named) <= set(DeadReason.__members__)


@each
def test_how_a_venue_is_listened_to_is_what_its_row_says(name: str) -> None:
    live = told(name)["Live"]
    if name not in live_names():
        assert live.startswith("no")
        return
    row = VENUES[name].live()
    assert live.startswith(f"yes: `{row.url}`")
    assert f"silence of {row.heartbeat_s:g} s" in live


@pytest.mark.data
@each
def test_the_recordings_named_are_there_and_tested(name: str, test_data: Path) -> None:
    files = re.findall(r"`([^`]+\.(?:gz|zst|csv|pcap))`", told(name)["Tested on"])
    assert files or name in ("file", "signals", "sim") or "**synthetic**" in told(name)["Tested on"]
    tests = "".join(p.read_text() for p in (Path(__file__).parents[2]).rglob("*.py") if p != Path(__file__))
    for file in files:
        assert list(test_data.rglob(file)), file
        stem = re.sub(r"(_[0-9]+_|-snap|-update).*|Nasdaq_|\.pcap|\.http.*", "", file)
        assert stem in tests, file


def test_every_message_of_itch_is_applied_or_decoded_only() -> None:
    applied, other = (re.findall(r"`(\w)`", told("itch")[label]) for label in ("Applied", "Decoded only"))
    assert sorted(applied + other) == sorted(MESSAGES)
    assert {kind for kind in MESSAGES if _moves(kind)} == set(applied)


def _moves(kind: str) -> bool:
    """Whether a message of a type, of small numbers or of zeros, makes events or is remembered."""
    dtype = MESSAGES[kind].dtype
    for fill in (b"O", b"\1"):  # a code, a number
        decoder = itch.Decoder(TABLE, "itch:0")
        before = decoder.state()
        body = kind.encode() + b"\0\1" + bytes(8) + fill * (dtype.itemsize - 11)
        if "stock" in (dtype.names or ()):
            at = dtype.fields["stock"][1]  # type: ignore[index]
            body = body[:at] + b"AAPL    " + body[at + 8 :]
        frames = frames_of([1], [0], [len(body).to_bytes(2) + body])
        if len(decoder.decode(frames, Header()).events.kind) or not _same(before, decoder.state()):
            return True
        if "stock" not in (dtype.names or ()):  # of a stock known
            known = itch.Decoder(TABLE, "itch:0")
            directory = b"R\0\1" + bytes(8) + b"AAPL    " + bytes(MESSAGES["R"].dtype.itemsize - 19)
            frames = frames_of([1, 1], [0, 1], [len(b).to_bytes(2) + b for b in (directory, body)])
            if len(known.decode(frames, Header()).events.kind):
                return True
    return False


def _same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return all(np.array_equal(a[k], b[k]) for k in a)


def test_every_schema_of_databento_is_applied_or_decoded_only() -> None:
    applied = re.sub(r"\(.*?\)", "", told("databento")["Applied"]).split(", ")
    other = re.sub(r"\(.*?\)", "", told("databento")["Decoded only"].partition(";")[0]).split(", ")
    by_type = {kind: layout.name for (kind, _), layout in LAYOUTS.items()}
    assert sorted(n.strip() for n in applied) == sorted({by_type[k] for k in (MBO, *TOLD)})
    assert sorted(n.strip() for n in other) == sorted({by_type[k] for k in PASSED_OVER})
