"""Rates of exchange in scenarios: what P&L made at today's rates is worth at the scenario's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging.revaluation import Moves, Valued
from qflib.records.schema import frozen

if TYPE_CHECKING:
    from qflib.pricing import Market

F8 = NDArray[np.float64]
#: What is converted at the scenario's rate: the P&L, or the value.
Converted = Literal["pnl", "value"]


class Shocks(Protocol):
    """Joint scenarios."""

    @property
    def underlyings(self) -> tuple[str, ...]:
        """Their names, rates of exchange by their pair."""

    def shocks(self, underlying: str) -> tuple[F8, F8]:
        """Returns and vol shifts of one."""


def priced(
    valued: tuple[Valued, ...], market: Market, scen: Shocks, currency: str, years: float, converted: Converted = "pnl"
) -> Iterator[tuple[Valued, Moves]]:
    """Positions and their scenarios, those together whose P&L is converted alike.

    Parameters
    ----------
    valued
        In the currency reported.
    market
        Its base names the pairs of the set's rates of exchange, its table the underlyings of coins.
    scen
        Joint returns; a coin without a pair of its own has that of its underlying.
    currency
        Reported.
    years
        That pass.
    converted
        "pnl": P&L in quote currency or coin at the scenario's rate; what is held is funded in its own currency.
        "value": value then at the scenario's rate less value now at today's.

    Raises
    ------
    InputError
        If the set lacks an underlying or a rate of exchange that is needed, or `converted` is unknown.
    """
    if converted not in ("pnl", "value"):
        raise InputError(f"converted is {converted!r}; expected 'pnl' or 'value'")
    for v in valued:
        moves = Moves.of(*scen.shocks(v.underlying), years)
        kinds = list(zip(v.quote, v.coin, strict=True))
        made: dict[tuple[str, str], Moves] = {}
        for kind in dict.fromkeys(kinds):
            made[kind] = _converted(moves, *kind, market, scen, currency, converted)
        if all(m is moves for m in made.values()):
            yield v, moves
            continue
        for kind, m in made.items():
            yield v.only(np.array([k == kind for k in kinds], bool)), m


def _converted(
    moves: Moves, quote: str, coin: str, market: Market, scen: Shocks, to: str, converted: Converted
) -> Moves:
    whole: F8 | None
    weight: F8 | None
    forward = 1.0 + moves.spot_return
    pair = _pair(coin, market.base, scen) if coin else None
    if coin and coin == to:
        whole, weight = None, 1.0 / forward
    elif pair is not None:
        other = _in_base(to, market, scen, frozenset())
        whole = pair if other is None else pair / other
        weight = whole / forward
    else:
        weight = growth(quote, to, market, scen)
        whole = weight if not coin else forward if weight is None else forward * weight
    carried = None if converted == "pnl" or whole is None else frozen(whole - 1.0)
    if weight is None and carried is None:
        return moves
    return Moves(
        moves.spot_return, moves.vol_shift, moves.log_growth, moves.years,
        None if weight is None else frozen(weight), carried,
    )  # fmt: skip


def growth(currency: str, to: str, market: Market, scen: Shocks) -> F8 | None:
    """One plus the returns of a currency's worth in another; None: it is the same currency.

    Raises
    ------
    InputError
        If the set does not tell.
    """
    if currency == to:
        return None
    one, other = (_in_base(c, market, scen, frozenset()) for c in (currency, to))
    return _over(one, other)


def _over(one: F8 | None, other: F8 | None) -> F8 | None:
    if other is None:
        return one
    return np.asarray((1.0 if one is None else one) / other)


def _in_base(currency: str, market: Market, scen: Shocks, asked: frozenset[str]) -> F8 | None:
    if currency == market.base:
        return None
    pair = _pair(currency, market.base, scen)
    if pair is not None:
        return pair
    underlying, quote = market.coins.get(currency, ("", ""))
    if underlying not in scen.underlyings or currency in asked:
        raise InputError(
            f"the scenario set has no rate of exchange {currency}/{market.base}; "
            f"add it: scen.with_fx({{{currency!r}: returns}}), 0.0 for a peg"
        )
    moved = 1.0 + scen.shocks(underlying)[0]
    other = _in_base(quote, market, scen, asked | {currency})
    return moved if other is None else np.asarray(moved * other)


def _pair(currency: str, base: str, scen: Shocks) -> F8 | None:
    if f"{currency}/{base}" in scen.underlyings:
        return np.asarray(1.0 + scen.shocks(f"{currency}/{base}")[0])
    if f"{base}/{currency}" in scen.underlyings:
        return np.asarray(1.0 / (1.0 + scen.shocks(f"{base}/{currency}")[0]))
    return None
