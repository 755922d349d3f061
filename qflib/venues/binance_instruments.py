"""Binance's instruments: from the rules it tells (REST exchangeInfo), or from the decimals of its messages.

Binance writes all prices with the same eight decimals: zeros at the end say nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pandas as pd

from qflib.errors import InputError
from qflib.records import Instrument
from qflib.venues.decimal_text import significant
from qflib.venues.inferred import infer

SOURCE = "binance:0"
_QUOTES = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "BTC", "ETH", "BNB", "EUR", "TRY", "BRL", "JPY", "DAI")
_EXPIRY_HOUR = "T08:00Z"  # of delivery futures
_message = msgspec.json.Decoder(dict[str, Any])


def define(payload: bytes, found: dict[str, Instrument]) -> None:
    """Add the instruments of a frame that holds an answer of exchangeInfo; other frames say nothing."""
    if b"exchangeInfo" in payload[:200]:
        discover(payload, found)


def discover(payload: bytes, found: dict[str, Instrument]) -> None:
    """Add what a frame tells: rules of trading, or the decimals of a book's levels and of trades."""
    try:
        told = _message.decode(payload)
        body = told.get("data") or told.get("body") or told
        if "symbols" in body:
            for row in body["symbols"]:
                found[row["symbol"]] = _ruled(row)
            return
        symbol, levels = _levels(told, body)
        if not symbol and len(found) == 1:  # a snapshot names none
            [symbol] = found
        if symbol:
            infer(found, symbol, levels, significant, instrument)
    except (msgspec.MsgspecError, InputError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return  # the decoder refuses the frame and says why


def instrument(symbol: str, source: str = SOURCE, **more: Any) -> Instrument:
    """A spot pair, but for tick and lot."""
    quote = next((q for q in _QUOTES if symbol.endswith(q) and symbol != q), "USDT")
    return Instrument(
        symbol,
        **{
            "underlying": symbol, "quote_currency": quote, "settlement_currency": quote,
            "venue": source.partition(":")[0], "venue_symbol": symbol, "source": source, "levels": True, **more,
        },
    )  # fmt: skip


def future(symbol: str, source: str, **more: Any) -> Instrument:
    """A linear future, perpetual unless its symbol tells a day, but for tick and lot."""
    pair, _, day = symbol.partition("_")
    expiry = pd.Timestamp(f"20{day[:2]}-{day[2:4]}-{day[4:]}{_EXPIRY_HOUR}") if len(day) == 6 else None
    kind = "future" if expiry is not None else "perpetual"
    own = {"kind": kind, "expiry": expiry, "underlying": pair, "settlement_type": "cash"}
    return instrument(symbol, source, **own, **more)


def _ruled(row: dict[str, Any]) -> Instrument:
    rules = {r["filterType"]: r for r in row["filters"]}
    own = {
        "quote_currency": row["quoteAsset"], "settlement_currency": row.get("marginAsset", row["quoteAsset"]),
        "tick_schedule": (("0", rules["PRICE_FILTER"]["tickSize"]),), "lot": rules["LOT_SIZE"]["stepSize"],
    }  # fmt: skip
    if "contractType" in row:
        return future(row["symbol"], "binance_futures:0", **own)
    return instrument(row["symbol"], **own)


def _levels(told: dict[str, Any], body: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """A message's symbol, where it tells one, and its prices with their quantities."""
    symbol: str = body.get("s", "")
    url = told.get("url", "")
    if "symbol=" in url:
        symbol = url.partition("symbol=")[2].partition("&")[0].upper()
    if "bids" in body:
        return symbol, [*body["bids"], *body["asks"]]
    if "p" in body:
        return symbol, [(body["p"], body["q"])]
    if isinstance(body.get("b"), list):
        return symbol, [*body["b"], *body["a"]]
    return symbol, [(body["b"], body["B"]), (body["a"], body["A"])]
