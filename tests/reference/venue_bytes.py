"""Good frames and good files of every venue, and what must hold of any other bytes: the fuzzers' seeds and oracle."""

from __future__ import annotations

import gzip
import importlib.util
import json
import struct
import tempfile
from contextlib import suppress
from datetime import date
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import databento_dbn as dbn
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from qflib.errors import QflibError
from qflib.records import MARKET_EVENTS, Header, Instrument, Instruments
from qflib.venues import databento_layouts, jacobi, sim
from qflib.venues.databento_records import read_records
from qflib.venues.files import write_events
from qflib.venues.itch import read_messages
from qflib.venues.signals import read_signals
from qflib.venues.table import venue
from qflib.venues.venue import answer_frame, frames_of

_HERE = Path(__file__).parent
TIME_NS = 1_700_000_000_000_000_000


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module: Any = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


class Good(NamedTuple):
    """What a venue's decoder and reader take whole.

    `source` is a connection's name; `files` are by name, as the name's end tells some kinds apart.
    """

    table: Instruments
    source: str
    frames: list[bytes]
    files: dict[str, bytes]


def good(name: str) -> Good:
    """A venue's own bytes, small; only those of "sim" cannot be a file."""
    return _good()[name]


def names() -> list[str]:
    return list(_good())


def decode(name: str, payloads: list[bytes], table: Instruments | None = None) -> Any:
    """Decode frames; whatever they are, each is events or a refusal, and the state goes on elsewhere."""
    g = good(name)
    instruments = g.table if table is None else table
    decoder = venue(name).decoder(instruments, g.source)
    n = len(payloads)
    made = decoder.decode(frames_of([TIME_NS] * n, list(range(n)), payloads), Header())
    assert all(-1 <= r.frame < n for r in made.refused)
    e = made.events
    assert len({len(column) for column in e}) == 1
    assert (e.qty[e.kind != 7] >= 0).all()
    assert (e.instrument < len(instruments)).all()
    other = venue(name).decoder(instruments, g.source)
    other.load(decoder.state())
    other.restart(TIME_NS)
    return made


def read(name: str, file: str, data: bytes, folder: Path) -> None:
    """Read bytes as a venue's file in every way there is: to the end, or to an error of qflib."""
    path = folder / file
    path.write_bytes(data)
    for table in (None, good(name).table):
        with suppress(QflibError):
            _replayed(name, path, table)
    for other in _OTHERS.get(name, ()):
        with suppress(QflibError):
            other(path)


def _replayed(name: str, path: Path, table: Instruments | None) -> None:
    recording = venue(name).read(path, table)
    assert recording.start_ns <= recording.end_ns
    decoder = venue(name).decoder(recording.instruments, recording.source)
    for frames in recording.chunks():
        assert (frames.receipt_ns[1:] >= frames.receipt_ns[:-1]).all()
        made = decoder.decode(frames, Header())
        assert all(-1 <= r.frame < len(frames.length) for r in made.refused)


#: What else reads a file of a venue.
_OTHERS: dict[str, tuple[Any, ...]] = {
    "databento": (lambda path: venue("databento").instruments(path), read_records),
    "deribit": (lambda path: venue("deribit").instruments(path),),
    "itch": (read_messages,),
    "signals": (lambda path: read_signals(path, good("signals").table),),
}


@cache
def _good() -> dict[str, Good]:
    made = {"kraken": _kraken()}
    levels = _module(_HERE / "slow_levels.py")
    for twin in levels.TWINS:
        g = _levels(twin(1))
        if twin.venue in made:  # Coinbase has two feeds
            g = made[twin.venue]._replace(
                frames=made[twin.venue].frames + g.frames,
                files=made[twin.venue].files | {"other.txt": g.files["a.txt"]},
            )
        made[twin.venue] = g
    made["coinbase_full"] = _orders(_module(_HERE / "slow_orders.py").SlowOrders(1))
    definitions = {"result": [_deribit_instrument("option"), _deribit_instrument("future")]}
    line = b"https://x/get_instruments -> 1700000000.1: " + json.dumps(definitions).encode() + b"\n"
    deribit = made["deribit"]
    made["deribit"] = deribit._replace(
        frames=[*deribit.frames, json.dumps({"id": 1, **definitions}).encode()],
        files=deribit.files | {"defined.txt": line, "answer.json": json.dumps(definitions).encode()},
    )
    made |= {"databento": _databento(), "itch": _itch(), "lobster": _lobster(), "jacobi": _jacobi()}
    made |= {"tardis": _tardis(), "file": _file(), "signals": _signals(), "sim": _sim()}
    return made


def _captured(frames: list[bytes]) -> dict[str, bytes]:
    told = b"".join(b"%d.%06d: %s\n" % (1_700_000_000 + i, i, f) for i, f in enumerate(frames))
    nanos = b"".join(b"%d %s\n" % (TIME_NS + i, f) for i, f in enumerate(frames))
    return {"a.txt": told, "b.txt": b"wss://x <-> 1\nwss://x <- 1: {}\n" + nanos, "c.gz": gzip.compress(told)}


def _kraken() -> Good:
    pair = _module(_HERE / "slow_kraken.py").SlowPair("XBT/USD", 12, 1)
    trade = b'[0,[["5541.20000","0.15850568","1534614057.321597","s","l",""]],"trade","XBT/USD"]'
    status = {"event": "subscriptionStatus", "status": "subscribed", "pair": "XBT/USD", "subscription": {"depth": 12}}
    frames = [
        json.dumps(status).encode(),
        pair.snapshot(),
        pair.update(),
        trade,
        pair.update(),
        b'{"event":"heartbeat"}',
    ]
    table = Instruments(
        (Instrument("XBT/USD", tick_schedule=(("0", "0.0001"),), lot="0.00000001", venue="kraken", source="kraken:0"),)
    )
    return Good(table, "kraken:0", frames, _captured(frames))


def _orders(market: Any) -> Good:
    told = [m for _ in range(6) for m in market.act()]
    frames = [*told[:1], market.snapshot(), *(m for _ in range(12) for m in market.act()), market.heartbeat()]
    body = json.dumps(json.loads(frames[1])["body"]).encode()
    files = _captured(frames)
    files["d.txt"] = b"https://x/products/BTC-USD/book?level=3 -> 1700000000.1: " + body + b"\n" + files["a.txt"]
    return Good(market.table(), "coinbase_full:0", frames, files)


def _levels(book: Any) -> Good:
    frames = [book.snapshot(), book.update(), book.trade(), book.update()]
    files = _captured(frames)
    if book.venue.startswith("binance"):
        body = json.loads(frames[0])["body"]
        told = answer_frame("https://x/api/v3/depth?symbol=ETHUSDT", json.dumps(body).encode())
        files["d.txt"] = files["a.txt"] + b"https://x/depth?symbol=ETHUSDT -> 1700000001.1: " + told + b"\n"
    return Good(book.table(), f"{book.venue}:0", frames, files)


def _deribit_instrument(kind: str) -> dict[str, Any]:
    more = {"option_type": "call", "strike": 40000.0} if kind == "option" else {}
    return {
        "kind": kind, "instrument_name": f"BTC-24SEP21{'-40000-C' if more else ''}", "contract_size": 1.0,
        "min_trade_amount": 0.1, "expiration_timestamp": 1632470400000, "base_currency": "BTC", "tick_size": 0.0005,
        "settlement_period": "month", "tick_size_steps": [{"above_price": 0.005, "tick_size": 0.0005}], **more,
    }  # fmt: skip


def _metadata(schema: Any) -> bytes:
    interval = SimpleNamespace(start_date=date(2023, 1, 1), end_date=date(2024, 1, 1), symbol="17")
    encoded: bytes = dbn.Metadata(
        dataset="GLBX.MDP3", start=0, stype_out=dbn.SType.INSTRUMENT_ID, stype_in=dbn.SType.RAW_SYMBOL,
        schema=schema, symbols=["ESH4"], partial=[], not_found=[],
        mappings=[SimpleNamespace(raw_symbol="ESH4", intervals=[interval])], ts_out=False,
    ).encode()  # fmt: skip
    return encoded


def _databento() -> Good:
    """A record of every type and length that is known, by itself and as a file; a legacy file."""
    metadata = _metadata(dbn.Schema.MBO)
    frames, files = [metadata], {}
    for (kind, size), layout in databento_layouts.LAYOUTS.items():
        r = np.zeros(2, layout.dtype)
        r["length"], r["rtype"], r["instrument_id"] = size // 4, kind, 17
        for name in layout.dtype.names or ():
            if name in layout.prices:
                r[name] = 4_800_250_000_000
            elif name in layout.times:
                r[name] = TIME_NS
            elif name in ("action", "side", "instrument_class"):
                r[name] = {"action": 65 if layout.dtype[name].kind != "S" else b"A", "side": b"B"}.get(name, b"F")
            elif name in ("raw_symbol", "underlying", "currency", "cfi"):
                r[name] = {"currency": b"USD", "cfi": b"FFXPSX"}.get(name, b"ESH4")
            elif name in ("size", "stat_type", "bid_sz_00", "ask_sz_00"):
                r[name] = 3
        frames.append(r[0].tobytes())
        files[f"{layout.name}-{kind}-{size}.dbn"] = metadata + r.tobytes()
    mbo = frames[1] * 3
    files["fragment.dbn.frag"] = mbo
    files["packed.dbn.zst"] = pa.Codec("zstd").compress(metadata + mbo, asbytes=True)
    symbol = b"ESH4".ljust(22, b"\0")
    ids = b"17".ljust(22, b"\0")
    one = struct.pack("<I", 1)
    mapping = symbol + one + struct.pack("<II", 20230101, 20240101) + ids
    symbology = struct.pack("<I", 0) + one + symbol + struct.pack("<II", 0, 0) + one + mapping
    fixed = struct.pack("<3sB16sHQQQQBBB39x", b"DBZ", 1, b"GLBX.MDP3", 0, TIME_NS, 0, 0, 3, 1, 1, 0)
    body = fixed + pa.Codec("zstd").compress(symbology, asbytes=True)
    files["old.dbz"] = struct.pack("<II", 0x184D2A51, len(body)) + body + pa.Codec("zstd").compress(mbo, asbytes=True)
    row = Instrument("ESH4", tick_schedule=(("0", "0.25"),), venue="databento", source="databento:GLBX")
    return Good(Instruments((row,)), "databento:GLBX", frames, files)


def _itch() -> Good:
    b = _module(_HERE.parent / "unit" / "venues" / "itch_bytes.py")
    add = b.message("A", 1, b"B", 100, b"AAPL", 1_000_000)
    messages = [b.directory("AAPL", 1), add, b.message("E", 1, 30, 9), b.message("U", 1, 3, 80, 999_900),
                b.message("H", b"AAPL", b"T", b" ", b""), b.message("X", 3, 10), b.message("D", 3)]  # fmt: skip
    frames = [*b.framed(*messages), b.packet(1, add), b.packet(3, b.message("D", 1))]
    plain = b"".join(b.framed(*messages))
    files = {
        "S013019-v50.txt": plain,
        "untold": b"".join(b.framed(*messages, told=False)),
        "packed.gz": gzip.compress(plain),
        "a.pcap": b.pcap(*frames[-2:], vlan=1, time_ns=TIME_NS),
        "b.pcap": b.pcap(*frames[-2:], nano=False, little=False),
        "c.pcapng": b.pcapng(b.pcap(*frames[-2:], time_ns=TIME_NS), resolution=9),
        "d.pcapng": b.pcapng(b.pcap(*frames[-2:], time_ns=TIME_NS), kind=2, little=False),
    }
    table = Instruments((Instrument("AAPL", tick_schedule=(("0", "0.0001"),), venue="itch", source="itch:0"),))
    return Good(table, "itch:0", frames, files)


def _lobster() -> Good:
    frames = [
        b"1010000,50,990000,40,9999999999,0,-9999999999,0", b"34200.01746,1,7,100,1000000,-1",
        b"34200.02,2,7,10,1000000,-1", b"34200.03,4,7,20,1000000,-1", b"34200.04,3,7,70,1000000,-1",
        b"34200.05,5,0,5,999900,1", b"34200.06,6,-1,9,999900,-1", b"36023,7,0,0,-1,-1", b"36024,3,5,15,990000,1",
    ]  # fmt: skip
    data = b"\n".join(frames[1:]) + b"\n"
    name = "AMZN_2012-06-21_34200000_57600000_message_1.csv"
    table = Instruments((Instrument("AMZN", tick_schedule=(("0", "0.0001"),), venue="lobster", source="lobster:0"),))
    return Good(table, "lobster:0", frames, {name: data, f"{name}.gz": gzip.compress(data)})


def _jacobi() -> Good:
    told = [
        (0, 0, 1, 0, 1, 100, 0, 50), (9, 0, 0, 0, 1, 10, 0, 60), (0, 1, 1, 0, 1, 30, 0, 0), (0, 2, 1, 0, 1, 20, 0, 0),
        (0, 3, 1, 0, 1, 40, 0, 49), (0, 4, 1, 0, 1, 0, 0, 0), (9, 4, 0, 0, 1, 0, 0, 0),
    ]  # fmt: skip
    frames = [np.array([row], jacobi.RECORD).tobytes() for row in told]
    table = Instruments(
        tuple(Instrument(b, tick_schedule=(("0", "1"),), venue="jacobi", source="jacobi:0") for b in ("0", "9"))
    )
    data = b"".join(frames)
    return Good(table, "jacobi:0", frames, {"events.bin": data, "events.bin.gz": gzip.compress(data)})


def _tardis() -> Good:
    head, time = b"exchange,symbol,timestamp,local_timestamp,", b"1585699200000001,1585699200100000"
    book = [b"x,A,%s,true,ask,10.5,3\nx,A,%s,true,bid,10,2" % (time, time),
            b"x,A,1585699200000002,1585699200200000,false,bid,10,0"]  # fmt: skip
    trade = b"x,A,%s,17,sell,10.5,3" % time
    levels = b"asks[0].price,asks[0].amount,bids[0].price,bids[0].amount"
    wide = b"x,A,%s,10.5,3,10,2" % time
    files = {
        "book.csv": head + b"is_snapshot,side,price,amount\n" + b"\n".join(book) + b"\n",
        "trades.csv": head + b"id,side,price,amount\n" + trade + b"\n",
        "wide.csv": head + levels + b"\n" + wide + b"\n",
    }
    files["book.csv.gz"] = gzip.compress(files["book.csv"])
    row = Instrument("A", tick_schedule=(("0", "0.1"),), venue="tardis", source="tardis:0", levels=True)
    return Good(Instruments((row,)), "tardis:0", [*book, trade, wide], files)


def _file() -> Good:
    events = MARKET_EVENTS.make(
        kind=[1, 6, 3], side=[1, 2, 1], price_ticks=[100, 101, 100], qty=[5, 6, 5], order_id=[1, 0, 1],
        receipt_ns=[TIME_NS, TIME_NS + 1, TIME_NS + 2],
    )  # fmt: skip
    table = Instruments((Instrument("ACME.F", source="file:0"),))
    rows = MARKET_EVENTS.to_struct(events)
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("raw.csv", "raw.parquet", "raw.arrow", "plain.csv", "plain.parquet", "plain.arrow"):
            path = Path(folder, name)
            write_events(path, events, table, raw=name.startswith("raw"))
            files[name] = path.read_bytes()
    files["plain.csv.gz"] = gzip.compress(files["plain.csv"])
    return Good(table, "file:0", [rows[i : i + 1].tobytes() for i in range(3)], files)


def _signals() -> Good:
    rows = [
        {"time": "2026-01-05T14:30:00Z", "instrument": "ACME.F", "direction": "buy", "strength": 0.5,
         "horizon": "5min"},
        {"time": "2026-01-05T14:31:00Z", "instrument": "ACME.F", "direction": -1, "valid_until": "2026-01-05T15:00:00Z",
         "strategy": "s", "signal_id": "x"},
    ]  # fmt: skip
    columns = sorted({k for r in rows for k in r})
    csv = "\n".join([",".join(columns), *(",".join(str(r.get(c, "")) for c in columns) for r in rows)]).encode() + b"\n"
    lines = "".join(json.dumps(r) + "\n" for r in rows).encode()
    table = pa.table({c: [str(r[c]) for r in rows] for c in ("time", "instrument", "direction")})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    frames = [json.dumps({**r, "time": TIME_NS}).encode() for r in rows]
    files = {"s.csv": csv, "s.jsonl": lines, "s.parquet": sink.getvalue().to_pybytes()}
    return Good(Instruments((Instrument("ACME.F", source="signals:0"),)), "signals:0", frames, files)


def _sim() -> Good:
    table = Instruments((Instrument("ACME.F", venue="sim", source="sim:ACME"),))
    events = MARKET_EVENTS.make(kind=[1, 6], price_ticks=[100, 100], qty=[5, 6], side=[1, 2])
    return Good(table, "sim:ACME", [sim.encode(events)], {})
