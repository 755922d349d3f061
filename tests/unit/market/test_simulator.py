"""The feed's face: batches, clocks, history, positions, arguments."""

import numpy as np
import pandas as pd
import pytest

from qflib.errors import InputError
from qflib.market import SimulatedMarket
from qflib.records import MARKET_EVENTS, Header
from qflib.settings import Settings
from qflib.venues.sim import Decoder


@pytest.mark.parametrize("period_ns", [100_000_000, 333_333_333])
def test_raw_gives_frames_then_clocks_a_source_and_closes(period_ns):
    market = SimulatedMarket(7, "2s", underlyings=2)
    batches = list(market.raw(period_ns))
    seqs, now = {}, {}
    for b in batches:
        assert b.header.seq == seqs.get(b.header.source, -1) + 1
        seqs[b.header.source] = b.header.seq
        if b.kind == "clock":
            if not b.tick.closing[0]:
                assert b.tick.time_ns[0] % period_ns == 0
            now[b.header.source] = int(b.tick.time_ns[0])
        else:
            assert now.get(b.header.source, 0) <= b.frames.receipt_ns[0] < now.get(b.header.source, 2**62) + period_ns
    assert set(seqs) == set(market.instruments.sources)
    assert [b.tick.closing[0] for b in batches if b.kind == "clock"].count(1) == 2
    assert all(b.kind == "clock" and b.tick.closing[0] == 1 for b in batches[-2:])
    assert batches[-1].tick.time_ns[0] >= market.end.value


def test_raw_decodes_to_events():
    market = SimulatedMarket(7, "1s", underlyings=2)
    decoders = {s: Decoder(market.instruments, s) for s in market.instruments.sources}
    decoded = [decoders[b.header.source].decode(b.frames, b.header).events for b in market.raw() if b.kind == "raw"]
    events = list(market.events())
    for a, b in zip(MARKET_EVENTS.concat(decoded), MARKET_EVENTS.concat(events), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    assert all(not a.flags.writeable and a.flags.c_contiguous for a in [*decoded[0], *events[0]])


def test_history_ends_where_the_market_starts():
    market = SimulatedMarket(3, underlyings=2)
    history = market.history
    assert history.shape == (1_500, 4)
    assert str(history.index.tz) == "UTC"
    assert history.index[-1] < market.start
    assert np.isfinite(history.to_numpy()).all()
    assert (history.to_numpy() > 0).all()
    assert history["ACME", "spot"].iloc[-1] == pytest.approx(100.0)
    pd.testing.assert_frame_equal(history, SimulatedMarket(3).history[["ACME", "BETA"]])
    assert not history.equals(SimulatedMarket(4, underlyings=2).history)


def test_instruments_trade_in_the_session_that_holds_the_days_variance():
    market = SimulatedMarket()
    assert {r.calendar for r in market.instruments} == {"XNYS"}
    assert market.history.index[-1].time() == (market.start + pd.Timedelta("390min")).time()


def test_the_default_rate_is_the_commands():
    assert SimulatedMarket().rate == Settings().desk.rate == 20_000


def test_positions_are_short_options_of_the_markets_instruments():
    market = SimulatedMarket(7)
    book = market.positions
    assert list(book.columns) == ["instrument", "qty", "avg_price"]
    assert all(market.instruments[s].kind == "option" for s in book["instrument"])
    assert {market.instruments[s].underlying for s in book["instrument"]} == set(market.instruments.underlyings)
    assert book["qty"].sum() < 0
    assert (book["avg_price"] > 0).all()
    assert set(SimulatedMarket(7, underlyings=1).positions["instrument"].str[:4]) == {"ACME"}


def test_signals_are_seeded_and_in_order():
    a, b = (SimulatedMarket(7, "1min").signals("5s") for _ in range(2))
    assert len(a.direction) == 48
    assert (np.diff(a.receipt_ns) >= 0).all()
    assert all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))
    assert set(np.unique(a.direction)) <= {-1, 0, 1}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"seed": -1}, "seed -1"),
        ({"seed": 1.5}, r"seed 1\.5"),
        ({"duration": "0s"}, "duration '0s'"),
        ({"duration": "-1min"}, "duration '-1min'"),
        ({"duration": "soon"}, "duration 'soon'"),
        ({"duration": "90D"}, "at most 5 days"),
        ({"rate": -1}, "rate -1"),
        ({"rate": float("nan")}, "rate nan"),
        ({"rate": "fast"}, "rate 'fast'"),
        ({"underlyings": 0}, "underlyings=0"),
        ({"underlyings": 9}, "underlyings=9"),
        ({"underlyings": "ACME"}, "underlyings='ACME'"),
    ],
)
def test_wrong_arguments_are_named(arguments, said):
    with pytest.raises(InputError, match=said):
        SimulatedMarket(**arguments)


@pytest.mark.parametrize("period_ns", [0, -1, 1.5])
def test_a_wrong_period_is_named(period_ns):
    with pytest.raises(InputError, match="period_ns"):
        next(SimulatedMarket(7, "1s").raw(period_ns))
    with pytest.raises(InputError, match="every="):
        SimulatedMarket(7, "1s").signals("0s")


def test_header_names_the_connection():
    first = next(SimulatedMarket(7, "1s", underlyings=1).raw())
    assert first.header == Header("sim:ACME", 0, 0)
    assert first.connection.venue[0] == b"sim"
