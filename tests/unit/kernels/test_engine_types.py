"""The table of order types against the twin's conditions written out, for every combination; the tag; the steps."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from qflib.kernels.engine_codes import (
    CONTINUOUS,
    DAY,
    GTC,
    LIMIT,
    NO_REASON,
    STP_DECREMENT,
    UNSUPPORTED_TYPE,
)
from qflib.kernels.engine_shares import mul_div
from qflib.kernels.engine_types import (
    OPTIONS,
    TIMES,
    TYPES,
    goes_together,
    is_in,
    stp_of,
    tag_of,
    tif_of,
    type_of,
)
from tests.reference.plain_engine import PlainEngine

_ONE = np.int64(1)


def test_every_combination_is_taken_or_not_as_the_conditions_written_out_say() -> None:
    twin = PlainEngine(1)
    taken = 0
    for kind, tif, options, display in itertools.product(range(10), range(18), range(256), (0, 1)):
        c = {
            "ord_type": kind, "time_in_force": tif, "options": options, "self_trade": 0, "side": 1, "qty": 1,
            "display_qty": display, "price_ticks": 0, "stop_ticks": 0, "expire_ns": 0,
        }  # fmt: skip
        fits = goes_together(*(np.int64(v) for v in (kind, tif, options, display)))
        assert fits == (twin.misshapen(c) != UNSUPPORTED_TYPE), c
        taken += fits
    assert taken == 14 + 39 + 10 + 15  # market, limit, stop, stop-limit, counted by hand


def test_a_tag_gives_back_what_it_was_made_of() -> None:
    for kind, tif, options, stp in itertools.product(range(8), range(16), range(256), range(int(STP_DECREMENT) + 1)):
        bits = tag_of(*(np.int64(v) for v in (kind, tif, options, stp)))
        assert (type_of(bits), tif_of(bits), stp_of(bits)) == (kind, tif, stp)
        assert bits & 7 | bits >> 16 << 3 == options
        assert 0 <= bits < 2**32
        assert not bits >> 13 & 3  # HAS_MORE and TOP are the engine's


@pytest.mark.parametrize("tif", [DAY, GTC])
def test_the_plain_path_knows_its_rows(tif: np.int64) -> None:
    """`engine_plain` reads no table: what it does without asking is what the rows say."""
    kind, time = TYPES[LIMIT], TIMES[tif]
    assert kind["priced"]
    assert kind["rests"]
    assert not kind["waits"]
    assert is_in(CONTINUOUS, time["sessions"])
    assert time["left_over"] == NO_REASON
    assert all(time[name] == 0 for name in ("whole", "expires", "waits_for"))


def test_rows_of_no_type_say_so() -> None:
    assert [int(TYPES["known"].sum()), int(TIMES["known"].sum()), int(OPTIONS["known"].sum())] == [4, 7, 3]


def test_a_share_of_large_numbers_is_exact() -> None:
    rng = random.Random(0)
    for _ in range(20_000):
        whole = rng.randrange(1, 2 ** rng.randrange(1, 60))
        pool, qty = rng.randrange(whole + 1), rng.randrange(2 ** rng.randrange(1, 60))
        if pool * qty // whole >= 2**62:
            continue
        assert mul_div(np.int64(pool), np.int64(qty), np.int64(whole)) == pool * qty // whole
