"""The instrument table: what each integer in a record's `instrument` column is."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import DataError, InputError, UnknownInstrumentError
from qflib.records.decimals import Decimals
from qflib.records.instrument import Instrument, smallest_tick


@dataclass(frozen=True)
class Instruments:
    """The table: a sequence of instruments; a record's `instrument` is the row number.

    Examples
    --------
    >>> from qflib.records import Instrument, Instruments
    >>> table = Instruments((Instrument("ACME", kind="spot"),))
    >>> table.id("ACME"), table.to_price(0, 10050)
    (0, 100.5)
    """

    rows: tuple[Instrument, ...] = field(default=())

    def __post_init__(self) -> None:
        if len(self._ids) != len(self.rows):
            seen: set[str] = set()
            twice = next(r.symbol for r in self.rows if r.symbol in seen or seen.add(r.symbol))  # type: ignore[func-returns-value]
            raise InputError(f"symbol {twice!r} stands twice in the instrument table; symbols are unique")

    @classmethod
    def from_toml(cls, path: str | Path) -> Instruments:
        """The table in a TOML file: one ``[[instrument]]`` a row, with `Instrument`'s field names.

        Raises
        ------
        DataError
            If the file is missing, not TOML, or a row is wrong: the row and field are named.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise DataError(
                f"instrument file {path} does not exist; give a TOML file with [[instrument]] rows"
            ) from None
        except (OSError, UnicodeDecodeError) as e:
            raise DataError(f"instrument file {path} is not readable TOML: {e}") from None
        return cls.parse(text, f"instrument file {path}")

    @classmethod
    def parse(cls, text: str, where: str = "the instrument table") -> Instruments:
        """The table in a TOML text, as `to_toml` writes it; `where` begins the sentence of an error.

        Raises
        ------
        DataError
            If it is not TOML, or a row is wrong: the row and field are named.
        """
        try:
            parsed = tomllib.loads(text)
        except tomllib.TOMLDecodeError as e:
            raise DataError(f"{where} is not readable TOML: {e}") from None
        rows = parsed.get("instrument")
        if not isinstance(rows, list) or not rows:
            raise DataError(f"{where} has no [[instrument]] rows")
        return cls(tuple(_from_mapping(f"{where}, row {i + 1}", row) for i, row in enumerate(rows)))

    def to_toml(self) -> str:
        """The table as TOML that `from_toml` reads back."""
        return "\n".join(
            "[[instrument]]\n" + "".join(f"{k} = {_toml(v)}\n" for k, v in _mapping(r).items()) for r in self.rows
        )

    def extended(self, rows: Sequence[Instrument]) -> Instruments:
        """With the new ones appended: ids already given stay."""
        return Instruments(self.rows + tuple(r for r in rows if r.symbol not in self._ids))

    def id(self, symbol: str) -> int:
        """Row of a symbol.

        Raises
        ------
        UnknownInstrumentError
            If it is not in the table.
        """
        try:
            return self._ids[symbol]
        except KeyError:
            near = ", ".join(list(self._ids)[:5])
            raise UnknownInstrumentError(
                f"instrument {symbol!r} is not in the table; it has {len(self)}: {near}, …"
            ) from None

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._ids

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self.rows)

    def __getitem__(self, which: int | str) -> Instrument:
        return self.rows[which if isinstance(which, int) else self.id(which)]

    def to_price(self, instrument: Any, ticks: Any) -> Any:
        """Ticks to a float price, correctly rounded for ticks below 2**53 / numerator."""
        num, den = self.tick_num[instrument], self.tick_den[instrument]
        out = np.asarray(ticks) * num / den
        return float(out) if out.ndim == 0 else out

    def to_ticks(self, instrument: Any, price: Any) -> Any:
        """Float price to the nearest tick.

        Raises
        ------
        InputError
            If a price is not finite.
        """
        p = np.asarray(price, np.float64)
        if not np.isfinite(p).all():
            raise InputError(f"price {price} is not finite; give a number")
        out = np.rint(p * self.tick_den[instrument] / self.tick_num[instrument]).astype(np.int64)
        return int(out) if out.ndim == 0 else out

    def to_qty(self, instrument: Any, lots: Any) -> Any:
        """Lots to a float quantity."""
        out = np.asarray(lots) * self.lot_num[instrument] / self.lot_den[instrument]
        return float(out) if out.ndim == 0 else out

    def to_lots(self, instrument: Any, qty: Any) -> Any:
        """Float quantity to lots; exact or refused.

        Raises
        ------
        InputError
            If a quantity is not finite or not a multiple of the lot.
        """
        q = np.asarray(qty, np.float64)
        if not np.isfinite(q).all():
            raise InputError(f"quantity {qty} is not finite; give a number")
        scaled = q * self.lot_den[instrument] / self.lot_num[instrument]
        out = np.rint(scaled).astype(np.int64)
        off = np.abs(scaled - out) > 1e-6 * np.maximum(1.0, np.abs(scaled))
        if off.any():
            first = np.atleast_1d(q)[np.atleast_1d(off)][0]
            raise InputError(f"quantity {first} is not a multiple of the lot; round it to the instrument's lot")
        return int(out) if out.ndim == 0 else out

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {r.symbol: i for i, r in enumerate(self.rows)}

    @cached_property
    def decimals(self) -> Decimals:
        """Prices and quantities as exact decimal text."""
        return Decimals(self)

    @cached_property
    def by_venue_symbol(self) -> dict[tuple[str, str], int]:
        """Row by (venue, the venue's own symbol)."""
        return {(r.venue, r.venue_symbol or r.symbol): i for i, r in enumerate(self.rows)}

    @cached_property
    def underlyings(self) -> tuple[str, ...]:
        """Distinct underlyings, in table order."""
        return tuple(dict.fromkeys(r.underlying for r in self.rows))

    @cached_property
    def underlying_index(self) -> NDArray[np.int64]:
        """For each instrument the position of its underlying in `underlyings`."""
        at = {u: i for i, u in enumerate(self.underlyings)}
        return np.array([at[r.underlying] for r in self.rows], np.int64)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Distinct sources, in table order."""
        return tuple(dict.fromkeys(r.source for r in self.rows))

    @cached_property
    def tick_num(self) -> NDArray[np.int64]:
        """Numerator of each instrument's smallest tick."""
        return np.array([smallest_tick(r).numerator for r in self.rows], np.int64)

    @cached_property
    def tick_den(self) -> NDArray[np.int64]:
        """Denominator of each instrument's smallest tick."""
        return np.array([smallest_tick(r).denominator for r in self.rows], np.int64)

    @cached_property
    def lot_num(self) -> NDArray[np.int64]:
        """Numerator of each instrument's lot."""
        return np.array([Fraction(r.lot).numerator for r in self.rows], np.int64)

    @cached_property
    def lot_den(self) -> NDArray[np.int64]:
        """Denominator of each instrument's lot."""
        return np.array([Fraction(r.lot).denominator for r in self.rows], np.int64)

    @cached_property
    def expiry_ns(self) -> NDArray[np.int64]:
        """Expiry in nanoseconds UTC; 0 where there is none."""
        return np.array([0 if r.expiry is None else r.expiry.as_unit("ns").value for r in self.rows], np.int64)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(json.dumps([_mapping(r) for r in self.rows], default=str).encode()).hexdigest()

    def to_frame(self) -> pd.DataFrame:
        """One row an instrument, indexed by symbol."""
        frame = pd.DataFrame([asdict(r) for r in self.rows], columns=list(Instrument.__dataclass_fields__))
        frame["tick"] = [float(smallest_tick(r)) for r in self.rows]
        frame["lot"] = [float(Fraction(r.lot)) for r in self.rows]
        frame["expiry"] = pd.to_datetime(frame["expiry"], utc=True)
        return frame.drop(columns="tick_schedule").set_index("symbol")

    def __repr__(self) -> str:
        first = ", ".join(r.symbol for r in self.rows[:4])
        return f"<Instruments: {len(self)}{': ' if first else ''}{first}{', …' if len(self) > 4 else ''}>"

    def _repr_html_(self) -> str:
        shown = [
            "kind",
            "underlying",
            "right",
            "strike",
            "expiry",
            "multiplier",
            "tick",
            "lot",
            "settlement_type",
            "venue",
        ]
        return self.to_frame()[shown].to_html(max_rows=20)


def _mapping(r: Instrument) -> dict[str, Any]:
    """Fields that differ from their defaults."""
    full = {f.name: (getattr(r, f.name), f.default) for f in fields(r)}
    return {
        k: (v.isoformat() if isinstance(v, pd.Timestamp) else v)
        for k, (v, default) in full.items()
        if not _same(v, default)
    }


def _same(a: Any, b: Any) -> bool:
    return bool(a == b) or (isinstance(a, float) and isinstance(b, float) and np.isnan(a) and np.isnan(b))


def _toml(v: Any) -> str:
    if isinstance(v, bool):
        return str(v).lower()
    if isinstance(v, tuple | list):
        return "[" + ", ".join(_toml(x) for x in v) + "]"
    return json.dumps(v) if isinstance(v, str) else repr(v)


def _from_mapping(where: str, row: dict[str, Any]) -> Instrument:
    if unknown := sorted(set(row) - set(Instrument.__dataclass_fields__)):
        raise DataError(
            f"{where}: field {unknown[0]!r} is unknown; expected {', '.join(Instrument.__dataclass_fields__)}"
        )
    made = dict(row)
    try:
        if made.get("expiry") is not None:
            made["expiry"] = pd.Timestamp(made["expiry"])
        if "tick_schedule" in made:
            made["tick_schedule"] = tuple((str(a), str(t)) for a, t in made["tick_schedule"])
        if "lot" in made:
            made["lot"] = str(made["lot"])
        return Instrument(**made)
    except (InputError, TypeError, ValueError) as e:
        raise DataError(f"{where}: {e}") from None
