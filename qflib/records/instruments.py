"""The instrument table: what each integer in a record's `instrument` column is."""

from __future__ import annotations

import hashlib
import itertools
import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import DataError, InputError, UnknownInstrumentError

InstrumentKind = Literal["spot", "future", "perpetual", "option"]


@dataclass(frozen=True, slots=True)
class Instrument:
    """One row of the instrument table.

    Parameters
    ----------
    symbol
        Our name, unique in the table.
    underlying
        The name that instruments of one risk share; it is the key of their records.
    strike
        In quote currency; NaN where there is none.
    expiry
        Instant of expiry, tz-aware; None where there is none.
    multiplier
        Units of the underlying a contract (linear), or 1.
    contract_value
        Quote currency a contract of an inverse future (10 USD, 100 USD); 0 otherwise.
    inverse
        Premium and P&L are in the underlying's coin.
    tick_schedule
        Pairs (from price, tick), rising, as decimal strings: ``(("0", "0.05"), ("3", "0.10"))``.
    lot
        Smallest quantity, as a decimal string.
    source
        The connection that carries its market data; its clock drives this instrument's time.
    levels
        True where the venue tells levels (L2) or quotes, not orders (L3).

    Raises
    ------
    InputError
        If a field is missing, of the wrong kind, or contradicts another: the symbol and the field are named.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.records import Instrument
    >>> call = Instrument("ACME-C", kind="option", right="call", style="european", strike=100.0, underlying="ACME",
    ...                   expiry=pd.Timestamp("2026-03-20T21:00Z"))
    >>> call.multiplier
    1.0
    """

    symbol: str
    kind: InstrumentKind = "spot"
    underlying: str = ""
    right: Literal["", "call", "put"] = ""
    style: Literal["", "european", "american"] = ""
    strike: float = float("nan")
    expiry: pd.Timestamp | None = None
    multiplier: float = 1.0
    contract_value: float = 0.0
    inverse: bool = False
    quote_currency: str = "USD"
    settlement_currency: str = "USD"
    settlement_type: Literal["", "cash", "physical"] = ""
    tick_schedule: tuple[tuple[str, str], ...] = (("0", "0.01"),)
    lot: str = "1"
    calendar: str = "24/7"
    day_count: str = "ACT/365"
    venue: str = ""
    venue_symbol: str = ""
    source: str = ""
    levels: bool = False

    def __post_init__(self) -> None:
        _check(self)


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
            parsed = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError(
                f"instrument file {path} does not exist; give a TOML file with [[instrument]] rows"
            ) from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
            raise DataError(f"instrument file {path} is not readable TOML: {e}") from None
        rows = parsed.get("instrument")
        if not isinstance(rows, list) or not rows:
            raise DataError(f"instrument file {path} has no [[instrument]] rows")
        return cls(tuple(_from_mapping(f"{path}, row {i + 1}", row) for i, row in enumerate(rows)))

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


#: Trading time of a day, by calendar: the time a day's variance falls into.
_SESSIONS_NS = {"24/7": 86_400 * 10**9, "XNYS": 23_400 * 10**9, "CME": 82_800 * 10**9}


def session_ns(calendar: str) -> int:
    """Trading time of a day of a calendar; a whole day where it is not known."""
    return _SESSIONS_NS.get(calendar, 86_400 * 10**9)


def smallest_tick(instrument: Instrument) -> Fraction:
    """Prices are integers of this: the greatest common divisor of the schedule's ticks."""
    ticks = [Fraction(t) for _, t in instrument.tick_schedule]
    den = int(np.lcm.reduce([t.denominator for t in ticks]))
    return Fraction(int(np.gcd.reduce([int(t * den) for t in ticks])), den)


def _check(r: Instrument) -> None:
    def wrong(what: str) -> InputError:
        return InputError(f"instrument {r.symbol!r}: {what}")

    if not r.symbol or len(r.symbol.encode()) > 64:
        raise wrong("symbol must have 1 to 64 bytes")
    if r.kind not in ("spot", "future", "perpetual", "option"):
        raise wrong(f"kind {r.kind!r} is unknown; expected spot, future, perpetual or option")
    if r.kind == "option":
        if r.right not in ("call", "put"):
            raise wrong(f"right {r.right!r} must be call or put")
        if not (np.isfinite(r.strike) and r.strike > 0):
            raise wrong(f"strike {r.strike} must be a positive number")
        if r.style not in ("european", "american"):
            raise wrong(f"style {r.style!r} must be european or american")
    if r.kind in ("option", "future") and r.expiry is None:
        raise wrong("expiry is missing; give an instant with a time zone")
    expiry: Any = r.expiry  # a caller may have given anything
    if expiry is not None and (not isinstance(expiry, pd.Timestamp) or expiry.tzinfo is None):
        raise wrong(f"expiry {expiry} has no time zone; give an instant with one, as 2026-12-18T16:00Z")
    if not (np.isfinite(r.multiplier) and r.multiplier > 0):
        raise wrong(f"multiplier {r.multiplier} must be a positive number")
    if r.inverse and r.kind in ("future", "perpetual") and not r.contract_value > 0:
        raise wrong("an inverse future needs contract_value, the quote currency a contract stands for")
    try:
        steps = [(Fraction(a), Fraction(t)) for a, t in r.tick_schedule]
        lot = Fraction(r.lot)
    except (ValueError, ZeroDivisionError, TypeError):
        raise wrong(f"tick_schedule {r.tick_schedule} and lot {r.lot!r} must hold decimal strings") from None
    if not steps or any(t <= 0 for _, t in steps) or lot <= 0:
        raise wrong("ticks and lot must be positive")
    if any(a >= b for (a, _), (b, _) in itertools.pairwise(steps)):
        raise wrong(f"tick_schedule {r.tick_schedule} must rise by price")
    if not r.underlying:
        object.__setattr__(r, "underlying", r.symbol)


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
