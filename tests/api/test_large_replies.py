"""Large replies and long computations: the loop waits for none of them, and few wait for a thread."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.api import pieces, state
from qflib.api.pieces import encoded, listed
from qflib.api.problems import ProblemError
from qflib.api.routes.computing import LevelES, PricingForm, ShortfallForm
from tests.api.served import served

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=50,
)


@given(_VALUES)
def test_pieces_are_the_whole(told: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "_AT_ONCE", 2)
        assert encoded(told) == msgspec.json.encode(told)


@given(st.lists(st.lists(st.integers(0, 9) | st.text(max_size=2))))
def test_a_list_of_parts_is_one_list(parts: list[list[Any]]) -> None:
    assert json.loads(listed(iter(parts))) == [x for p in parts for x in p]


def test_structs_are_as_they_were() -> None:
    for told in (
        PricingForm(0, [1.0, None]),
        PricingForm(2, [0.0] * 3_000, {"delta": [0.5] * 3_000}),
        ShortfallForm(3, "hull", 0.95, [LevelES(0.975, 1.0, None, 2, None, None, None)]),
    ):
        assert encoded(told) == msgspec.json.encode(told)


def test_a_large_reply_is_encoded_in_pieces_beside_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, str]] = []
    real = msgspec.json.encode

    def watched(told: Any) -> bytes:
        if isinstance(told, list):
            seen.append((len(told), threading.current_thread().name))
        return real(told)

    monkeypatch.setattr(pieces.msgspec.json, "encode", watched)
    api = served(tmp_path)
    n = 20_000
    body = {"model": "black76", "right": "call", "strike": np.linspace(50, 150, n).tolist(), "years": 1.0,
            "forward": 100.0, "vol": 0.2}  # fmt: skip
    with api.client("read") as client:
        answer = client.post("/v1/pricing", json=body)
        threads = {t.name for t in threading.enumerate()}
    assert len(answer.json()["price"]) == n
    assert max(k for k, _ in seen) <= 1_000
    assert sum(k for k, _ in seen) == n * (1 + len(answer.json()["greeks"]))
    assert all(name.startswith("asyncio_") for _, name in seen), threads


def test_so_many_wait_and_no_more(tmp_path: Path) -> None:
    async def run() -> None:
        api = served(tmp_path, computing=1, waiting=2).state
        free, began = threading.Event(), threading.Event()

        def work() -> int:
            began.set()
            assert free.wait(20)
            return 7

        asked = [asyncio.create_task(api.compute(work)) for _ in range(3)]
        assert await asyncio.to_thread(began.wait, 20)
        with pytest.raises(ProblemError) as refused:
            await api.compute(work)
        assert (refused.value.status, refused.value.code) == (503, "overloaded")
        assert refused.value.headers["retry-after"] == "1"
        asked.pop().cancel()  # who goes away leaves its place
        await asyncio.sleep(0)
        asked.append(asyncio.create_task(api.compute(work)))
        free.set()
        assert await asyncio.gather(*asked) == [7] * 3
        assert await api.compute(work) == 7

    asyncio.run(run())
    assert state.ApiSettings().waiting == 16
