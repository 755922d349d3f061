"""Encode and decode are inverse, for us and for plain protobuf; a damaged record is an error."""

import importlib.util
import sys
import zlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from grpc_tools import protoc
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from qflib.errors import DataError, InputError, MalformedRecordError, TornBatchError
from qflib.records import BY_KIND, MARKET_EVENTS, ORDERS, RECORDS, TABLES, Batch, DeadReason, Header, Record, Table
from qflib.records.checking import check
from qflib.records.codec import decode, decode_checked, encode
from qflib.records.proto import SCHEMA, body_number
from qflib.records.risk_tables import POSITIONS

_U64 = st.integers(0, 2**64 - 1)
_U32 = st.integers(0, 2**32 - 1)
_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=16)


@st.composite
def columns(draw: st.DrawFn, table: Table, rows: int) -> object:
    made = {}
    for c in table.columns:
        if c.type == "text":
            made[c.name] = np.array([t.encode() for t in draw(st.lists(_TEXT, min_size=rows, max_size=rows))], "S64")
        elif c.type == "blob":
            made[c.name] = draw(st.binary(max_size=40))
        else:
            made[c.name] = draw(nps.arrays(c.dtype, rows))
    return table.make(**made)


@st.composite
def batches(draw: st.DrawFn, record: Record) -> Batch:
    tables = {name: draw(columns(table, draw(st.integers(0, 5)))) for name, table, _ in record.tables}
    header = Header(
        draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=20)), *draw(st.tuples(_U64, _U64, _U32, _U32))
    )
    return Batch(record.kind, tables, header)


def same(a: Batch, b: Batch) -> bool:
    """Equal in kind, header and every byte of every column."""
    return (a.kind, a.header) == (b.kind, b.header) and all(
        x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
        for name in BY_KIND[a.kind].by_name
        for x, y in zip(getattr(a, name), getattr(b, name), strict=True)
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The published schema, compiled as any user of protobuf would."""
    out = tmp_path_factory.mktemp("compiled")
    assert protoc.main(["protoc", f"-I{SCHEMA.parent}", f"--python_out={out}", str(SCHEMA)]) == 0
    spec = importlib.util.spec_from_file_location("qflib_pb2", Path(out, "qflib_pb2.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["qflib_pb2"] = module
    spec.loader.exec_module(module)
    return module


def plainly(module: ModuleType, batch: Batch, *, zeros: bool) -> object:
    """The batch as a plain protobuf message, its checksum made from the message by the schema's comments.

    `zeros`: sparse columns without another value are written, too, as another writer may.
    """
    record = BY_KIND[batch.kind]
    envelope = module.Envelope()
    body = getattr(envelope, batch.kind)
    body.SetInParent()
    for name, table, _ in record.tables:
        for c in table.columns if len(max(getattr(batch, name), key=len)) else ():
            values = getattr(getattr(batch, name), c.name)
            if c.sparse and not zeros and not any(values.tobytes()):
                continue
            if c.type == "blob":
                setattr(getattr(body, name), c.name, values.tobytes())
            elif c.type == "text":
                getattr(getattr(body, name), c.name).extend(v.decode() for v in values.tolist())
            else:
                getattr(getattr(body, name), c.name).extend(values.tolist())
    h = batch.header
    said = module.Header(source=h.source, epoch=h.epoch, seq=h.seq, part=h.part, parts=h.parts, count=batch.count)
    said.crc = plain_crc(body_number(record), said, body)
    envelope.header.CopyFrom(said)
    return envelope


def plain_crc(number: int, header: object, body: object) -> int:
    def u(n: int, size: int = 4) -> bytes:
        return n.to_bytes(size, "little")

    source = header.source.encode()
    out = u(number) + u(header.epoch, 8) + u(header.seq, 8) + u(header.part) + u(header.parts) + u(header.count)
    out += u(len(source)) + source
    for table, message in body.ListFields():
        fields = message.ListFields()
        out += u(table.number) if fields else b""
        for field, value in fields:
            if field.type == field.TYPE_BYTES:
                items = [value]
            elif field.type == field.TYPE_STRING:
                items = [v.encode() for v in value]
            else:
                kind = {field.TYPE_FIXED32: "<u4", field.TYPE_SFIXED32: "<i4", field.TYPE_FIXED64: "<u8",
                        field.TYPE_SFIXED64: "<i8", field.TYPE_DOUBLE: "<f8"}[field.type]  # fmt: skip
                items = [np.array(list(value), kind).tobytes()]
            out += b"".join(u(field.number) + u(len(i)) + i for i in items)
    return zlib.crc32(out)


def test_a_negative_zero_of_a_column_that_may_be_left_out_comes_back() -> None:
    batch = Batch.of("risk", positions=POSITIONS.make(portfolio=["P"], own_forward=[-0.0]))
    assert np.signbit(decode(encode(batch)).positions.own_forward).tolist() == [True]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.kind)
def test_decode_gives_back_what_encode_took(record: Record) -> None:
    @settings(max_examples=25)
    @given(batches(record))
    def holds(batch: Batch) -> None:
        back = decode(encode(batch))
        assert same(batch, back)
        assert not any(a.flags.writeable for columns in back.tables.values() for a in columns)
        assert all(a.flags.aligned and a.flags.c_contiguous for columns in back.tables.values() for a in columns)

    holds()


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.kind)
def test_plain_protobuf_reads_and_writes_the_same_bytes(record: Record, plain: ModuleType) -> None:
    @settings(max_examples=25)
    @given(batches(record))
    def holds(batch: Batch) -> None:
        assert same(decode(plainly(plain, batch, zeros=True).SerializeToString()), batch)
        message = plainly(plain, batch, zeros=False)
        assert same(decode(message.SerializeToString()), batch)
        # NaN payloads aside, which protobuf's Python lists may change, the bytes are equal
        read = plain.Envelope.FromString(encode(batch))
        assert read.SerializeToString() == message.SerializeToString()

    holds()


def _sample() -> list[Batch]:
    return [
        Batch.of(
            "order",
            Header("api", 1, 7, 0, 1),
            orders=ORDERS.make(account=["A", "B"], qty=[1, 2], client_order_id=["x1", "y2"], price_ticks=[5, -5]),
        ),
        Batch.of("market", Header("sim:ACME", 0, 9, 1, 3), events=MARKET_EVENTS.make(kind=[1, 3], qty=[2, 4])),
    ]


@pytest.mark.parametrize("batch", _sample(), ids=lambda b: b.kind)
def test_every_flipped_bit_is_an_error(batch: Batch) -> None:
    data = encode(batch)
    for at in range(len(data)):
        for bit in range(8):
            torn = bytearray(data)
            torn[at] ^= 1 << bit
            with pytest.raises((MalformedRecordError, TornBatchError)) as e:
                decode(bytes(torn))
            assert e.value.reason in set(DeadReason)


@pytest.mark.parametrize("batch", _sample(), ids=lambda b: b.kind)
def test_every_truncation_is_an_error(batch: Batch) -> None:
    data = encode(batch)
    for size in range(len(data)):
        with pytest.raises((MalformedRecordError, TornBatchError)):
            decode(data[:size])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_batch_or_an_error(data: bytes) -> None:
    try:
        batch = decode(data)
    except DataError:
        return
    assert same(decode(encode(batch)), batch)


@given(st.binary(min_size=1, max_size=40))
def test_garbage_behind_a_record_never_changes_the_batch(garbage: bytes) -> None:
    batch = _sample()[0]
    try:
        assert same(decode(encode(batch) + garbage), batch)
    except DataError:
        return


def test_an_unknown_body_is_named() -> None:
    with pytest.raises(MalformedRecordError, match="unknown kind 99") as e:
        decode(encode(_sample()[1]) + b"\x9a\x06\x00")
    assert e.value.reason == DeadReason.UNKNOWN_KIND


def test_an_oversized_record_is_refused_both_ways() -> None:
    data = encode(_sample()[1])
    for refused in (lambda: decode(data, max_bytes=20), lambda: encode(_sample()[1], max_bytes=20)):
        with pytest.raises(MalformedRecordError, match="longer than 20") as e:
            refused()
        assert e.value.reason == DeadReason.OVERSIZED


def _with_crc(envelope: object) -> bytes:
    """A plain message with its count and checksum made right, as a careless writer would send it."""
    kind = envelope.WhichOneof("body")
    envelope.header.crc = plain_crc(body_number(BY_KIND[kind]), envelope.header, getattr(envelope, kind))
    return envelope.SerializeToString()


def test_columns_of_unequal_length_are_torn(plain: ModuleType) -> None:
    m = plain.Envelope()
    m.market.events.kind.extend([1, 2])
    m.market.events.qty.extend([1])
    m.header.count = 2
    with pytest.raises(TornBatchError, match=r"1 rows in MarketEvents\.qty, 2") as e:
        decode(_with_crc(m))
    assert e.value.reason == DeadReason.TORN


def test_a_wrong_count_is_torn(plain: ModuleType) -> None:
    m = plain.Envelope()
    m.market.events.kind.extend([1, 2])
    m.header.count = 3
    with pytest.raises(TornBatchError, match="2 rows where its header says 3"):
        decode(_with_crc(m))


@pytest.mark.parametrize("text", ["x" * 65, "a\0b"])
def test_text_that_does_not_fit_is_refused(plain: ModuleType, text: str) -> None:
    m = plain.Envelope()
    m.signal.signals.signal_id.append(text)
    m.header.count = 1
    with pytest.raises(MalformedRecordError, match=r"Signals\.signal_id") as e:
        decode(_with_crc(m))
    assert e.value.reason == DeadReason.BAD_VALUE


def test_text_that_is_not_utf8_is_refused() -> None:
    bad = ORDERS.make(account=np.array([b"\xff\xfe"], "S64"))
    with pytest.raises(MalformedRecordError, match=r"Orders\.account"):
        encode(Batch.of("order", orders=bad))


def test_a_column_left_out_reads_as_zeros(plain: ModuleType) -> None:
    m = plain.Envelope()
    m.market.events.kind.extend([1, 2])
    m.header.count = 2
    events = decode(_with_crc(m)).events
    assert events.qty.tolist() == [0, 0]
    assert events.kind.tolist() == [1, 2]


def test_what_a_newer_writer_adds_is_ignored(tmp_path: Path, plain: ModuleType) -> None:
    newer = SCHEMA.read_text().replace("package qflib.v1", "package newer.v1")
    newer = newer.replace(
        "message MarketEvents {", "message MarketEvents {\n  repeated string note = 200;\n  repeated double x = 201;"
    )
    newer = newer.replace("MarketEvents events = 1;", "MarketEvents events = 1;\n  Trades trades = 77;")
    newer = newer.replace("message Header {", "message Header {\n  string host = 90;")
    Path(tmp_path, "newer.proto").write_text(newer)
    assert protoc.main(["protoc", f"-I{tmp_path}", f"--python_out={tmp_path}", str(tmp_path / "newer.proto")]) == 0
    spec = importlib.util.spec_from_file_location("newer_pb2", tmp_path / "newer_pb2.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    m = module.Envelope()
    m.header.host = "h"
    m.header.count = 2
    m.market.events.kind.extend([1, 2])
    m.market.events.note.extend(["a", "b"])
    m.market.events.x.extend([1.5, 2.5])
    m.market.trades.qty.extend([4])
    data = _with_crc(m)
    assert decode(data).events.kind.tolist() == [1, 2]
    with pytest.raises(TornBatchError):
        decode(data.replace(b"\x01b", b"\x01c"))


@pytest.mark.parametrize("field", ["epoch", "seq", "part", "parts"])
def test_a_header_out_of_range_is_refused(field: str) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        encode(Batch.of("market", Header(**{field: -1})))


def test_columns_of_a_wrong_type_are_refused() -> None:
    columns = MARKET_EVENTS.make(kind=[1])._replace(qty=np.array([1.5]))
    with pytest.raises(InputError, match=r"MarketEvents\.qty"):
        encode(Batch.of("market", events=columns))


def test_every_table_is_in_a_record() -> None:
    assert {t.name for t in TABLES} == {t.name for r in RECORDS for _, t, _ in r.tables}


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.kind)
def test_check_says_what_decode_says(record: Record) -> None:
    @settings(max_examples=25)
    @given(batches(record))
    def holds(batch: Batch) -> None:
        data = encode(batch)
        assert check(data) == (batch.kind, batch.header, decode_checked(data)[1], batch.count)

    holds()


@pytest.mark.parametrize("batch", _sample(), ids=lambda b: b.kind)
def test_check_finds_every_flipped_bit_and_every_truncation(batch: Batch) -> None:
    data = encode(batch)
    for at in range(len(data)):
        with pytest.raises((MalformedRecordError, TornBatchError)):
            check(data[:at])
        for bit in range(8):
            torn = bytearray(data)
            torn[at] ^= 1 << bit
            with pytest.raises((MalformedRecordError, TornBatchError)):
                check(bytes(torn))


def test_check_finds_a_wrong_count(plain: ModuleType) -> None:
    m = plain.Envelope()
    m.market.events.kind.extend([1, 2])
    m.header.count = 3
    with pytest.raises(TornBatchError, match="2 rows where its header says 3"):
        check(_with_crc(m))
