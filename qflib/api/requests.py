"""The bodies that routes take: strict, every field named, every text and list bounded."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from qflib.api.shapes import BookName, OrderTypeName, SideName, TimeInForceName

# Every pattern ends in `$(?!\n)`: `$` alone lets a last line feed pass.
#: A positive decimal number: the wire's form of prices and quantities.
Decimal = Annotated[
    str, Meta(pattern=r"^[0-9]{1,18}(\.[0-9]{1,18})?$(?!\n)", description='decimal number, as "100.25"')
]
SignedDecimal = Annotated[str, Meta(pattern=r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$(?!\n)")]
#: An account or portfolio: printable ASCII, as the exchange takes it.
NAME = r"^[!-~]([ -~]{0,62}[!-~])?$(?!\n)"
Name = Annotated[str, Meta(pattern=NAME)]
Symbol = Annotated[str, Meta(min_length=1, max_length=64)]
#: An id of ours: it stands in an address too.
ID = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$(?!\n)"
Id = Annotated[str, Meta(pattern=ID)]
Level = Annotated[float, Meta(ge=0.5, lt=1.0)]
#: RFC 3339 with a zone.
INSTANT = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})$(?!\n)"
)
Finite = Annotated[float, Meta(ge=-1e15, le=1e15)]


class Body(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A body: an unknown field is an error."""


class NewOrder(Body, frozen=True, kw_only=True):
    """An order. A market order has no price; one good till a date (gtd) ends at `expire`, in market time."""

    client_order_id: Id
    account: Name
    portfolio: Name
    instrument: Symbol
    side: SideName
    qty: Decimal
    ord_type: OrderTypeName = "limit"
    time_in_force: TimeInForceName = "gtc"
    price: Decimal | None = None
    post_only: Annotated[bool, Meta(description="refused (would_take) where it would trade at once")] = False
    expire: Annotated[str, Meta(pattern=INSTANT, description="RFC 3339")] | None = None


class Approval(Body, frozen=True, kw_only=True):
    """A proposed scenario set that is to come into force, by its id: what was looked at, and no other."""

    set_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)")]


class NewSignal(Body, frozen=True, kw_only=True):
    """A trading signal of an external strategy."""

    instrument: Symbol
    direction: Literal["buy", "flat", "sell"]
    signal_id: Id | None = None
    strategy: Annotated[str, Meta(pattern=r"^[A-Za-z0-9 ._:-]{0,64}$(?!\n)")] = ""
    strength: Annotated[float, Meta(ge=0.0, le=1.0)] = 1.0
    horizon: Annotated[str, Meta(pattern=r"^[0-9]{1,9}(ns|us|ms|s|min|h|D)$(?!\n)", description="as 5min")] | None = (
        None
    )
    valid_until: Annotated[str, Meta(pattern=INSTANT, description="RFC 3339")] | None = None


class NewBooking(Body, frozen=True, kw_only=True):
    """A position booked, or moved to another portfolio; applied once an id."""

    booking_id: Id
    instrument: Symbol
    qty: SignedDecimal
    action: Literal["book", "transfer"] = "book"
    price: Decimal | None = None
    account: Name | None = None
    book: BookName = "client"
    to_portfolio: Name | None = None
    to_account: Name | None = None


class NewBookings(Body, frozen=True, kw_only=True):
    """Bookings that are applied together: readers see all of them or none."""

    bookings: Annotated[list[NewBooking], Meta(min_length=1, max_length=1_000)]


class Trade(Body, frozen=True, kw_only=True):
    """A trade that is not made yet; `cost` in the portfolio's currency lowers P&L after it."""

    instrument: Symbol
    qty: SignedDecimal
    cost: Finite = 0.0


class WhatIfBody(Body, frozen=True, kw_only=True):
    """Trades to weigh."""

    trades: Annotated[list[Trade], Meta(min_length=1, max_length=1_000)]
    level: Level = 0.975
    book: Literal["client", "hedge", "both"] = "both"
    by: Literal["instrument", "underlying", "expiry", "kind", "greek"] = "instrument"


class NewLimit(Body, frozen=True, kw_only=True):
    """A limit; without portfolio or instrument for all of them."""

    name: Literal["max_order_qty", "price_band", "max_position", "max_es", "max_abs_delta"]
    value: Annotated[float, Meta(gt=0.0, le=1e15)]
    portfolio: Name | None = None
    instrument: Symbol | None = None
    control_id: Id | None = None


class KillSwitch(Body, frozen=True, kw_only=True):
    """The kill switch: on, no new order is taken and resting ones are cancelled."""

    on: bool
    portfolio: Name | None = None
    instrument: Symbol | None = None
    control_id: Id | None = None


Numbers = float | list[float]


class PricingBody(Body, frozen=True, kw_only=True):
    """Options of one model, arrays at once; a single number stands for every option.

    `vol` gives prices and, but for Bachelier, Greeks; `price` gives implied vols. `black_scholes` takes `spot`, the
    others `forward`.
    """

    model: Literal["black_scholes", "black76", "bachelier"]
    right: Literal["call", "put"] | list[Literal["call", "put"]]
    strike: Numbers
    years: Numbers
    spot: Numbers | None = None
    forward: Numbers | None = None
    vol: Numbers | None = None
    price: Numbers | None = None
    rate: Numbers = 0.0
    dividend_yield: Numbers = 0.0
    units: Literal["natural", "trader"] = "natural"


class ShortfallBody(Body, frozen=True, kw_only=True):
    """A sample, newest last; `kind` tells its sign.

    `decay`, `threshold`, `model`, `dist` and `horizon` belong to some methods; others refuse them.
    """

    values: Annotated[list[float], Meta(min_length=1)]
    kind: Literal["pnl", "loss", "return"]
    level: Level | Annotated[list[Level], Meta(min_length=1, max_length=20)] = 0.975
    method: Literal[
        "historical", "age_weighted", "volatility_weighted", "filtered", "gaussian", "student_t", "skewed_t",
        "cornish_fisher", "evt",
    ] = "historical"  # fmt: skip
    convention: Literal[
        "rockafellar_uryasev", "hull", "ceil", "quantlib", "skfolio", "empyrical", "type7", "type7_strict",
        "quantstats_historical", "gaussian", "gaussian_ddof0", "modified", "performance_analytics", "ewma_volatility",
        "age_quarks", "acerbi_tasche", "ore", "quantstats", "quarks", "quarks_age", "quarks_volatility",
        "performance_analytics_gaussian", "performance_analytics_historical", "riskfolio",
    ] = "rockafellar_uryasev"  # fmt: skip
    decay: Annotated[float, Meta(gt=0.0, lt=1.0)] | None = None
    threshold: Annotated[float, Meta(gt=0.0, lt=1.0)] | None = None
    model: Literal["garch", "gjr_garch", "ewma"] | None = None
    dist: Literal["normal", "student_t", "skewed_t"] | None = None
    horizon: Annotated[float, Meta(ge=1, le=60, multiple_of=1)] | None = None  # 35.0 is whole in JSON
    confidence: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.95
