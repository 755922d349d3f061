"""A chain's smiles with their bid and ask: vols and their status, the fit, the flags of static arbitrage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
import pandas as pd

from qflib.errors import InputError, QflibError
from qflib.pricing.chain import chain_implied_vol, checked_chain
from qflib.pricing.inputs import Floats
from qflib.pricing.quoted_arbitrage import quoted_butterflies, quoted_calendars
from qflib.pricing.smile_slices import FLAGS, fit_slices, slice_flags
from qflib.pricing.surface import Surface
from qflib.pricing.surface_fit import fit_surface
from qflib.pricing.svi_forms import SviSlice

Line = Literal["svi", "ssvi"]


@dataclass(frozen=True, eq=False)
class Smiles:
    """The smiles of one underlying at one instant, as `fit_smiles` makes them.

    Parameters
    ----------
    underlying
        Its name, empty where the chain had none.
    surface
        The fitted SSVI surface, free of static arbitrage; None where there is none.
    reason
        Why there is none; empty where there is one.
    slices
        Expiry -> raw SVI slice, closer to its own quotes than the surface and free to have arbitrage where they do;
        expiries with fewer than five quotes, with quotes of one strike alone or whose fit does not end have none.
    quotes
        The chain's index; columns expiry, years, right, strike, forward, k = ln(strike / forward), bid_iv, iv, ask_iv
        (NaN where a price has no vol), iv_status (of the mid), used (out of the money, what the fits are of), the fits
        ssvi and svi, and how far they are off the mid in half-spreads of vol, ssvi_miss and svi_miss.
    expiries
        Index expiry; columns years, forward, n_quotes, n_used, no_vol (options without one), atm_vol (of the slice,
        else the surface); of each fit its rmse in vol and how many used quotes have it outside bid and ask, ssvi_rmse,
        ssvi_outside, svi_rmse, svi_outside; of the slices least_g, least_g_k and least_rise, as `slice_flags` gives
        them: negative where a butterfly or a calendar spread is an arbitrage; and of the quotes themselves butterflies
        and calendars, how many cost less than nothing at bid and ask.
    """

    underlying: str
    surface: Surface | None
    reason: str
    slices: dict[Any, SviSlice] = field(repr=False)
    quotes: pd.DataFrame = field(repr=False)
    expiries: pd.DataFrame = field(repr=False)

    @property
    def butterfly_free(self) -> bool:
        """Whether g of no slice is negative and no quoted butterfly costs less than nothing."""
        return not ((self.expiries["least_g"] < 0.0).any() or self.expiries["butterflies"].any())

    @property
    def calendar_free(self) -> bool:
        """Whether total variance falls from no slice to the next and no quoted calendar costs less than nothing."""
        return not ((self.expiries["least_rise"] < 0.0).any() or self.expiries["calendars"].any())

    def curve(self, expiry: pd.Timestamp, fit: Line = "svi", n: int = 61) -> tuple[Floats, Floats]:
        """Strikes and vols of an expiry's fit over the range of its used quotes, a little wider; empty without one.

        Parameters
        ----------
        expiry
            One of the chain's.
        fit
            "svi", the slice, or "ssvi", the surface.
        n
            How many points.

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
        if not used.size or (self.surface is None if fit == "ssvi" else expiry not in self.slices):
            return np.empty(0), np.empty(0)
        low, high = float(used.min()), float(used.max())
        k = np.linspace(low - 0.03 * (high - low), high + 0.03 * (high - low), n)
        return forward * np.exp(k), _fit_vol(self.surface, self.slices.get(expiry), k, years, fit)

    def to_frame(self) -> pd.DataFrame:
        """The quotes."""
        return self.quotes.copy()

    def plot(self) -> Any:
        """Bid to ask as bars and the fits as lines, in points over the strike, an expiry a colour."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)

        overlay, colors = [], hv.Cycle("Category10").values
        for j, expiry in enumerate(self.expiries.index):
            q = self.quotes[self.quotes["used"] & (self.quotes["expiry"] == expiry)]
            color, label = colors[j % len(colors)], f"{expiry:%Y-%m-%d}"
            bars = (q["strike"].to_numpy(), 100 * q["bid_iv"].to_numpy(), q["strike"].to_numpy(), 100 * q["ask_iv"])
            overlay.append(hv.Segments(bars, ["strike", "vol", "strike_", "ask"]).opts(color=color, line_width=3))
            for fit, dash in (("svi", "solid"), ("ssvi", "dashed")):
                strikes, vols = self.curve(expiry, cast(Line, fit))
                line = hv.Curve((strikes, 100 * vols), "strike", "vol", label=f"{label} {fit.upper()}")
                overlay.append(line.opts(color=color, line_dash=dash))
        return hv.Overlay(overlay).opts(
            title=f"{self.underlying} {self.reason or 'bid and ask, and the fits'}".strip(), xlabel="strike",
            ylabel="implied vol, points (1 is 0.01)", legend_position="right", show_grid=True, width=900, height=400,
        )  # fmt: skip

    def __repr__(self) -> str:
        what = self.reason if self.surface is None else f"rmse {100 * self.surface.rmse:.3f} vol points"
        return f"Smiles({self.underlying}: {len(self.expiries)} expiries, {len(self.quotes):,} quotes; {what})"

    def _repr_html_(self) -> str:
        flags = f"butterfly-free {self.butterfly_free}, calendar-free {self.calendar_free}"
        head = f"<p><b>{self.underlying} smiles</b>: {self.reason or flags}</p>"
        return head + self.expiries.to_html(float_format=lambda v: f"{v:.6g}")


def fit_smiles(chain: pd.DataFrame) -> Smiles:
    """Vols of a chain's bids, mids and asks, an SSVI surface and SVI slices through them, flags of static arbitrage.

    A fit that is not to be had is no error: vols and quoted flags are there, and `reason` says why it is not.

    Parameters
    ----------
    chain
        A chain frame of one underlying: columns right, strike, expiry, years, forward, bid, ask, mid; underlying, rate
        and inverse where there are.

    Returns
    -------
    Smiles
        Frozen; `quotes`, `expiries`, `surface`, `slices`, `curve`, `plot`, `butterfly_free`, `calendar_free`.

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
    if surface is not None:
        quotes = quotes.assign(used=quotes["used"] & quotes["expiry"].isin(surface.quotes["expiry"]))
    slices = {} if surface is None else fit_slices(quotes[quotes["used"]], surface)
    quotes = _with_fits(quotes, surface, slices)
    return Smiles(str(names[0]), surface, reason, slices, quotes, _expiries(rows, quotes, surface, slices))


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


def _fit_vol(surface: Surface | None, own: SviSlice | None, k: Floats, years: Any, fit: Line) -> Floats:
    """Vols at k; of a raw slice, which may be negative beyond its quotes, NaN there."""
    if fit == "ssvi":
        w = np.full(k.shape, np.nan) if surface is None else surface.total_variance(k, years)
    else:
        w = np.full(k.shape, np.nan) if own is None else own.total_variance(k)
    vols: Floats = np.sqrt(np.where(w > 0.0, w, np.nan) / years)
    return vols


def _with_fits(quotes: pd.DataFrame, surface: Surface | None, slices: dict[Any, SviSlice]) -> pd.DataFrame:
    fits = {fit: np.full(len(quotes), np.nan) for fit in ("ssvi", "svi")}
    if surface is not None:
        there = ((quotes["years"] > 0.0) & quotes["k"].notna()).to_numpy()
        k, years = quotes["k"].to_numpy(np.float64), quotes["years"].to_numpy(np.float64)
        expiry = quotes["expiry"]
        for e in surface.quotes["expiry"].unique():
            at = there & (expiry == e).to_numpy()
            for fit, vols in fits.items():
                vols[at] = _fit_vol(surface, slices.get(e), k[at], years[at], cast(Line, fit))
    half = 0.5 * (quotes["ask_iv"] - quotes["bid_iv"])
    misses = {f"{fit}_miss": ((vols - quotes["iv"]) / half).where(half > 0.0) for fit, vols in fits.items()}
    return quotes.assign(**fits, **misses)


def _expiries(
    rows: pd.DataFrame, quotes: pd.DataFrame, surface: Surface | None, slices: dict[Any, SviSlice]
) -> pd.DataFrame:
    by = quotes.groupby("expiry", sort=True)
    used = quotes[quotes["used"]]
    made = pd.DataFrame({"years": by["years"].median(), "forward": by["forward"].median(), "n_quotes": by.size()})
    index = made.index
    made["n_used"] = used.groupby("expiry").size().reindex(index, fill_value=0)
    made["no_vol"] = (quotes["iv_status"] != "ok").groupby(quotes["expiry"]).sum()
    made["atm_vol"] = _at_the_money(made, surface, slices)
    for fit in ("ssvi", "svi"):
        error = ((used[fit] - used["iv"]) ** 2).groupby(used["expiry"]).mean() ** 0.5
        outside = ((used[fit] < used["bid_iv"]) | (used[fit] > used["ask_iv"])).groupby(used["expiry"]).sum()
        made[f"{fit}_rmse"] = error.reindex(index)
        made[f"{fit}_outside"] = outside.reindex(index).where(made[f"{fit}_rmse"].notna())
    made = made.join(slice_flags(slices) if slices else pd.DataFrame({n: np.empty(0) for n in FLAGS}))
    return made.assign(butterflies=quoted_butterflies(rows), calendars=quoted_calendars(rows))


def _at_the_money(expiries: pd.DataFrame, surface: Surface | None, slices: dict[Any, SviSlice]) -> list[float]:
    if surface is None:
        return [np.nan] * len(expiries)
    theta = dict(zip(np.sort(surface.quotes["expiry"].unique()), surface.theta, strict=True))
    found = {e: float(slices[e].total_variance(0.0)) if e in slices else float(w) for e, w in theta.items()}
    at = [found.get(e, np.nan) for e in expiries.index]
    return [float(np.sqrt(w / t)) if w > 0.0 else np.nan for w, t in zip(at, expiries["years"], strict=True)]
