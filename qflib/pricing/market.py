"""The market at one instant: marks, forwards, implied vols and surfaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from qflib.errors import DataError, InputError, UnknownInstrumentError
from qflib.pricing.american_forward import american_on_forward, carried_forward, carried_spot, implied_vol_by_style
from qflib.pricing.european import black76
from qflib.pricing.fx import checked_fx, coins, worth
from qflib.pricing.nearest_forward import nearest_forwards
from qflib.pricing.surface import YEAR, Surface

if TYPE_CHECKING:
    from qflib.records.instrument import Instrument
    from qflib.records.instruments import Instruments

DYNAMICS = ("sticky_strike",)


@dataclass(frozen=True, eq=False)
class Market:
    """Quotes, forwards, discount, vols and surfaces at one instant.

    Parameters
    ----------
    at
        The instant, with a time zone.
    instruments
        The instrument table.
    forwards
        Underlying -> forward.
    marks
        Symbol -> mid price, as the venue quotes it (coin for inverse options); NaN where there is none.
    vols
        Option's symbol -> implied vol of its mid; NaN where there is none.
    surfaces
        Underlying -> fitted surface.
    dynamics
        How vols move with the forward: "sticky_strike", each option keeps its own.
    rate
        Discount rate, continuous, a year.
    fx
        Currency -> what one unit is worth in `base`. A coin that inverse instruments settle in needs none: it is worth
        its underlying's forward. One given here is converted at it, as at an index.
    base
        What `fx` is in.
    dividend_yields
        Underlying -> yield, continuous, a year: American options are exercised into the spot forward · e^(−(r − q) T).
        One without has the rate: they are exercised into the forward, as options on a future are.
    vol_status
        Option's symbol -> why it has a vol of its own, or none: see `implied_vol`.
    forward_expiries
        Underlying -> when its forward expires, None for a spot or perpetual: American options are priced on the forward
        carried from there to their own expiry. Of one that is not here the forward is taken to be each option's own.

    Raises
    ------
    InputError
        If `at` has no time zone, the dynamics are unknown, or a rate of exchange is not positive.

    Examples
    --------
    >>> import pandas as pd, qflib as qf
    >>> table = qf.Instruments((qf.Instrument("ACME.F", kind="future", underlying="ACME",
    ...                                       expiry=pd.Timestamp("2026-03-20T21:00Z")),))
    >>> market = qf.Market(pd.Timestamp("2026-01-05T14:30Z"), table, {"ACME": 100.0}, {"ACME.F": 100.0}, {})
    >>> market.mark("ACME.F"), round(market.years("ACME.F"), 4)
    (100.0, 0.2035)
    """

    at: pd.Timestamp
    instruments: Instruments
    forwards: Mapping[str, float]
    marks: Mapping[str, float]
    vols: Mapping[str, float]
    surfaces: Mapping[str, Surface] = field(default_factory=dict)
    dynamics: str = "sticky_strike"
    rate: float = 0.0
    fx: Mapping[str, float] = field(default_factory=dict)
    base: str = "USD"
    dividend_yields: Mapping[str, float] = field(default_factory=dict)
    vol_status: Mapping[str, str] = field(default_factory=dict)
    forward_expiries: Mapping[str, pd.Timestamp | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_instant(self.at)
        object.__setattr__(self, "fx", checked_fx(self.fx, self.base))
        if self.dynamics not in DYNAMICS:
            raise InputError(f"dynamics {self.dynamics!r} are unknown; expected {', '.join(DYNAMICS)}")

    @classmethod
    def from_quotes(
        cls,
        instruments: Instruments,
        tops: pd.DataFrame,
        at: pd.Timestamp,
        surfaces: Mapping[str, Surface] | None = None,
        dynamics: str = "sticky_strike",
        rate: float = 0.0,
        fx: Mapping[str, float] | None = None,
        base: str = "USD",
        dividend_yields: Mapping[str, float] | None = None,
    ) -> Market:
        """The market that a set of tops shows.

        Parameters
        ----------
        instruments
            The instrument table.
        tops
            Indexed by symbol; columns bid and ask, float prices, NaN where a side is empty.
        at
            The instant, with a time zone.
        surfaces, dynamics, rate, fx, base, dividend_yields
            As in `Market`.

        Returns
        -------
        Market
            Marks are mids of two-sided quotes. An underlying's forward is the mid of the future that expires next, else
            of its perpetual, else of its spot. Vols are implied from the options' mids by Black-76 on that forward, of
            American ones by `american` on the spot that carries to it.

        Raises
        ------
        InputError
            If columns are missing, a symbol stands twice, or `at` has no time zone.
        UnknownInstrumentError
            If a symbol is not in the table.

        Notes
        -----
        O(instruments).

        Examples
        --------
        >>> import pandas as pd
        >>> from qflib.pricing import Market
        >>> from qflib.records import Instrument, Instruments
        >>> expiry = pd.Timestamp("2026-03-20T21:00Z")
        >>> table = Instruments((
        ...     Instrument("ACME.F", kind="future", underlying="ACME", expiry=expiry),
        ...     Instrument("ACME-C", kind="option", underlying="ACME", right="call", style="european", strike=100.0,
        ...                expiry=expiry)))
        >>> tops = pd.DataFrame({"bid": [99.9, 4.0], "ask": [100.1, 4.2]}, index=["ACME.F", "ACME-C"])
        >>> market = Market.from_quotes(table, tops, pd.Timestamp("2026-01-05T14:30Z"))
        >>> market.forwards["ACME"], round(market.vol("ACME-C"), 4)
        (100.0, 0.2279)
        """
        _check_instant(at)
        missing = {"bid", "ask"} - set(tops)
        if missing:
            raise InputError(f"tops have no column {sorted(missing)[0]!r}; give bid and ask, indexed by symbol")
        if not tops.index.is_unique:
            raise InputError(
                f"symbol {tops.index[tops.index.duplicated()][0]!r} stands twice in tops; give one row each"
            )
        for symbol in tops.index:
            if symbol not in instruments:
                raise UnknownInstrumentError(
                    f"tops hold {symbol!r}, which is not in the instrument table; add or drop it"
                )
        mid = 0.5 * (tops["bid"].astype(np.float64) + tops["ask"].astype(np.float64))
        marks = {str(s): float(p) for s, p in mid.items()}
        surfaces = {} if surfaces is None else dict(surfaces)
        more = (surfaces, dynamics, rate, fx or {}, base, dividend_yields or {})
        forwards, expiries = nearest_forwards(instruments, marks, at)
        vols, status = _vols(cls(at, instruments, forwards, marks, {}, *more, {}, expiries))
        return cls(at, instruments, forwards, marks, vols, *more, status, expiries)

    def years(self, symbol: str) -> float:
        """ACT/365 years to the expiry instant, at least 0; NaN where it has none."""
        expiry = self.instruments[symbol].expiry
        return float("nan") if expiry is None else max(float((expiry - self.at) / YEAR), 0.0)

    def forward(self, symbol: str) -> float:
        """Forward of an instrument's underlying.

        Raises
        ------
        DataError
            If there is none.
        """
        underlying = self.instruments[symbol].underlying
        value = self.forwards.get(underlying, float("nan"))
        if not np.isfinite(value):
            raise DataError(f"underlying {underlying!r} has no forward at {self.at}; its future needs a bid and an ask")
        return value

    def dividend_yield(self, underlying: str) -> float:
        """Of an underlying; the rate where the market has none."""
        return self.dividend_yields.get(underlying, self.rate)

    def spot(self, symbol: str) -> float:
        """What an American option is exercised into: the spot that carries to the forward, over the forward's years.

        Raises
        ------
        DataError
            If there is no forward.
        """
        q = self.dividend_yield(self.instruments[symbol].underlying)
        return float(carried_spot(self.own_forward(symbol), self.years(symbol), self.rate, q))

    def own_forward(self, symbol: str) -> float:
        """The underlying's forward, carried at the rate less the yield to the expiry of the instrument.

        Raises
        ------
        DataError
            If there is no forward.

        Examples
        --------
        >>> import pandas as pd, qflib as qf
        >>> put = qf.Instrument("A-P", kind="option", underlying="A", right="put", style="american", strike=100.0,
        ...                     expiry=pd.Timestamp("2027-01-05T14:30Z"))
        >>> table = qf.Instruments((qf.Instrument("A", kind="spot", underlying="A"), put))
        >>> tops = pd.DataFrame({"bid": [100.0], "ask": [100.0]}, index=["A"])
        >>> market = qf.Market.from_quotes(table, tops, pd.Timestamp("2026-01-05T14:30Z"), rate=0.05,
        ...                                dividend_yields={"A": 0.0})
        >>> round(market.own_forward("A-P"), 4), round(market.spot("A-P"), 4)
        (105.1271, 100.0)
        """
        row = self.instruments[symbol]
        from_years, q = self.forward_years(row.underlying), self.dividend_yield(row.underlying)
        return float(carried_forward(self.forward(symbol), from_years, self.years(symbol), self.rate, q))

    def forward_years(self, underlying: str) -> float:
        """ACT/365 years to the expiry of an underlying's forward; NaN where that is each option's own."""
        if underlying not in self.forward_expiries:
            return float("nan")
        expiry = self.forward_expiries[underlying]
        return 0.0 if expiry is None else max(float((expiry - self.at) / YEAR), 0.0)

    @cached_property
    def coins(self) -> Mapping[str, tuple[str, str]]:
        """Coin -> the underlying whose price it is, and what that is quoted in."""
        return coins(self.instruments)

    def fx_rate(self, currency: str, to: str | None = None) -> float:
        """What one unit of a currency or coin is worth in another; None: in the base.

        From `fx`; a coin's that is not there from the forward of its underlying.

        Raises
        ------
        DataError
            If there is none.

        Examples
        --------
        >>> import pandas as pd, qflib as qf
        >>> table = qf.Instruments((qf.Instrument("COIN.P", kind="perpetual", underlying="COIN", inverse=True,
        ...                                       contract_value=10.0),))
        >>> market = qf.Market(pd.Timestamp("2026-01-05T14:30Z"), table, {"COIN": 55_000.0}, {}, {}, fx={"EUR": 1.1})
        >>> market.fx_rate("COIN"), round(market.fx_rate("COIN", "EUR"), 6)
        (55000.0, 50000.0)
        """
        to = self.base if to is None else to
        if currency == to:
            return 1.0
        one, other = (worth(c, self.base, self.fx, self.coins, self.forwards) for c in (currency, to))
        return one / other

    def vol(self, symbol: str) -> float:
        """Vol of an option: its own implied vol, else its surface's, else that of the nearest quoted strike.

        Raises
        ------
        DataError
            If nothing of the underlying has a vol.
        InputError
            If the instrument is not an option.
        """
        row = self.instruments[symbol]
        if row.kind != "option":
            raise InputError(f"instrument {symbol!r} is a {row.kind}, not an option; it has no vol")
        own = self.vols.get(symbol, float("nan"))
        if np.isfinite(own):
            return own
        years = self.years(symbol)
        if row.underlying in self.surfaces and years > 0.0:
            return float(self.surfaces[row.underlying].vol(row.strike, years, self.forward(symbol)))
        return self._nearest_vol(row)

    def mark(self, symbol: str) -> float:
        """Mid price, as the venue quotes it; an option without one is priced at its vol, a future at the forward.

        Raises
        ------
        DataError
            If there is neither.
        """
        row = self.instruments[symbol]
        mid = self.marks.get(symbol, float("nan"))
        if np.isfinite(mid):
            return mid
        forward = self.forward(symbol)
        if row.kind != "option":
            return forward
        terms = (row.strike, self.years(symbol), self.vol(symbol), self.rate)
        if row.style == "american":
            q = self.dividend_yield(row.underlying)
            return float(american_on_forward(row.right, self.own_forward(symbol), *terms, q))
        value = float(black76(row.right, forward, *terms))
        return value / forward if row.inverse else value

    def to_frame(self) -> pd.DataFrame:
        """One row an instrument: kind, underlying, mark, forward, years, vol, vol_status; NaN where it shows none."""
        rows = self.instruments.rows
        nan = float("nan")
        return pd.DataFrame(
            {
                "kind": [r.kind for r in rows],
                "underlying": [r.underlying for r in rows],
                "mark": [self.marks.get(r.symbol, nan) for r in rows],
                "forward": [self.forwards.get(r.underlying, nan) for r in rows],
                "years": [self.years(r.symbol) for r in rows],
                "vol": [self.vols.get(r.symbol, nan) for r in rows],
                "vol_status": [self.vol_status.get(r.symbol, "") for r in rows],
            },
            index=pd.Index([r.symbol for r in rows], name="symbol"),
        )

    def plot(self) -> Any:
        """Implied vols over strike, an underlying and expiry a colour; a HoloViews object.

        Raises
        ------
        DataError
            If no option has a vol.
        """
        import hvplot.pandas  # noqa: F401

        options = [r for r in self.instruments if np.isfinite(self.vols.get(r.symbol, float("nan")))]
        if not options:
            raise DataError(f"no option has an implied vol at {self.at}; nothing to plot")
        shown = pd.DataFrame(
            {
                "strike": [r.strike for r in options],
                "vol": [self.vols[r.symbol] for r in options],
                "smile": [f"{r.underlying} {r.expiry:%Y-%m-%d}" for r in options],
            }
        )
        return shown.hvplot.scatter(x="strike", y="vol", by="smile", title=f"{self.at}")

    def _repr_html_(self) -> str:
        head = (
            f"<p><b>Market</b> at {self.at}: {len(self.instruments)} instruments, {self.dynamics}, rate {self.rate}</p>"
        )
        return head + self.to_frame().to_html(max_rows=20)

    def _nearest_vol(self, row: Instrument) -> float:
        """Of the nearest quoted expiry the nearest strike, in table order where two are as near."""
        quoted = [
            r for r in self.instruments
            if r.underlying == row.underlying and np.isfinite(self.vols.get(r.symbol, float("nan")))
        ]  # fmt: skip
        if not quoted or row.expiry is None:
            raise DataError(
                f"option {row.symbol!r} has no vol at {self.at}; quote it or give a surface of its underlying"
            )
        to = row.expiry
        near = min(quoted, key=lambda r: (abs((r.expiry or to) - to), abs(r.strike - row.strike)))
        return self.vols[near.symbol]


def _check_instant(at: pd.Timestamp) -> None:
    if at.tzinfo is None:
        raise InputError(f"at={at} has no time zone; give an instant as 2026-01-05T14:30Z")


def _vols(market: Market) -> tuple[dict[str, float], dict[str, str]]:
    rows = [r for r in market.instruments if r.kind == "option"]
    if not rows:
        return {}, {}
    forward = np.array([market.forwards[r.underlying] for r in rows], np.float64)
    forward = np.where(forward > 0.0, forward, np.nan)  # a lognormal vol needs a positive forward
    price = np.array([market.marks.get(r.symbol, float("nan")) for r in rows], np.float64)
    price = np.where([r.inverse for r in rows], price * forward, price)
    years = np.array([market.years(r.symbol) for r in rows])
    right, strike = np.array([r.right for r in rows]), np.array([r.strike for r in rows])
    early = np.array([r.style == "american" for r in rows], bool)
    q = np.array([market.dividend_yield(r.underlying) for r in rows])
    rate = np.full(len(rows), market.rate)
    from_years = np.array([market.forward_years(r.underlying) for r in rows])
    forward = np.where(early, carried_forward(forward, from_years, years, market.rate, q), forward)
    iv, status = implied_vol_by_style(early, pd.Series(price), right, strike, years, forward, rate, q)
    symbols = [r.symbol for r in rows]
    return dict(zip(symbols, iv.tolist(), strict=True)), dict(zip(symbols, map(str, status), strict=True))
