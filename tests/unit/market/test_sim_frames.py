"""The raw format: any bytes either decode or are refused with a reason."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.market.instruments import simulated_instruments
from qflib.records import FRAMES, MARKET_EVENTS, DeadReason, Header, Instrument, Instruments
from qflib.venues.sim import Decoder, encode

TABLE = simulated_instruments(2)
GOOD = MARKET_EVENTS.make(kind=[1, 9], flags=[1, 1], instrument=[0, 3], side=[1, 2], price_ticks=[5, 6], qty=[7, 8])


def decode(payload, length=None, table=TABLE):
    frames = FRAMES.make(length=[len(payload) if length is None else length], payload=payload)
    return Decoder(table, "sim:ACME").decode(frames, Header())


def changed(**columns):
    return encode(MARKET_EVENTS.make(**(GOOD._asdict() | columns)))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", DeadReason.TORN),
        (encode(GOOD)[:-1], DeadReason.TORN),
        (encode(GOOD) + b"\0", DeadReason.TORN),
        (b"JUNK" + encode(GOOD)[4:], DeadReason.UNPARSABLE),
        (encode(GOOD)[:8] + b"\xff" * 8 + encode(GOOD)[16:], DeadReason.TORN),
        (changed(kind=[0, 1]), DeadReason.UNKNOWN_KIND),
        (changed(kind=[1, 99]), DeadReason.UNKNOWN_KIND),
        (changed(side=[1, 3]), DeadReason.BAD_VALUE),
        (changed(flags=[1, 4]), DeadReason.BAD_VALUE),
        (changed(qty=[-1, 4]), DeadReason.BAD_VALUE),
        (changed(instrument=[0, 10_000]), DeadReason.UNKNOWN_INSTRUMENT),
        (changed(instrument=[0, 29]), DeadReason.UNKNOWN_INSTRUMENT),  # BETA's, on ACME's connection
    ],
)
def test_a_wrong_frame_is_refused_with_its_reason(payload, reason):
    made = decode(payload)
    assert [r.reason for r in made.refused] == [reason]
    assert made.refused[0].detail
    assert len(made.events.kind) == 0


@given(st.binary(max_size=200))
def test_no_bytes_raise(payload):
    made = decode(payload)
    assert len(made.refused) == 1


@given(st.integers(0, len(encode(GOOD)) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_read(at, byte):
    payload = bytearray(encode(GOOD))
    payload[at] = byte
    made = decode(bytes(payload))
    assert len(made.refused) + len(made.events.kind) // 2 == 1


def test_one_wrong_frame_loses_no_other():
    good, bad = encode(GOOD), encode(GOOD)[:-8]
    frames = FRAMES.make(length=[len(good), len(bad), len(good)], payload=good + bad + good)
    made = Decoder(TABLE, "sim:ACME").decode(frames, Header())
    assert [r.frame for r in made.refused] == [1]
    assert made.events.price_ticks.tolist() == [5, 6, 5, 6]


def test_a_frame_longer_than_its_bytes_is_torn():
    assert decode(encode(GOOD), length=1_000).refused[0].reason == DeadReason.TORN


def test_rows_map_to_the_sim_rows_of_a_larger_table():
    larger = Instruments((Instrument("OTHER", venue="kraken", source="kraken:0"), *TABLE.rows))
    made = decode(encode(GOOD), table=larger)
    assert made.events.instrument.tolist() == [1, 4]


def test_a_restart_clears_every_book_of_the_connection():
    made = Decoder(TABLE, "sim:BETA").restart(5)
    np.testing.assert_array_equal(made.events.instrument, np.arange(29, 58))
    assert set(made.events.kind.tolist()) == {7}
