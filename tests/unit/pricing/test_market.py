import numpy as np
import pandas as pd
import pytest

from qflib.errors import DataError, InputError, UnknownInstrumentError
from qflib.pricing import Market, black76, fit_surface
from qflib.records import Instrument, Instruments

AT = pd.Timestamp("2026-01-05T14:30Z")
NEAR, FAR = pd.Timestamp("2026-03-20T21:00Z"), pd.Timestamp("2026-06-19T21:00Z")


def option(strike: float, right: str, expiry: pd.Timestamp = NEAR, **more: object) -> Instrument:
    name = f"A-{expiry:%m}-{strike:g}-{right[0]}{'i' if more.get('inverse') else ''}"
    return Instrument(
        name, kind="option", underlying="A", right=right, style="european", strike=strike, expiry=expiry, **more
    )


OPTIONS = [option(k, r, e) for e in (NEAR, FAR) for k in (90.0, 95.0, 100.0, 105.0, 110.0) for r in ("call", "put")]
TABLE = Instruments(
    (
        Instrument("A.S", kind="spot", underlying="A"),
        Instrument("A.P", kind="perpetual", underlying="A"),
        Instrument("A.F2", kind="future", underlying="A", expiry=FAR),
        Instrument("A.F1", kind="future", underlying="A", expiry=NEAR),
        *OPTIONS,
        option(100.0, "call", NEAR, inverse=True),
    )
)


def tops() -> pd.DataFrame:
    mids = {"A.S": 99.0, "A.P": 99.5, "A.F2": 101.0, "A.F1": 100.0}
    for r in OPTIONS:
        years = (r.expiry - AT) / pd.Timedelta(days=365)
        mids[r.symbol] = black76(r.right, 100.0, r.strike, years, 0.2 + (100 - r.strike) / 1000, 0.03)
    years = (NEAR - AT) / pd.Timedelta(days=365)
    mids["A-03-100-ci"] = black76("call", 100.0, 100.0, years, 0.2, 0.03) / 100.0
    mid = pd.Series(mids)
    return pd.DataFrame({"bid": mid - 1e-3, "ask": mid + 1e-3})


def test_market_of_quotes():
    m = Market.from_quotes(TABLE, tops(), AT, rate=0.03)
    assert m.forwards == {"A": pytest.approx(100.0)}  # of the future that expires next
    assert m.mark("A.F2") == pytest.approx(101.0)
    assert m.years("A-03-90-c") == pytest.approx((NEAR - AT).total_seconds() / (365 * 86400), rel=1e-15)
    assert np.isnan(m.years("A.S"))
    assert m.vol("A-03-90-p") == pytest.approx(0.21, abs=1e-6)
    assert m.vol("A-03-100-ci") == pytest.approx(0.2, abs=1e-6)
    assert m.to_frame().loc["A-06-110-c", "vol"] == pytest.approx(0.19, abs=1e-6)


def test_forward_falls_back_to_perpetual_and_spot():
    quotes = tops()
    quotes.loc[["A.F1", "A.F2"], "bid"] = np.nan
    assert Market.from_quotes(TABLE, quotes, AT).forwards["A"] == pytest.approx(99.5)
    assert Market.from_quotes(TABLE, quotes.drop("A.P"), AT).forwards["A"] == pytest.approx(99.0)
    after = Market.from_quotes(TABLE, tops(), NEAR)
    assert after.forwards["A"] == pytest.approx(101.0)
    assert after.years("A-03-90-c") == 0.0


def test_vol_of_an_unquoted_option():
    quotes = tops()
    quotes.loc["A-03-90-p", "ask"] = np.nan
    m = Market.from_quotes(TABLE, quotes, AT, rate=0.03)
    assert np.isnan(m.vols["A-03-90-p"])
    assert m.vol("A-03-90-p") == m.vols["A-03-90-c"]  # the nearest quoted strike of its expiry
    terms = {r.symbol: (r.right, r.strike, r.expiry, m.years(r.symbol)) for r in OPTIONS}
    chain = pd.DataFrame.from_dict(terms, orient="index", columns=["right", "strike", "expiry", "years"])
    chain = chain.assign(forward=100.0, rate=0.03, iv=[m.vol(s) for s in chain.index])
    surface = fit_surface(chain)
    by_surface = Market.from_quotes(TABLE, quotes, AT, surfaces={"A": surface}, rate=0.03)
    years = m.years("A-03-90-p")
    assert by_surface.vol("A-03-90-p") == surface.vol(90.0, years, 100.0)
    price = black76("put", 100.0, 90.0, years, surface.vol(90.0, years, 100.0), 0.03)
    assert by_surface.mark("A-03-90-p") == pytest.approx(price, rel=1e-12)


def test_what_is_not_there_is_told():
    empty = tops().assign(bid=np.nan)
    m = Market.from_quotes(TABLE, empty, AT)
    with pytest.raises(DataError, match="underlying 'A' has no forward"):
        m.mark("A.F1")
    with pytest.raises(DataError, match="has no vol"):
        m.vol("A-03-90-p")
    with pytest.raises(DataError, match="nothing to plot"):
        m.plot()
    with pytest.raises(InputError, match="is a spot, not an option"):
        m.vol("A.S")
    with pytest.raises(UnknownInstrumentError, match="'B' is not in the table"):
        m.vol("B")
    with pytest.raises(UnknownInstrumentError, match="tops hold 'B'"):
        Market.from_quotes(TABLE, pd.DataFrame({"bid": [1.0], "ask": [1.0]}, index=["B"]), AT)
    with pytest.raises(InputError, match="no column 'ask'"):
        Market.from_quotes(TABLE, tops()[["bid"]], AT)
    with pytest.raises(InputError, match="no time zone"):
        Market.from_quotes(TABLE, tops(), AT.tz_localize(None))
    with pytest.raises(InputError, match="dynamics 'sticky_delta' are unknown"):
        Market.from_quotes(TABLE, tops(), AT, dynamics="sticky_delta")


def test_shows_itself():
    import holoviews as hv

    m = Market.from_quotes(TABLE, tops(), AT)
    assert isinstance(m.plot(), hv.core.Dimensioned)
    assert "sticky_strike" in m._repr_html_()


def test_rates_of_exchange():
    m = Market.from_quotes(TABLE, tops(), AT, rate=0.03, fx={"EUR": 1.25, "GBP": 1.5})
    assert m.fx_rate("EUR") == 1.25
    assert m.fx_rate("USD", "EUR") == 0.8
    assert m.fx_rate("EUR", "GBP") == pytest.approx(1.25 / 1.5)
    assert m.fx_rate("A") == m.forwards["A"]  # the coin that its inverse option settles in
    assert m.fx_rate("A", "EUR") == pytest.approx(80.0)
    assert Market.from_quotes(TABLE, tops(), AT, fx={"A": 99.0}).fx_rate("A") == 99.0
    in_euros = Market.from_quotes(TABLE, tops(), AT, fx={"USD": 0.8}, base="EUR")
    assert in_euros.fx_rate("A") == pytest.approx(80.0)
    with pytest.raises(DataError, match="no rate of exchange for 'CHF'"):
        m.fx_rate("CHF")
    with pytest.raises(InputError, match="base is empty"):
        Market.from_quotes(TABLE, tops(), AT, base="")
