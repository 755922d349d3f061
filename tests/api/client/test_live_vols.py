"""`Live.vols` and its awaited twin in front of the real API."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import qflib as qf
from qflib.api.client import ApiError, LiveVols, connect_async
from tests.api.stream.playing import playing


def test_vols_are_the_views(tmp_path: Path) -> None:
    with playing(tmp_path, n=10**9) as desk:

        async def ask() -> LiveVols:
            async with connect_async(desk.url, key=desk.key) as live:
                return await live.vols("ACME")

        with qf.connect(desk.url, key=desk.key) as live:
            told = live.vols("ACME")
            with pytest.raises(ApiError, match="these have: ACME") as e:
                live.vols("NONE")
        own = desk.views.vols.latest("ACME")
        again = asyncio.run(ask())
    assert own is not None
    assert own.smiles.surface is not None
    assert told.surface is not None
    assert e.value.code == "unknown_underlying"
    assert told.surface.theta.tolist() == own.smiles.surface.theta.tolist()
    assert told.fitted.value == own.fitted_ns
    assert (again.seq, again.to_frame().equals(told.to_frame())) == (told.seq, True)
    assert "ACME" in repr(told)
