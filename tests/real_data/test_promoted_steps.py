"""The steps that ship climb the parity ladder on what venues recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from qflib.desk.read import read
from qflib.desk.step_feed import fixture_of
from qflib.promote.ladder import climb, inputs_of
from qflib.promote.registry import registered
from qflib.steps.promoted.step import Placed

RECORDINGS = {
    "kraken": ("crypto/cryptofeed_KRAKEN.ws.50.0.gz", "kraken"),
    "es": ("databento/esh4-glbx-mdp3-20231225.mbo.dbn.zst", "databento"),
}
ROOT = Path(__file__).parents[2]


@pytest.mark.data
@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize("name", sorted(registered(ROOT)))
def test_the_ladder_is_green_on_recordings(name: str, recording: str, test_data: Path) -> None:
    found = registered(ROOT)[name]
    definition = found.definition()
    file, venue = RECORDINGS[recording]
    feed = read(test_data / file, venue)
    fixture = fixture_of(feed, Placed(definition, found.orders), recording)
    reference, rungs = climb(definition, feed.instruments, inputs_of(definition, fixture.batches))
    assert [r.first for r in rungs if not r.ok] == []
    assert len(rungs) == 6
    assert len(reference.out)
