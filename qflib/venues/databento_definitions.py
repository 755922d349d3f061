"""Databento's definition records as an instrument table."""

from __future__ import annotations

from fractions import Fraction
from math import gcd
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import pandas as pd

from qflib.errors import DataError, InputError
from qflib.records import Instrument, Instruments
from qflib.venues.databento_files import chunks_of_bytes, decimal, decoding, header_of, runs
from qflib.venues.databento_layouts import DEFINITION, UNDEFINED, UNDEFINED_TIME
from qflib.venues.databento_legacy import is_dbz

_UNDEFINED_MULTIPLIER = (1 << 31) - 1
_UPGRADE: Any = dbn.VersionUpgradePolicy.UPGRADE_TO_V3
_KIND: dict[str, Any] = {"C": "option", "P": "option", "F": "future"}


def instruments(path: Path) -> Instruments:
    """The futures and options of a file of schema definition; the newest record of a symbol counts.

    An option's underlying is the future's symbol, which is the future's own underlying: they share one risk. Spreads
    and user-defined combinations are left out. Where a venue has a variable tick and tells none, the tick is what
    divides its price limits. Exercise style and settlement are those of the CFI code (ISO 10962).

    Parameters
    ----------
    path
        A ``.dbn`` or ``.dbn.zst`` file, DBN version 1 to 3.

    Raises
    ------
    DataError
        If the file is missing, truncated, of another schema, or holds no future or option.
    """
    header, metadata = header_of(path)
    with path.open("rb") as f:
        legacy = is_dbz(f.read(12))
    if metadata is None or legacy:
        raise DataError(f"{path} is a fragment, or older than DBN; give a file of definitions with its metadata")
    records = b"".join(
        data[start : start + n * size]
        for data, position in chunks_of_bytes(path)
        for start, size, n in runs(data, position, path)
        if data[start + 1] == DEFINITION
    )
    decoder: Any = dbn.DBNDecoder(upgrade_policy=_UPGRADE)
    with decoding(str(path)):
        decoder.write(header + records)
        _, *told = decoder.decode()
    source = f"databento:{metadata.dataset.split('.')[0]}"
    rows: dict[str, Instrument] = {}
    with decoding(f"{path} has a definition that"):  # text is decoded where it is asked for
        for r in told:
            if isinstance(r, dbn.InstrumentDefMsg) and (made := _instrument(r, source, path)) is not None:
                rows[made.symbol] = made
    if not rows:
        raise DataError(f"{path} holds no definition of a future or option; its schema is {metadata.schema}")
    return Instruments(tuple(rows.values()))


def _instrument(r: Any, source: str, path: Path) -> Instrument | None:
    code = str(r.instrument_class)
    if code not in _KIND or r.expiration == UNDEFINED_TIME:
        return None
    kind = _KIND[code]
    cfi = r.cfi.ljust(6)
    tick = r.min_price_increment
    if tick in (UNDEFINED, 0):
        tick = gcd(*(p for p in (r.low_limit_price, r.high_limit_price) if p != UNDEFINED and p > 0)) or 10**7
    multiplier = r.contract_multiplier if r.contract_multiplier not in (_UNDEFINED_MULTIPLIER, 0) else 0
    if not multiplier:
        multiplier = r.unit_of_measure_qty / 1e9 if r.unit_of_measure_qty not in (UNDEFINED, 0) else 1
    option: dict[str, Any] = {}
    if kind == "option":
        option = {
            "right": "call" if code == "C" else "put",
            "style": "european" if cfi[2] == "E" else "american",
            "strike": r.strike_price / 1e9,
        }
    currency = r.currency or "USD"
    settlement: dict[str, Any] = {"settlement_type": {"P": "physical", "C": "cash"}.get(cfi[4], "")}
    try:
        return Instrument(
            r.raw_symbol, kind=kind, underlying=r.underlying if kind == "option" and r.underlying else r.raw_symbol,
            expiry=pd.Timestamp(r.expiration, unit="ns", tz="UTC"), multiplier=float(multiplier),
            quote_currency=currency, settlement_currency=r.settl_currency or currency,
            tick_schedule=(("0", decimal(Fraction(tick, 10**9))),), venue="databento", venue_symbol=r.raw_symbol,
            source=source, **option, **settlement,
        )  # fmt: skip
    except InputError as e:
        raise DataError(f"{path}: {e}") from None
