"""End-of-day chains of one underlying, and each strike's calls and puts from one day to the next."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from qflib.errors import DataError, InputError
from qflib.pricing import black76, greeks, implied_vol, parity_forwards

_COLUMNS = ("quote_date", "expiry", "right", "strike", "bid", "ask", "underlying_price")
_KEYS = ["quote_date", "expiry", "strike"]
_DISCOUNTS = (0.97, 1.03)  # of months: what lies outside comes from wrong quotes


def read_day_chains(path: str | Path) -> pd.DataFrame:
    """End-of-day quotes in a CSV file.

    Parameters
    ----------
    path
        Columns quote_date, expiration, strike, option_type (c, p or call, put), bid, ask, underlying_price.

    Returns
    -------
    DataFrame
        Columns quote_date, expiry, right, strike, bid, ask, underlying_price; rows without a readable date are left
        out, of doubles the first stays.

    Raises
    ------
    DataError
        If the file is missing, unreadable, or lacks a column.

    Examples
    --------
    >>> read_day_chains("nothing.csv")
    Traceback (most recent call last):
    qflib.errors.DataError: file nothing.csv does not exist; give a CSV file of end-of-day quotes
    """
    told = ["quote_date", "expiration", "strike", "option_type", "bid", "ask", "underlying_price"]
    try:
        d = pd.read_csv(path, usecols=told)
    except FileNotFoundError:
        raise DataError(f"file {path} does not exist; give a CSV file of end-of-day quotes") from None
    except (OSError, EOFError, ValueError, zlib.error) as e:
        raise DataError(f"file {path} is no CSV file of end-of-day quotes: {e}") from None
    right = d["option_type"].str.lower().str[:1].map({"c": "call", "p": "put"})
    dates = {c: pd.to_datetime(d[c], errors="coerce") for c in ("quote_date", "expiration")}
    d = d.assign(quote_date=dates["quote_date"], expiry=dates["expiration"], right=right)
    return d.dropna(subset=["quote_date", "expiry", "right"]).drop_duplicates([*_KEYS, "right"])[list(_COLUMNS)]


def daily_moves(quotes: pd.DataFrame, *, least_bid: float = 0.05, gap_days: int = 4) -> pd.DataFrame:
    """Each strike's call and put beside one another, and what they were on the next day.

    The forward and the discount factor of an expiry and day come from put-call parity; the vol is that of the
    out-of-the-money one of the two.

    Parameters
    ----------
    quotes
        As `read_day_chains` gives them.
    least_bid
        Quotes below are left out.
    gap_days
        A next day further off, as after a lack of quotes, is none.

    Returns
    -------
    DataFrame
        Columns quote_date, expiry, strike, call, put (mids), spot, forward, discount, years (ACT/365), vol;
        delta_forward, the call's per 1.00 of the forward; delta, per 1.00 of a spot that moves in proportion; vega; and
        quote_date, call, put, spot, forward on the next day with `_next`. In order of expiry, strike and day.

    Raises
    ------
    InputError
        If a column is missing.

    Notes
    -----
    O(n log n). Expiries of five days and less are left out.

    Examples
    --------
    >>> made = daily_moves(simulated_day_chains(seed=7, days=10))
    >>> bool((made["quote_date_next"] > made["quote_date"]).all())
    True
    """
    if missing := [c for c in _COLUMNS if c not in quotes]:
        raise InputError(f"quotes have no column {missing[0]!r}; expected {', '.join(_COLUMNS)}")
    d = quotes[quotes["bid"] > least_bid]
    d = d.assign(mid=(d["bid"] + d["ask"]) / 2)
    forwards = parity_forwards(d, by=["quote_date", "expiry"])
    forwards = forwards[forwards["discount"].between(*_DISCOUNTS)]
    wide = d.pivot_table(index=_KEYS, columns="right", values="mid").dropna().reset_index()
    wide["spot"] = wide["quote_date"].map(d.groupby("quote_date")["underlying_price"].first())
    wide["years"] = (wide["expiry"] - wide["quote_date"]).dt.days / 365
    wide = wide[wide["years"] > 5 / 365].join(forwards, on=["quote_date", "expiry"], how="inner")
    out = np.where(wide["strike"] >= wide["forward"], "call", "put")
    price = np.where(out == "call", wide["call"], wide["put"])
    rate = (-np.log(wide["discount"]) / wide["years"]).to_numpy()
    terms = (wide["strike"].to_numpy(), wide["years"].to_numpy())
    vol, status = implied_vol(price, out, *terms, forward=wide["forward"].to_numpy(), rate=rate)
    wide = wide.assign(vol=vol, rate=rate)[status == "ok"]
    g = greeks("call", wide["strike"], wide["years"], wide["vol"], forward=wide["forward"], rate=wide["rate"])
    in_spot = g["delta"] * wide["forward"] / wide["spot"]
    wide = wide.assign(delta_forward=g["delta"], delta=in_spot, vega=g["vega"])
    wide = wide.sort_values(["expiry", "strike", "quote_date"])
    later = wide.groupby(["expiry", "strike"])[["quote_date", "call", "put", "spot", "forward"]].shift(-1)
    wide = wide.join(later.add_suffix("_next")).dropna(subset=["call_next"])
    near = (wide["quote_date_next"] - wide["quote_date"]).dt.days <= gap_days
    made: pd.DataFrame = wide[near]
    return made


def simulated_day_chains(seed: int = 7, days: int = 40) -> pd.DataFrame:
    """End-of-day quotes of an index that is simulated, as `read_day_chains` would give them.

    Parameters
    ----------
    seed
        The same seed gives the same quotes.
    days
        Business days from 2 January 2018 on, 2 or more.

    Returns
    -------
    DataFrame

    Raises
    ------
    InputError
        If there are fewer than two days.

    Notes
    -----
    Spot moves by a normal law at its vol at the money, and that vol against it (-0.75 points for each percent); quotes
    lie half a tick of 0.05 and more around Black-76. O(days).

    Examples
    --------
    >>> simulated_day_chains(seed=7, days=2)["quote_date"].nunique()
    2
    """
    if days < 2:
        raise InputError(f"days is {days}; a move is from one day to another, so give 2 at least")
    rng = np.random.default_rng(seed)
    dates = pd.bdate_range("2018-01-02", periods=days)
    expiries = dates[0] + pd.to_timedelta([28, 56, 84, 119], "D")
    strikes = np.arange(2300.0, 3100.0, 25.0)
    spot, vol, rate, parts = 2700.0, 0.14, 0.015, []
    for date in dates:
        for expiry in expiries[expiries > date]:
            years = (expiry - date).days / 365
            forward = spot * np.exp((rate - 0.018) * years)
            x = np.log(strikes / forward) / np.sqrt(years)
            for right in ("call", "put"):
                value = black76(right, forward, strikes, years, np.maximum(vol - 0.09 * x + 0.1 * x * x, 0.04), rate)
                half = 0.05 + 0.004 * np.asarray(value)
                bid = np.round(np.maximum(np.asarray(value) - half, 0.0) / 0.05) * 0.05
                columns = {"quote_date": date, "expiry": expiry, "right": right, "strike": strikes, "bid": bid}
                ask = bid + np.maximum(np.round(2.0 * half / 0.05) * 0.05, 0.05)
                parts.append(pd.DataFrame({**columns, "ask": ask, "underlying_price": spot}))
        move = vol * np.sqrt(1 / 252) * rng.standard_normal()
        spot *= np.exp(move)
        vol = max(vol - 0.75 * move + 0.05 * (0.14 - vol) + 0.003 * rng.standard_normal(), 0.08)
    return pd.concat(parts, ignore_index=True)
