"""A portfolio: instruments held, and every question asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging.currencies import Converted, priced
from qflib.hedging.portfolio_greeks import Units, is_coin_of, portfolio_greeks
from qflib.hedging.revaluation import Moves, Valued, value
from qflib.hedging.scenario_table import Accuracy, add_scenario_pnl
from qflib.kernels.position_values import YEAR_NS
from qflib.pricing.fx import settlement_of
from qflib.records.schema import frozen
from qflib.shortfall.decomposition import ComponentES
from qflib.shortfall.inputs import level_of

if TYPE_CHECKING:
    from qflib.hedging.comparison import WhatIf
    from qflib.hedging.ladder import Ladder
    from qflib.pricing import Market
    from qflib.records import Instrument
    from qflib.shortfall.scenarios import ScenarioSet

F8 = NDArray[np.float64]

COLUMNS = ("instrument", "qty", "avg_price")
GROUPS = ("instrument", "underlying", "expiry", "kind", "right", "strike", "currency")


@dataclass(frozen=True, eq=False)
class Portfolio:
    """Positions in instruments, reported in one currency.

    Parameters
    ----------
    name
        Of the portfolio, the key of its records.
    currency
        What P&L and Greeks are in, converted from what instruments quote at the market's rates of exchange. Inverse
        ones settle in coin, converted at the forward, or at the rate that the market's `fx` has for it.
    instruments
        Symbols, a position each; one may stand twice.
    qty, avg_price
        float64 (n,): signed contracts, and the price paid as the venue quotes it.

    Raises
    ------
    InputError
        If lengths differ, there is no position, a symbol is empty, or a number is not finite.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.hedging import Portfolio
    >>> rows = pd.DataFrame({"instrument": ["ACME.F"], "qty": [5], "avg_price": [100.25]})
    >>> Portfolio.from_frame(rows, name="DESK1", currency="USD")
    Portfolio(DESK1, 1 position, USD)
    """

    name: str
    currency: str
    instruments: tuple[str, ...]
    qty: F8
    avg_price: F8

    def __post_init__(self) -> None:
        symbols = tuple(str(s) for s in self.instruments)
        if not symbols:
            raise InputError(f"portfolio {self.name!r} has no positions; give one row at least")
        for column in ("qty", "avg_price"):
            try:
                values = np.array(getattr(self, column), np.float64, ndmin=1)
            except (TypeError, ValueError):
                raise InputError(f"{column} of portfolio {self.name!r} holds what is not a number") from None
            if values.shape != (len(symbols),):
                raise InputError(f"{column} has shape {values.shape} for {len(symbols)} instruments; give one each")
            if not np.isfinite(values).all():
                bad = int(np.flatnonzero(~np.isfinite(values))[0])
                raise InputError(f"{column} of {symbols[bad]!r} (row {bad}) is {values[bad]}; give a finite number")
            object.__setattr__(self, column, frozen(values))
        if "" in symbols or not self.name or not self.currency:
            raise InputError(f"portfolio {self.name!r} needs a name, a currency and a symbol in every row")
        object.__setattr__(self, "instruments", symbols)

    @classmethod
    def from_frame(cls, positions: pd.DataFrame, *, name: str = "DESK1", currency: str = "USD") -> Portfolio:
        """From a frame with the columns instrument, qty and avg_price.

        Raises
        ------
        InputError
            If it is no frame, a column is missing, the frame is empty, or a value is missing or not a number.
        """
        if not isinstance(positions, pd.DataFrame):
            raise InputError(
                f"positions are {type(positions).__name__}; give a DataFrame with the columns {', '.join(COLUMNS)}"
            )
        missing = [c for c in COLUMNS if c not in positions]
        if missing:
            raise InputError(
                f"positions have no column {missing[0]!r}; expected {', '.join(COLUMNS)}, got {list(positions.columns)}"
            )
        if positions["instrument"].isna().any():
            row = int(np.flatnonzero(positions["instrument"].isna())[0])
            raise InputError(f"instrument of row {row} is missing; give a symbol of the instrument table")
        return cls(
            name,
            currency,
            tuple(positions["instrument"]),
            positions["qty"].to_numpy(),
            positions["avg_price"].to_numpy(),
        )

    def to_frame(self) -> pd.DataFrame:
        """Columns instrument, qty, avg_price: what `from_frame` takes."""
        return pd.DataFrame({"instrument": list(self.instruments), "qty": self.qty, "avg_price": self.avg_price})

    def traded(self, trades: pd.DataFrame) -> Portfolio:
        """With trades appended: columns instrument and qty, and avg_price where known (0 where not).

        Raises
        ------
        InputError
            If a column is missing or a value is not a number.
        """
        missing = [c for c in ("instrument", "qty") if c not in trades]
        if missing:
            raise InputError(
                f"trades have no column {missing[0]!r}; give instrument and qty, and avg_price where known"
            )
        paid = trades["avg_price"] if "avg_price" in trades else np.zeros(len(trades))
        more = pd.DataFrame({"instrument": trades["instrument"], "qty": trades["qty"], "avg_price": paid})
        both = pd.concat([self.to_frame(), more], ignore_index=True) if len(more) else self.to_frame()
        return Portfolio.from_frame(both, name=self.name, currency=self.currency)

    def greeks(
        self, market: Market, by: str | Sequence[str] = ("underlying",), units: Units = "natural"
    ) -> pd.DataFrame:
        """Greeks of the positions in reporting currency, summed by instrument columns.

        Parameters
        ----------
        market
            Forwards, vols and the instrument table.
        by
            Of instrument, underlying, expiry, kind, right, strike, currency (what is settled in).
        units
            "natural": a year and per 1.00. "trader": theta a calendar day, vega and rho a point, cash delta, cash gamma
            for 1 %.

        Returns
        -------
        DataFrame
            Indexed by `by`; columns value, delta, gamma, vega, theta, rho, vanna, volga, charm, veta, speed, zomma,
            color, ultima. `value` is of options and spot (futures are settled daily). The delta of an inverse option
            is adjusted for its premium in coin. With "currency" in `by` also fx_delta: what the positions gain in
            reporting currency when the currency their value is in (coin, or what they quote) rises by 1.00, or (trader)
            by all of itself, if that value is not funded in it; 0 of the reporting currency.

        Raises
        ------
        InputError, DataError, UnknownInstrumentError
            If `by` or units are unknown, an instrument is not in the table, or the market cannot price it.
        """
        labels = self.labels(market, by)
        return portfolio_greeks(self.value(market), labels, self.qty, units, market, self.currency)

    @overload
    def scenario_pnl(  # type: ignore[overload-overlap]
        self,
        market: Market,
        scen: ScenarioSet,
        *,
        decay: bool = True,
        accuracy: Accuracy = "full",
        currency: Literal["settlement"],
        converted: Converted = "pnl",
    ) -> pd.DataFrame: ...

    @overload
    def scenario_pnl(
        self,
        market: Market,
        scen: ScenarioSet,
        *,
        decay: bool = True,
        accuracy: Accuracy = "full",
        currency: str | None = None,
        converted: Converted = "pnl",
    ) -> pd.Series[float]: ...

    def scenario_pnl(
        self,
        market: Market,
        scen: ScenarioSet,
        *,
        decay: bool = True,
        accuracy: Accuracy = "full",
        currency: str | None = None,
        converted: Converted = "pnl",
    ) -> pd.Series[float] | pd.DataFrame:
        """Full revaluation over the joint scenarios, gains positive.

        Forwards move by the scenario's return, each option keeps its own strike's vol plus the scenario's shift
        (floored at 0.01); with `decay` the horizon passes, too.

        Parameters
        ----------
        market, scen
            What prices the positions now, and what happens. Rates of exchange move by the set's pairs ("EUR/USD"); a
            coin without one moves with its underlying, which is its price.
        decay
            Whether the horizon passes.
        accuracy
            "full" revalues every option in every scenario. "fast": P&L is read off a grid of returns by vol shifts for
            each underlying, of as many nodes as keep every scenario within 1e-6 of the greatest P&L: a bound that is
            proven (`qflib.kernels.grid_error`), told in the result's `attrs["max_error"]`, and 0.0 of "full".
        currency
            Reported; None: the portfolio's. "settlement": what is paid, a column a settlement currency, each in itself.
        converted
            "pnl": the P&L in quote currency, or in coin, at the scenario's rate: qty · (V' − V) · X', so that what is
            held is funded in its own currency. "value": qty · (V' X' − V X), the value now at today's rate.

        Returns
        -------
        Series or DataFrame
            Indexed by `scenario`, (n,); `attrs["max_error"]`: no P&L is farther than this from "full", but for the last
            bits of its sum, in reporting currency (of settlement currencies: a dict, each in itself).

        Raises
        ------
        InputError
            If the set lacks an underlying held or a rate of exchange, or an option is unknown; or as `greeks`.

        Notes
        -----
        O(options · scenarios), some 4 ns each, or O(options · nodes + scenarios). On all cores; the bits do not depend
        on them. Everything is revalued, so that cross terms of price, vol and exchange are exact.
        """
        if currency == "settlement":
            return self._settled(market, scen, decay, accuracy, converted)
        out = np.zeros(scen.n)
        parts = self._priced(market, scen, decay, converted, currency)
        error = add_scenario_pnl(tuple(v for v, _ in parts), tuple(m for _, m in parts), out, accuracy)
        pnl = pd.Series(out, scen.index, name="pnl")
        pnl.attrs["max_error"] = error
        return pnl

    def _priced(
        self, market: Market, scen: ScenarioSet, decay: bool, converted: Converted, currency: str | None = None
    ) -> list[tuple[Valued, Moves]]:
        to = self.currency if currency is None else currency
        years = scen.horizon_ns / YEAR_NS if decay else 0.0
        return list(priced(self.value(market, to), market, scen, to, years, converted))

    def _settled(
        self, market: Market, scen: ScenarioSet, decay: bool, accuracy: Accuracy, converted: Converted
    ) -> pd.DataFrame:
        paid = self.labels(market, "currency")["currency"]
        made = {}
        for code in dict.fromkeys(paid):
            mine = np.flatnonzero(paid == code)
            part = Portfolio(
                self.name, code, tuple(self.instruments[i] for i in mine), self.qty[mine], self.avg_price[mine]
            )
            made[code] = part.scenario_pnl(market, scen, decay=decay, accuracy=accuracy, converted=converted)
        settled = pd.DataFrame(made)
        settled.attrs["max_error"] = {code: pnl.attrs["max_error"] for code, pnl in made.items()}
        return settled

    def component_es(
        self,
        market: Market,
        scen: ScenarioSet,
        level: float = 0.975,
        by: str | Sequence[str] = "instrument",
        *,
        decay: bool = True,
        currency: str | None = None,
        converted: Converted = "pnl",
    ) -> ComponentES:
        """Who causes the expected shortfall: Euler contributions that sum to it, every component fully revalued.

        Parameters
        ----------
        market, scen, decay, converted
            As of `scenario_pnl`.
        level
            Confidence.
        by
            As of `greeks`; "currency" is what instruments settle in. "greek", alone or beside others, splits by delta,
            gamma, vega, theta, vanna and volga (`qflib.hedging.greek_contributions`), exchange where rates of exchange
            move P&L, and higher order: what full revaluation adds.
        currency
            Reported; None: the portfolio's.

        Returns
        -------
        ComponentES
            With incremental figures; by "instrument" also marginal ones, a contract each (NaN where the quantities of
            an instrument's positions cancel out).

        Raises
        ------
        InputError
            If `by` or level is wrong; or as `scenario_pnl`.

        Notes
        -----
        O(options · scenarios): only one component's vector is held at a time, by Greek eight.
        """
        from qflib.hedging import component_shortfall as split

        confidence = level_of(level)
        wanted = [by] if isinstance(by, str) else list(by)
        groups = [name for name in wanted if name != "greek"]
        keys: list[tuple[Any, ...]] = [()] * len(self)
        if groups or not wanted:
            keys = list(self.labels(market, groups).itertuples(index=False, name=None))
        distinct = list(dict.fromkeys(keys))
        of = np.array([distinct.index(k) for k in keys])
        reported = self.currency if currency is None else currency
        total = self.scenario_pnl(market, scen, decay=decay, currency=reported, converted=converted)
        tail = split.Tail.of(np.asarray(total, np.float64), confidence)
        parts = self._priced(market, scen, decay, converted, reported)
        if "greek" in wanted:
            names, figures = split.by_greek(
                tail, parts, of, distinct, wanted.index("greek"), lambda v: is_coin_of(reported, v, market)
            )
        else:
            names = distinct
            figures = [tail.split(pnl) for pnl in split.group_pnl(parts, of, len(distinct), scen.n)]
        contribution, alone, incremental = np.array(figures).T.copy()
        marginal = None
        if wanted == ["instrument"]:
            held = np.bincount(of, self.qty, len(distinct))
            marginal = np.divide(contribution, held, out=np.full(len(held), np.nan), where=held != 0.0)
        return ComponentES(
            tail.es, tail.var, confidence, tuple(" ".join(map(str, k)) for k in names), contribution, alone, reported,
            marginal, incremental,
        )  # fmt: skip

    def ladder(
        self,
        market: Market,
        spot: Sequence[float],
        vol: Sequence[float] = (0.0,),
        time: Sequence[str | pd.Timedelta] | None = None,
    ) -> Ladder:
        """P&L on a grid of moves of all underlyings at once, and of time: see `qflib.hedging.ladder`."""
        from qflib.hedging.ladder import ladder

        return ladder(self, market, spot, vol, time)

    def what_if(self, trades: pd.DataFrame, market: Market, scen: ScenarioSet, level: float = 0.975) -> WhatIf:
        """Greeks and ES before and after trades: see `qflib.hedging.comparison`."""
        from qflib.hedging.comparison import what_if

        return what_if(self, trades, market, scen, level)

    def value(self, market: Market, currency: str | None = None) -> tuple[Valued, ...]:
        """The positions as arrays, valued in a currency (None: the portfolio's), an entry an underlying."""
        return value(self.name, currency or self.currency, self.instruments, self.qty, market)

    def labels(self, market: Market, by: str | Sequence[str]) -> pd.DataFrame:
        """Columns `by` of the instrument table, a row a position.

        Raises
        ------
        InputError
            If a name is not one of them.
        """
        names = [by] if isinstance(by, str) else list(by)
        unknown = [n for n in names if n not in GROUPS]
        if unknown or not names:
            raise InputError(f"by is {by!r}; expected some of {', '.join(GROUPS)}")
        rows = [market.instruments[s] for s in self.instruments]
        return pd.DataFrame({n: [_told(r, n) for r in rows] for n in names})

    def __len__(self) -> int:
        return len(self.instruments)

    def __repr__(self) -> str:
        return f"Portfolio({self.name}, {len(self)} position{'s' * (len(self) != 1)}, {self.currency})"

    def _repr_html_(self) -> str:
        return f"<p><b>{self.name}</b>, {self.currency}</p>" + str(self.to_frame().to_html(max_rows=20, index=False))


def _told(r: Instrument, name: str) -> Any:
    if name == "currency":
        return settlement_of(r)
    return r.symbol if name == "instrument" else getattr(r, name)
