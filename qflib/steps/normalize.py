"""The step that turns a venue's bytes into records: raw → normalized, an underlying at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qflib.errors import InputError
from qflib.records import DEAD, FRAMES, MARKET_EVENTS, SIGNALS, Batch, DeadReason, Instruments, Partitions
from qflib.records.schema import TEXT_BYTES
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW, dead_letters
from qflib.steps.state import State
from qflib.steps.step import Outbox
from qflib.venues.table import venue as venue_row
from qflib.venues.venue import Decoded, Decoder, Refusal, frame_offsets


@dataclass
class _Source:
    """One connection: where its numbering stands, and its decoder."""

    outbox: Outbox
    venue: str = ""
    decoder: Decoder | None = None
    epoch: int = -1
    next_seq: int = 0
    counts: dict[str, int] = field(default_factory=lambda: {"gaps": 0, "dead": 0, "events": 0})


class Normalize:
    """Raw frames and clocks of every connection in; market, signal and clock batches and dead letters out.

    One batch leaves a raw batch and underlying, with the rows in frame order; the rows do not depend on where raw
    batches are cut. A resend of the same (source, epoch, seq) is dropped; a gap is a dead letter, and the decoder
    waits for the next snapshot where the venue has them. Decoders are made at a connection's first raw batch.

    Parameters
    ----------
    instruments
        The instrument table of the desk.
    partitions
        Where names lie; a clock goes to every partition.

    Notes
    -----
    O(rows) a batch. A connection that carries one underlying (the simulated market) is passed on without a copy.

    Examples
    --------
    >>> from qflib.records import Batch, Header, Instruments, Instrument, TICK
    >>> from qflib.steps.normalize import Normalize
    >>> step = Normalize(Instruments((Instrument("ACME.F", source="sim:ACME"),)))
    >>> [out] = step.feed(Batch.of("clock", Header("sim:ACME"), tick=TICK.make(time_ns=[100])))
    >>> out.topic, out.tick.time_ns
    ('market.data.normalized', array([100]))
    """

    name = "normalize"

    def __init__(self, instruments: Instruments, partitions: Partitions | None = None) -> None:
        self.instruments = instruments
        self._partitions = partitions or Partitions()
        self._sources: dict[str, _Source] = {}
        self._underlying = instruments.underlying_index

    def feed(self, batch: Batch) -> list[Batch]:
        """Take one raw or clock batch in.

        Raises
        ------
        InputError
            If the batch is of another kind.
        UnknownVenueError
            If its connection names a venue that is not in the table.
        """
        kind, h = batch.kind, batch.header
        if kind not in ("raw", "clock"):
            raise InputError(f"normalize takes raw and clock batches, not {kind!r}; read topic {MARKET_RAW}")
        source = self._sources.get(h.source)
        if kind == "raw" and (source is None or source.decoder is None):
            venue = _venue_name(batch)
            decoder = venue_row(venue).decoder(self.instruments, h.source)  # an unknown venue changes nothing
            source = source or self._new(h.source)
            source.venue, source.decoder = venue, decoder
        source = source or self._new(h.source)
        out: list[Batch] = []
        if h.epoch != source.epoch or h.seq != source.next_seq:
            if (h.epoch, h.seq) < (source.epoch, source.next_seq):
                return out
            self._jump(source, batch, out)
        source.next_seq = h.seq + 1
        if kind == "clock":
            every, n = self._partitions.every, self._partitions.n
            for k, name in enumerate(every):
                out.append(source.outbox.make(MARKET_NORMALIZED, name, "clock", part=k, parts=n, tick=batch.tick))
        elif source.decoder is not None:
            self._send(source, batch, source.decoder.decode(batch.frames, h), out)
        return out

    @property
    def checks(self) -> dict[str, int]:
        """Sums over the connections: events, dead letters, gaps, checksums right and wrong."""
        total = {"events": 0, "dead": 0, "gaps": 0, "right": 0, "wrong": 0}
        for s in self._sources.values():
            for name, n in (s.counts | _decoder_checks(s)).items():
                total[name] = total.get(name, 0) + n
        return total

    def state(self) -> State:
        """Sources with their numbering, and each decoder's state under its source's row."""
        rows = list(self._sources.items())
        made: State = {
            "sources": np.array([n for n, _ in rows], f"S{TEXT_BYTES}"),
            "venues": np.array([s.venue for _, s in rows], f"S{TEXT_BYTES}"),
            "epoch": np.array([s.epoch for _, s in rows], np.int64),
            "next_seq": np.array([s.next_seq for _, s in rows], np.int64),
            "counts": np.array([[s.counts[k] for k in ("gaps", "dead", "events")] for _, s in rows], np.int64),
        }
        for i, (_, s) in enumerate(rows):
            made |= {f"{i}.{k}": v for k, v in s.outbox.state().items()}
            if s.decoder is not None:
                made |= {f"{i}.decoder.{k}": v for k, v in s.decoder.state().items()}
        return made

    def load(self, state: State) -> None:
        """Go on from a state."""
        self._sources = {}
        columns = (state[k].tolist() for k in ("sources", "venues", "epoch", "next_seq", "counts"))
        for i, (name, venue, epoch, next_seq, counts) in enumerate(zip(*columns, strict=True)):
            s = self._new(name.decode())
            s.venue, s.epoch, s.next_seq = venue.decode(), epoch, next_seq
            s.counts = dict(zip(("gaps", "dead", "events"), counts, strict=True))
            s.outbox.load(_under(f"{i}.", state))
            if s.venue:
                s.decoder = venue_row(s.venue).decoder(self.instruments, name.decode())
                s.decoder.load(_under(f"{i}.decoder.", state))

    def _new(self, name: str) -> _Source:
        made = self._sources[name] = _Source(Outbox(name, self._partitions))
        return made

    def _jump(self, s: _Source, batch: Batch, out: list[Batch]) -> None:
        """The batch is not the next one: a new epoch, or batches are missing."""
        h, first = batch.header, s.epoch < 0
        new_epoch = h.epoch != s.epoch
        lost = h.seq > (0 if new_epoch else s.next_seq)
        if new_epoch and not first and batch.kind == "raw" and len(batch.connection.former_seq):
            lost = lost or int(batch.connection.former_seq[0]) != s.next_seq - 1
        if lost:
            s.counts["gaps"] += 1
            expected = f"epoch {s.epoch} seq {s.next_seq}" if not first else f"epoch {h.epoch} seq 0"
            self._dead(s, batch, [Refusal(-1, DeadReason.GAP, f"{expected} expected, {h.epoch}/{h.seq} came")], out)
        s.epoch = h.epoch
        if s.decoder is not None and not first:
            self._send(s, batch, s.decoder.restart(_receipt_ns(batch)), out)

    def _send(self, s: _Source, batch: Batch, decoded: Decoded, out: list[Batch]) -> None:
        events = decoded.events
        if len(events.kind):
            s.counts["events"] += len(events.kind)
            for name, part in self._split(MARKET_EVENTS, events):
                out.append(s.outbox.make(MARKET_NORMALIZED, name, "market", events=part))
        if len(decoded.signals.instrument):
            for name, part in self._split(SIGNALS, decoded.signals):
                out.append(s.outbox.make(MARKET_NORMALIZED, name, "signal", signals=part))
        if decoded.refused:
            self._dead(s, batch, list(decoded.refused), out)

    def _split(self, table: Any, columns: Any) -> list[tuple[str, Any]]:
        """The rows of each underlying, in their order; without a copy where there is one."""
        of = self._underlying[columns.instrument]
        names = self.instruments.underlyings
        if (of == of[0]).all():
            return [(names[of[0]], columns)]
        return [(names[u], table.take(columns, np.flatnonzero(of == u))) for u in np.unique(of).tolist()]

    def _dead(self, s: _Source, batch: Batch, refused: list[Refusal], out: list[Batch]) -> None:
        s.counts["dead"] += len(refused)
        h, frames = batch.header, batch.frames if batch.kind == "raw" else FRAMES.empty
        at, real = frame_offsets(frames), [r.frame for r in refused]
        payloads = [frames.payload[at[i] : at[i + 1]].tobytes() if i >= 0 else b"" for i in real]
        dead = DEAD.make(
            topic=np.array([MARKET_RAW] * len(refused), f"S{TEXT_BYTES}"),
            source=np.array([h.source] * len(refused), f"S{TEXT_BYTES}"),
            epoch=np.array([h.epoch] * len(refused), np.uint64),
            seq=np.array([h.seq] * len(refused), np.uint64),
            position=np.array([int(frames.position[i]) if i >= 0 else 0 for i in real], np.uint64),
            reason=np.array([r.reason for r in refused], np.uint32),
            detail=np.array([_fitting(r.detail) for r in refused], f"S{TEXT_BYTES}"),
            receipt_ns=np.array([int(frames.receipt_ns[i]) if i >= 0 else _receipt_ns(batch) for i in real], np.int64),
            length=np.array([len(p) for p in payloads], np.uint32),
            payload=b"".join(payloads),
        )
        out.append(s.outbox.make(dead_letters(MARKET_RAW), h.source, "dead", dead=dead))


def _venue_name(batch: Batch) -> str:
    named = batch.connection.venue
    return named[0].decode() if len(named) and named[0] else batch.header.source.split(":", 1)[0]


def _receipt_ns(batch: Batch) -> int:
    times = batch.frames.receipt_ns if batch.kind == "raw" else batch.tick.time_ns
    return int(times[0]) if len(times) else 0


def _fitting(text: str) -> bytes:
    """Text as a column holds it: without zero bytes, cut to whole characters."""
    return text.replace("\0", " ").encode("utf-8", "replace")[:TEXT_BYTES].decode("utf-8", "ignore").encode()


def _decoder_checks(s: _Source) -> dict[str, int]:
    return {k: v for k, v in (s.decoder.checks if s.decoder is not None else {}).items() if k in ("right", "wrong")}


def _under(prefix: str, state: State) -> State:
    return {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
