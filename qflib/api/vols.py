"""The JSON form of an underlying's smiles: vols of the quotes, the fit, the flags of static arbitrage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from qflib.api.shapes import rfc3339
from qflib.records.decimals import decimal_text

if TYPE_CHECKING:
    import pandas as pd

    from qflib.pricing.svi_forms import SviSlice
    from qflib.views.vols import VolState


class VolQuote(Struct, frozen=True):
    """An option's vols, annual; null where a price has none, and `iv_status` says why of the mid.

    `k` is ln(strike / forward); `used` marks what the fits are of; `svi` is the expiry's slice, `ssvi` the surface;
    a miss is the fit less iv in half-spreads.
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
    ssvi: float | None
    svi: float | None
    ssvi_miss: float | None
    svi_miss: float | None


class VolSlice(Struct, frozen=True):
    """A raw SVI slice: total variance at k is a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2))."""

    a: float
    b: float
    rho: float
    m: float
    sigma: float


class VolExpiry(Struct, frozen=True):
    """A smile: its fits and its flags; null where the expiry has none.

    `svi_outside` and `ssvi_outside` count used quotes with the fit outside bid and ask. Of the slice, on the quoted
    range: `least_g` of Durrleman's g at `least_g_k`, a butterfly is an arbitrage where it is negative; `least_rise` of
    total variance from the slice before, negative where a calendar spread is one. `butterflies` and `calendars` of the
    quotes cost less than nothing at bid and ask.
    """

    expiry: str
    years: float
    forward: float | None
    n_quotes: int
    n_used: int
    no_vol: int
    theta: float | None
    atm_vol: float | None
    ssvi_rmse: float | None
    ssvi_outside: int | None
    svi_rmse: float | None
    svi_outside: int | None
    least_g: float | None
    least_g_k: float | None
    least_rise: float | None
    butterflies: int
    calendars: int
    svi: VolSlice | None


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
    names = [n for n in VolExpiry.__struct_fields__ if n not in ("expiry", "theta", "svi")]
    columns = [_counts(e[n]) if n.endswith("_outside") else e[n].tolist() for n in names]
    expiries = [
        VolExpiry(
            expiry=_instant(at), theta=theta.get(at), svi=_slice(smiles.slices.get(at)),
            **dict(zip(names, row, strict=True)),
        )
        for at, row in zip(e.index, zip(*columns, strict=True), strict=True)
    ]  # fmt: skip
    told = ("k", "bid_iv", "iv", "ask_iv", "iv_status", "used", "ssvi", "svi", "ssvi_miss", "svi_miss")
    listed = [q.index, q["expiry"].map(_instant), q["right"], q["strike"].map(decimal_text), *(q[n] for n in told)]
    return VolForm(
        smiles.underlying, stamp.seq, rfc3339(stamp.time_ns), stamp.time_ns, _since(state.quoted_ns, now_ns),
        rfc3339(state.fitted_ns), _since(state.fitted_ns, now_ns), state.took_ms,
        None if surface is None else VolSurface(
            surface.rho, surface.eta, surface.gamma, surface.rmse, surface.max_error
        ),
        smiles.reason, smiles.butterfly_free, smiles.calendar_free, expiries,
        [VolQuote(*row) for row in zip(*(c.tolist() for c in listed), strict=True)],
    )  # fmt: skip


def _slice(s: SviSlice | None) -> VolSlice | None:
    return None if s is None else VolSlice(s.a, s.b, s.rho, s.m, s.sigma)


def _counts(column: pd.Series[float]) -> list[int | None]:
    return [int(v) if v >= 0.0 else None for v in column.tolist()]


def _instant(at: object) -> str:
    return rfc3339(int(at.as_unit("ns").value))  # type: ignore[attr-defined]


def _since(then_ns: int, now_ns: int) -> int:
    return max(0, now_ns - then_ns) // 1_000_000
