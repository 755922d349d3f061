"""Deribit: the instrument table from its REST lists (public/get_instruments).

Options and most futures are inverse: premium and P&L in the coin, a future's contract in quote currency.
Source of the fields: docs.deribit.com, "public/get_instruments".
"""

from __future__ import annotations

import gzip
import json
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from qflib.errors import DataError, InputError
from qflib.records import Instrument, Instruments

#: Deribit writes the year 3000 for perpetuals.
_PERPETUAL = "perpetual"
SOURCE = "deribit:0"


def instruments(path: Path) -> Instruments:
    """The instruments of a capture or of one answer of the REST method.

    Parameters
    ----------
    path
        Lines ``url -> time: json`` (gzipped or not), or a file that is one JSON answer.

    Returns
    -------
    Instruments
        Options, futures and perpetuals, in the order told. An instrument's underlying is its coin ("BTC", "ETH",
        "SOL_USDC"); ticks are schedules where Deribit tells ``tick_size_steps``; lots are ``min_trade_amount`` in
        contracts for inverse futures (amount over contract size) and in units of the coin otherwise.

    Raises
    ------
    DataError
        If the file is missing, truncated or holds no instrument list; the instrument is named where a row is wrong.
    """
    rows: dict[str, Instrument] = {}
    for answer in _answers(path):
        for told in answer:
            try:
                made = instrument_of(told)
            except (KeyError, TypeError, ValueError, ArithmeticError, InputError) as e:
                name = told.get("instrument_name", "?") if isinstance(told, dict) else told
                raise DataError(f"{path}: instrument {name} cannot be used: {e!r}") from None
            if made is not None:
                rows.setdefault(made.symbol, made)
    if not rows:
        raise DataError(f"{path} holds no Deribit instrument list; give an answer of public/get_instruments")
    return Instruments(tuple(rows.values()))


def _answers(path: Path) -> list[list[Any]]:
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    except FileNotFoundError:
        raise DataError(f"file {path} does not exist; give a capture of Deribit's instrument lists") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as e:
        raise DataError(f"file {path} is truncated or unreadable ({e}); fetch it again") from None
    found = []
    for line in text.splitlines():
        _, arrow, rest = line.partition(" -> ")
        body = rest.partition(": ")[2] if arrow else line
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            continue
        if isinstance(answer, dict) and isinstance(answer.get("result"), list):
            found.append(answer["result"])
    return found


def instrument_of(told: dict[str, Any]) -> Instrument | None:
    kind = told["kind"]
    if kind not in ("option", "future"):
        return None  # combinations
    name = told["instrument_name"]
    perpetual = told.get("settlement_period") == _PERPETUAL
    linear = told.get("instrument_type") == "linear" or told.get("future_type") == "linear" or "_USD" in name
    size = Decimal(str(told["contract_size"]))
    amount = Decimal(str(told["min_trade_amount"]))
    inverse_future = kind == "future" and not linear
    option: dict[str, Any] = {}
    if kind == "option":
        option = {"right": told["option_type"], "style": "european", "strike": float(told["strike"])}
    return Instrument(
        name, kind="perpetual" if perpetual else kind, underlying=name.split("-")[0],
        expiry=None if perpetual else pd.Timestamp(int(told["expiration_timestamp"]), unit="ms", tz="UTC"),
        multiplier=1.0 if inverse_future else float(size), contract_value=float(size) if inverse_future else 0.0,
        inverse=not linear, quote_currency=told.get("counter_currency", "USD"),
        settlement_currency=told.get("settlement_currency", told["base_currency"]), settlement_type="cash",
        tick_schedule=_ticks(told), lot=_text(amount / size), venue="deribit", venue_symbol=name, source=SOURCE,
        levels=True, **option,
    )  # fmt: skip


def _ticks(told: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    steps = sorted((Decimal(str(s["above_price"])), s["tick_size"]) for s in told.get("tick_size_steps") or ())
    base = ("0", _text(Decimal(str(told["tick_size"]))))
    return (base, *((_text(above), _text(Decimal(str(tick)))) for above, tick in steps))


def _text(d: Decimal) -> str:
    return f"{d.normalize():f}"
