"""The JSON form of an underlying's smiles: vols of the quotes, the fit, the flags of static arbitrage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from qflib.api.shapes import rfc3339
from qflib.records.decimals import decimal_text

if TYPE_CHECKING:
    from qflib.views.vols import VolState


class VolQuote(Struct, frozen=True):
    """An option's vols, annual; null where a price has none, and `iv_status` says why of the mid.

    `k` is ln(strike / forward); `used` marks what the fit is of; `miss` is fitted less iv in half-spreads: beyond 1 the
    fit lies outside bid and ask.
    """

    instrument: str
    expiry: str
    right: str
    strike: str
    k: float | None
    bid_iv: float | None
    iv: float | None
    ask_iv: float | None
    iv_status: str
    used: bool
    fitted: float | None
    miss: float | None


class VolExpiry(Struct, frozen=True):
    """A smile: its fit, and its flags; null where the expiry has no fit.

    The fit's flags: `least_g` of Durrleman's g at `least_g_k`, a butterfly is an arbitrage where it is negative;
    `least_rise` of total variance from the expiry before, negative where a calendar spread is one. `butterflies` and
    `calendars` of the quotes cost less than nothing at bid and ask.
    """

    expiry: str
    years: float
    forward: float | None
    n_quotes: int
    n_used: int
    no_vol: int
    theta: float | None
    atm_vol: float | None
    rmse: float | None
    outside: int
    least_g: float | None
    least_g_k: float | None
    least_rise: float | None
    butterflies: int
    calendars: int


class VolSurface(Struct, frozen=True):
    """An SSVI surface with power-law slope: with each expiry's theta, total variance at k is
    theta/2 (1 + rho phi k + sqrt((phi k + rho)^2 + 1 - rho^2)), phi = eta / (theta^gamma (1 + theta)^(1 - gamma)).
    """

    rho: float
    eta: float
    gamma: float
    rmse: float
    max_error: float


class VolForm(Struct, frozen=True):
    """The smiles of an underlying: computed when asked for, at most once a second.

    `seq`, `time` and `age_ms` are of the newest quote in them, `fitted` and `fit_age_ms` of the computation. Without a
    `surface`, `reason` says why there is none.
    """

    underlying: str
    seq: int
    time: str
    time_ns: int
    age_ms: int
    fitted: str
    fit_age_ms: int
    took_ms: float
    surface: VolSurface | None
    reason: str
    butterfly_free: bool
    calendar_free: bool
    expiries: list[VolExpiry]
    quotes: list[VolQuote]


def vol_form(state: VolState, now_ns: int) -> VolForm:
    """Smiles as JSON shows them; O(quotes)."""
    smiles, stamp, surface = state.smiles, state.stamp, state.smiles.surface
    q, e = smiles.quotes, smiles.expiries
    theta = {} if surface is None else dict(zip(sorted(surface.quotes["expiry"].unique()), surface.theta.tolist(),
                                                strict=True))  # fmt: skip
    names = [n for n in VolExpiry.__struct_fields__ if n not in ("expiry", "theta")]
    expiries = [
        VolExpiry(expiry=_instant(at), theta=theta.get(at), **dict(zip(names, row, strict=True)))
        for at, row in zip(e.index, zip(*(e[n].tolist() for n in names), strict=True), strict=True)
    ]
    told = ("k", "bid_iv", "iv", "ask_iv", "iv_status", "used", "fitted", "miss")
    columns = [q.index, q["expiry"].map(_instant), q["right"], q["strike"].map(decimal_text), *(q[n] for n in told)]
    return VolForm(
        smiles.underlying, stamp.seq, rfc3339(stamp.time_ns), stamp.time_ns, _since(state.quoted_ns, now_ns),
        rfc3339(state.fitted_ns), _since(state.fitted_ns, now_ns), state.took_ms,
        None if surface is None else VolSurface(
            surface.rho, surface.eta, surface.gamma, surface.rmse, surface.max_error
        ),
        smiles.reason, smiles.butterfly_free, smiles.calendar_free, expiries,
        [VolQuote(*row) for row in zip(*(c.tolist() for c in columns), strict=True)],
    )  # fmt: skip


def _instant(at: object) -> str:
    return rfc3339(int(at.as_unit("ns").value))  # type: ignore[attr-defined]


def _since(then_ns: int, now_ns: int) -> int:
    return max(0, now_ns - then_ns) // 1_000_000
