"""Records: a thousand market events to bytes and back; peer: Arrow's stream format."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from qflib.cli.bench import Row, timed
from qflib.records import MARKET_EVENTS, ORDERS, Batch, Header
from qflib.records.codec import decode, encode

_EVENTS = 1_000


def rows(peers: bool) -> Iterator[Row]:
    """Microseconds a batch."""
    rng = np.random.default_rng(1)
    events = MARKET_EVENTS.make(
        **{c.name: rng.integers(0, 1_000, _EVENTS).astype(c.dtype) for c in MARKET_EVENTS.columns}
    )
    market = Batch.of("market", Header("sim:ACME", 0, 7), events=events)
    order = Batch.of("order", Header("api", 0, 7), orders=ORDERS.make(account=["A"], client_order_id=["o-1"], qty=[5]))
    for name, batch in ((f"market_{_EVENTS}", market), ("order_1", order)):
        data = encode(batch)
        write = timed(f"encode_{name}", lambda b=batch: encode(b), times=300, of="batch")  # type: ignore[misc]
        read = timed(f"decode_{name}", lambda d=data: decode(d), times=300, of="batch")  # type: ignore[misc]
        beside = _arrow_stream(events) if peers and name.startswith("market") else {}
        yield write._replace(peers={k: v for k, v in beside.items() if k.endswith("save")})
        yield read._replace(peers={k: v for k, v in beside.items() if k.endswith("load")})
    data = encode(market)
    yield timed(f"crc32_market_{_EVENTS}", lambda: zlib.crc32(data), times=300, of="batch")


def _arrow_stream(events: object) -> dict[str, float]:
    """The same columns by the peer."""
    import pyarrow as pa

    from qflib.records.frames import to_arrow

    data = to_arrow(events, MARKET_EVENTS)

    def save() -> bytes:
        out = pa.BufferOutputStream()
        with pa.ipc.new_stream(out, data.schema) as writer:
            writer.write_table(data)
        return bytes(out.getvalue())

    stream = save()
    return {
        "arrow save": timed("", save, times=100).value,
        "arrow load": timed("", lambda: pa.ipc.open_stream(stream).read_all(), times=100).value,
    }
