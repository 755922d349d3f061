"""A chain's smiles with their bid and ask: vols and their status, the fit, the flags of static arbitrage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError, QflibError
from qflib.pricing.chain import chain_implied_vol, checked_chain
from qflib.pricing.inputs import Floats
from qflib.pricing.quoted_arbitrage import quoted_butterflies, quoted_calendars
from qflib.pricing.surface import Surface
from qflib.pricing.surface_fit import fit_surface
from qflib.pricing.svi import svi_durrleman
from qflib.pricing.svi_forms import svi_from_natural

_GRID = 401  # points at which a fit is looked at
_ROUNDING = 1e-12  # of a total variance
_FLAGS = ("least_g", "least_g_k", "least_rise")


@dataclass(frozen=True, eq=False)
class Smiles:
    """The smiles of one underlying at one instant, as `fit_smiles` makes them.

    Parameters
    ----------
    underlying
        Its name, empty where the chain had none.
    surface
        The fitted surface; None where there is none.
    reason
        Why there is none; empty where there is one.
    quotes
        The chain's index; columns expiry, years, right, strike, forward, k = ln(strike / forward), bid_iv, iv, ask_iv
        (NaN where a price has no vol), iv_status (of the mid), used (out of the money, what the fit is of), fitted,
        and miss: fitted less iv in half-spreads of vol, beyond 1 the fit lies outside bid and ask.
    expiries
        Index expiry; columns years, forward, n_quotes, n_used, no_vol (options without one), atm_vol, rmse, outside
        (used quotes with the fit outside bid and ask), the fit's flags least_g and least_g_k (Durrleman's g on the
        quoted range, twice as wide; a butterfly is an arbitrage where it is negative) and least_rise (of total
        variance from the expiry before at any k; negative: a calendar spread is one), and the quotes' own: butterflies
        and calendars that cost less than nothing at bid and ask.
    """

    underlying: str
    surface: Surface | None
    reason: str
    quotes: pd.DataFrame = field(repr=False)
    expiries: pd.DataFrame = field(repr=False)

    @property
    def butterfly_free(self) -> bool:
        """Whether g of the fit is nowhere negative and no quoted butterfly costs less than nothing."""
        return not ((self.expiries["least_g"] < 0.0).any() or self.expiries["butterflies"].any())

    @property
    def calendar_free(self) -> bool:
        """Whether the fit's total variance never falls with time and no quoted calendar costs less than nothing."""
        return not ((self.expiries["least_rise"] < -_ROUNDING).any() or self.expiries["calendars"].any())

    def curve(self, expiry: pd.Timestamp, n: int = 61) -> tuple[Floats, Floats]:
        """Strikes and fitted vols of an expiry over the range of its used quotes, a little wider; empty without a fit.

        Raises
        ------
        InputError
            If the chain has no such expiry.
        """
        if expiry not in self.expiries.index:
            raise InputError(f"expiry {expiry} is not in the chain; it has {', '.join(map(str, self.expiries.index))}")
        quotes = self.quotes
        used = quotes.loc[quotes["used"] & (quotes["expiry"] == expiry), "k"].to_numpy(np.float64)
        years, forward = (float(self.expiries[c].to_dict()[expiry]) for c in ("years", "forward"))
        if self.surface is None or not used.size:
            return np.empty(0), np.empty(0)
        low, high = float(used.min()), float(used.max())
        k = np.linspace(low - 0.03 * (high - low), high + 0.03 * (high - low), n)
        return forward * np.exp(k), np.sqrt(self.surface.total_variance(k, years) / years)

    def to_frame(self) -> pd.DataFrame:
        """The quotes."""
        return self.quotes.copy()

    def plot(self) -> Any:
        """Bid to ask as bars and the fit as lines, in points over the strike, an expiry a colour."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)

        overlay, colors = [], hv.Cycle("Category10").values
        for j, expiry in enumerate(self.expiries.index):
            q = self.quotes[self.quotes["used"] & (self.quotes["expiry"] == expiry)]
            color, label = colors[j % len(colors)], f"{expiry:%Y-%m-%d}"
            bars = (q["strike"].to_numpy(), 100 * q["bid_iv"].to_numpy(), q["strike"].to_numpy(), 100 * q["ask_iv"])
            overlay.append(hv.Segments(bars, ["strike", "vol", "strike_", "ask"]).opts(color=color, line_width=3))
            strikes, vols = self.curve(expiry)
            overlay.append(hv.Curve((strikes, 100 * vols), "strike", "vol", label=label).opts(color=color))
        return hv.Overlay(overlay).opts(
            title=f"{self.underlying} {self.reason or 'bid and ask, and the fit'}".strip(), xlabel="strike",
            ylabel="implied vol, points (1 is 0.01)", legend_position="right", show_grid=True, width=900, height=400,
        )  # fmt: skip

    def __repr__(self) -> str:
        what = self.reason or f"rmse {100 * self.surface.rmse:.3f} vol points" if self.surface else self.reason
        return f"Smiles({self.underlying}: {len(self.expiries)} expiries, {len(self.quotes):,} quotes; {what})"

    def _repr_html_(self) -> str:
        flags = f"butterfly-free {self.butterfly_free}, calendar-free {self.calendar_free}"
        head = f"<p><b>{self.underlying} smiles</b>: {self.reason or flags}</p>"
        return head + self.expiries.to_html(float_format=lambda v: f"{v:.6g}")


def fit_smiles(chain: pd.DataFrame) -> Smiles:
    """Vols of a chain's bids, mids and asks, an SSVI surface through them, and the flags of static arbitrage.

    A fit that is not to be had is no error: vols and quoted flags are there, and `reason` says why it is not.

    Parameters
    ----------
    chain
        A chain frame of one underlying: columns right, strike, expiry, years, forward, bid, ask, mid; underlying, rate
        and inverse where there are.

    Returns
    -------
    Smiles
        Frozen; `quotes`, `expiries`, `surface`, `curve`, `plot`, `butterfly_free`, `calendar_free`.

    Raises
    ------
    InputError
        If columns are missing or it is of several underlyings.

    Notes
    -----
    O(quotes times expiries) a step of the fit.
    Source: Gatheral and Jacquier 2014, "Arbitrage-free SVI volatility surfaces", equation 2.1, sections 4 and 5.

    Examples
    --------
    >>> import qflib as qf
    >>> from qflib.pricing import fit_smiles
    >>> smiles = fit_smiles(qf.datasets.load("sim", seed=7, duration="2s").chain("ACME"))
    >>> smiles.butterfly_free, smiles.calendar_free, smiles.quotes["iv_status"].unique().tolist()
    (True, True, ['ok'])
    """
    rows = checked_chain(chain, "mid")
    if missing := {"bid", "ask"} - set(rows):
        raise InputError(f"the chain has no column {sorted(missing)[0]!r}; a smile is of bid and ask")
    names = rows["underlying"].astype(str).unique() if "underlying" in rows else np.array([""])
    if len(names) > 1:
        raise InputError(f"the chain is of {len(names)} underlyings ({', '.join(names[:3])}); take one at a time")
    quotes = _quotes(rows)
    surface, reason = _fitted(rows.assign(iv=quotes["iv"]), str(names[0]), quotes)
    quotes = _with_fit(quotes, surface)
    return Smiles(str(names[0]), surface, reason, quotes, _expiries(rows, quotes, surface))


def _quotes(rows: pd.DataFrame) -> pd.DataFrame:
    vols = {p: chain_implied_vol(rows, p) for p in ("bid", "mid", "ask")}
    k = np.log((rows["strike"] / rows["forward"]).where(rows["forward"] > 0.0))
    call = rows["right"].isin(["call", "c", "C"])
    iv = vols["mid"]["iv"]
    made: pd.DataFrame = rows[["expiry", "years", "right", "strike", "forward"]].assign(
        k=k, bid_iv=vols["bid"]["iv"], iv=iv, ask_iv=vols["ask"]["iv"], iv_status=vols["mid"]["iv_status"],
        used=np.where(call, k >= 0.0, k <= 0.0) & (iv > 0.0) & (rows["years"] > 0.0),
    )  # fmt: skip
    return made


def _fitted(rows: pd.DataFrame, name: str, quotes: pd.DataFrame) -> tuple[Surface | None, str]:
    if not np.isfinite(rows["forward"]).any():
        return None, f"{name or 'the underlying'} has no forward; its future, perpetual or spot needs a bid and an ask"
    if not quotes["used"].any():
        counts = quotes["iv_status"].value_counts()
        told = ", ".join(f"{n} {status}" for status, n in counts.items() if status != "ok")
        return None, f"no option out of the money has a vol of {len(quotes)}; {told or 'none is out of the money'}"
    try:
        return fit_surface(rows), ""
    except QflibError as e:
        return None, str(e)
    except (ValueError, np.linalg.LinAlgError) as e:  # the solver's own words
        return None, f"the fit did not end: {e}"


def _with_fit(quotes: pd.DataFrame, surface: Surface | None) -> pd.DataFrame:
    fitted = np.full(len(quotes), np.nan)
    if surface is not None:
        at = (quotes["years"] > 0.0) & quotes["k"].notna() & quotes["expiry"].isin(surface.quotes["expiry"])
        there = at.to_numpy()
        years = quotes["years"].to_numpy(np.float64)[there]
        fitted[there] = np.sqrt(surface.total_variance(quotes["k"].to_numpy(np.float64)[there], years) / years)
        quotes = quotes.assign(used=quotes["used"] & at)
    half = 0.5 * (quotes["ask_iv"] - quotes["bid_iv"])
    return quotes.assign(fitted=fitted, miss=((fitted - quotes["iv"]) / half).where(half > 0.0))


def _expiries(rows: pd.DataFrame, quotes: pd.DataFrame, surface: Surface | None) -> pd.DataFrame:
    by = quotes.groupby("expiry", sort=True)
    used = quotes[quotes["used"]]
    error = ((used["fitted"] - used["iv"]) ** 2).groupby(used["expiry"]).mean() ** 0.5
    outside = (used["fitted"] < used["bid_iv"]) | (used["fitted"] > used["ask_iv"])
    made = pd.DataFrame({"years": by["years"].median(), "forward": by["forward"].median(), "n_quotes": by.size()})
    index = made.index
    made["n_used"] = used.groupby("expiry").size().reindex(index, fill_value=0)
    made["no_vol"] = (quotes["iv_status"] != "ok").groupby(quotes["expiry"]).sum()
    made["atm_vol"] = _at_the_money(made, surface)
    made["rmse"] = error.reindex(index)
    made["outside"] = outside.groupby(used["expiry"]).sum().reindex(index, fill_value=0)
    made = made.join(_flags(quotes, surface))
    return made.assign(butterflies=quoted_butterflies(rows), calendars=quoted_calendars(rows))


def _at_the_money(expiries: pd.DataFrame, surface: Surface | None) -> Floats:
    """Of the fit where the expiry is in it."""
    if surface is None:
        return np.full(len(expiries), np.nan)
    fitted = pd.Series(np.sqrt(surface.theta / surface.years), index=np.sort(surface.quotes["expiry"].unique()))
    return np.asarray(fitted.reindex(expiries.index), np.float64)


def _flags(quotes: pd.DataFrame, surface: Surface | None) -> pd.DataFrame:
    """Durrleman's g and the rise of total variance, looked at in the fit: it is built to have no arbitrage."""
    if surface is None:
        return pd.DataFrame({n: np.empty(0) for n in _FLAGS})
    used = quotes[quotes["used"]]
    rows, before = {}, None
    k = used["k"]
    grid = np.linspace(min(2.0 * k.min(), -0.1), max(2.0 * k.max(), 0.1), _GRID)
    for theta, years, (expiry, own) in zip(surface.theta, surface.years, used.groupby("expiry"), strict=True):
        phi = surface.eta / (theta**surface.gamma * (1.0 + theta) ** (1.0 - surface.gamma))
        wide = np.linspace(min(2.0 * own["k"].min(), -0.1), max(2.0 * own["k"].max(), 0.1), _GRID)
        raw = svi_from_natural(0.0, 0.0, surface.rho, float(theta), float(phi))
        g, w = svi_durrleman(wide, **raw), surface.total_variance(grid, float(years))
        rise = w if before is None else w - before
        rows[expiry] = float(g.min()), float(wide[int(g.argmin())]), float(rise.min())
        before = w
    return pd.DataFrame(
        rows.values(), index=pd.Index(rows, name="expiry"), columns=["least_g", "least_g_k", "least_rise"]
    )
