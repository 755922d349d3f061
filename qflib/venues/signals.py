"""Trading signals of external strategies: files of CSV, JSON lines or Parquet; a frame is one JSON object."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import DataError, InputError
from qflib.records import SIGNALS, DeadReason, Header, Instruments
from qflib.records.schema import TEXT_BYTES
from qflib.venues.plain_events import instants
from qflib.venues.tables_in_files import pieces
from qflib.venues.venue import Decoded, Recording, Refusal, State, frames_of, payloads_of

SOURCE = "signals:0"
_DIRECTIONS = {"buy": 1, "long": 1, "sell": -1, "short": -1, "flat": 0}
_FIELDS = {
    "time", "signal_id", "strategy", "instrument", "direction", "strength", "horizon", "horizon_ns", "valid_until",
    "valid_until_ns",
}  # fmt: skip


def read(path: Path, instruments: Instruments | None = None) -> Recording:
    """A file of signals, read through once; each frame is a signal as JSON.

    Parameters
    ----------
    path
        ``.csv``, ``.jsonl`` or ``.parquet`` with columns time (when it was received), instrument (symbol), direction
        (-1, 0, 1 or sell, flat, buy), and where told strength (0 to 1), horizon ("5min"), valid_until, strategy,
        signal_id.
    instruments
        The table; needed.

    Raises
    ------
    InputError
        If no table is given.
    DataError
        If the file is missing or malformed, or a time is missing, has no zone, or falls.
    """
    if instruments is None:
        raise InputError(f"signals in {path} name instruments; give instruments=, the table they are in")
    first = last = 0
    for frames in _chunks(path):
        times = frames.receipt_ns
        if int(times[0]) < last or (times[1:] < times[:-1]).any():
            raise DataError(f"{path} has times that fall; sort it by time")
        first, last = first or int(times[0]), int(times[-1])
    if not last:
        raise DataError(f"{path} holds no signal; give a file with rows")
    return Recording("signals", SOURCE, instruments, lambda: _chunks(path), first, last)


def read_signals(path: str | Path, instruments: Instruments) -> Any:
    r"""`SIGNALS` columns of a file; strict.

    Raises
    ------
    DataError
        As `read`, and if any signal is wrong: the row and the reason are told.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from qflib.records import Instrument, Instruments
    >>> from qflib.venues.signals import read_signals
    >>> path = pathlib.Path(tempfile.mkdtemp(), "s.csv")
    >>> _ = path.write_text("time,instrument,direction,strength\n2026-01-05T14:30Z,ACME.F,buy,0.5\n")
    >>> read_signals(path, Instruments((Instrument("ACME.F"),))).direction
    array([1], dtype=int32)
    """
    path = Path(path)
    recording, parts = read(path, instruments), []
    decoder = Decoder(instruments, SOURCE)
    for frames in recording.chunks():
        made = decoder.decode(frames, Header(SOURCE))
        if made.refused:
            worst = made.refused[0]
            raise DataError(f"{path}, row {int(frames.position[worst.frame]) + 1}: {worst.detail}")
        parts.append(made.signals)
    return SIGNALS.concat(parts)


def _chunks(path: Path) -> Iterator[Any]:
    position = 0
    for piece in pieces(path):
        if missing := {"time", "instrument", "direction"} - set(piece.columns):
            raise DataError(f"{path} has no column {sorted(missing)[0]!r}; signals need time, instrument, direction")
        times = instants(piece["time"], f"{path}: time")
        rows = piece.drop(columns="time").astype("object")
        payloads = [_payload(row, t) for row, t in zip(rows.to_dict("records"), times.tolist(), strict=True)]
        if payloads:
            yield frames_of(times.tolist(), list(range(position, position + len(payloads))), payloads)
        position += len(payloads)


def _payload(row: dict[Any, Any], time_ns: int) -> bytes:
    told = {k: str(v) if isinstance(v, pd.Timestamp) else v for k, v in row.items() if not pd.isna(v)}
    return json.dumps({"time": time_ns, **told}, default=str).encode()


class Decoder:
    """JSON signals of one connection to `SIGNALS` rows, each checked.

    Parameters
    ----------
    instruments
        The table that symbols are looked up in.
    source
        The connection, "signals:0".

    Notes
    -----
    O(frames); it has no state. A signal without an id is named by the hash of its bytes; without a validity it is
    valid for its horizon, without either for ever.
    """

    def __init__(self, instruments: Instruments, source: str) -> None:
        self.instruments, self.source = instruments, source

    def decode(self, frames: Any, header: Header) -> Decoded:
        """Take `FRAMES` columns in; signals in frame order, and the frames refused."""
        rows: list[tuple[Any, ...]] = []
        refused: list[Refusal] = []
        for i, (payload, received) in enumerate(zip(payloads_of(frames), frames.receipt_ns.tolist(), strict=False)):
            try:
                rows.append(self._row(payload, received))
            except InputError as e:
                refused.append(Refusal(i, DeadReason.BAD_VALUE, str(e)))
            except KeyError as e:
                refused.append(Refusal(i, DeadReason.UNKNOWN_INSTRUMENT, str(e.args[0])))
            except (ValueError, TypeError, RecursionError) as e:
                refused.append(Refusal(i, DeadReason.UNPARSABLE, str(e)))
        if not rows:
            return Decoded(refused=tuple(refused))
        columns = dict(zip(SIGNALS.Columns._fields, zip(*rows, strict=True), strict=True))
        signals = SIGNALS.make(**{n: np.array(columns[n], SIGNALS.dtype[n]) for n in columns})
        return Decoded(refused=tuple(refused), signals=signals)

    def restart(self, receipt_ns: int) -> Decoded:
        """Nothing: each signal stands alone."""
        return Decoded()

    @property
    def checks(self) -> dict[str, int]:
        """None: the format has no checksums."""
        return {}

    def state(self) -> State:
        """Nothing."""
        return {}

    def load(self, state: State) -> None:
        """Nothing to go on from."""

    def _row(self, payload: bytes, received: int) -> tuple[Any, ...]:
        told = json.loads(payload)
        if not isinstance(told, dict):
            raise TypeError("a signal is a JSON object")
        if unknown := sorted(set(told) - _FIELDS):
            raise InputError(f"field {unknown[0]!r} is unknown")
        symbol = str(told.get("instrument", ""))
        if symbol not in self.instruments:
            raise KeyError(f"instrument {symbol!r} is not in the table")
        told_direction = told.get("direction")
        direction = _DIRECTIONS.get(str(told_direction).lower(), told_direction)
        if isinstance(direction, bool) or direction not in (-1, 0, 1):
            raise InputError(f"direction {told_direction!r} is not -1, 0 or 1")
        strength = told.get("strength", 1.0)
        if isinstance(strength, bool) or not isinstance(strength, int | float) or not 0 <= strength <= 1:
            raise InputError(f"strength {strength!r} is not in 0 to 1")
        horizon = _duration(told)
        until = _until(told) or (received + horizon if horizon else (1 << 63) - 1)
        signal_id = told.get("signal_id") or hashlib.sha256(payload).hexdigest()[:32]
        texts = [str(signal_id).encode(), str(told.get("strategy", "")).encode()]
        if any(len(t) > TEXT_BYTES or b"\0" in t for t in texts):
            raise InputError(f"signal_id and strategy hold {TEXT_BYTES} bytes at most")
        return (*texts, self.instruments.id(symbol), int(direction), float(strength), horizon, until, received)


def _duration(told: dict[str, Any]) -> int:
    value = told.get("horizon", told.get("horizon_ns", 0))
    try:
        ns = pd.Timedelta(value).as_unit("ns").value if isinstance(value, str) else int(value)
    except (ValueError, TypeError, OverflowError):
        raise InputError(f"horizon {value!r} is no duration as '5min'") from None
    if ns < 0 or ns >= 1 << 62 or (isinstance(value, float) and not math.isfinite(value)):
        raise InputError(f"horizon {value!r} is negative or too long")
    return ns


def _until(told: dict[str, Any]) -> int:
    value = told.get("valid_until", told.get("valid_until_ns"))
    if value is None:
        return 0
    try:
        when = pd.Timestamp(value) if isinstance(value, str) else pd.Timestamp(int(value), tz="UTC")
        ns = when.as_unit("ns").value
    except (ValueError, TypeError, OverflowError):
        raise InputError(f"valid_until {value!r} is no instant") from None
    if when.tzinfo is None:
        raise InputError(f"valid_until {value!r} has no time zone")
    return ns
