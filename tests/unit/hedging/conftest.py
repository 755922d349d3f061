"""A small market of two underlyings, one with coin-settled contracts, and joint scenarios of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qflib.hedging import Portfolio
from qflib.pricing import Market
from qflib.records import Instrument, Instruments
from qflib.shortfall.scenarios import ScenarioSet

AT = pd.Timestamp("2026-01-05T14:30Z")
NEAR = pd.Timestamp("2026-01-06T09:00Z")  # expires inside a horizon of one day
MARCH = pd.Timestamp("2026-03-20T21:00Z")
JUNE = pd.Timestamp("2026-06-19T21:00Z")
DAY_NS = 86_400_000_000_000


def option(symbol: str, underlying: str, right: str, strike: float, expiry: pd.Timestamp, **more: object) -> Instrument:
    terms = {"kind": "option", "style": "european", "multiplier": 100.0, **more}
    return Instrument(symbol, underlying=underlying, right=right, strike=strike, expiry=expiry, **terms)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def instruments() -> Instruments:
    return Instruments(
        (
            Instrument("ACME.F", kind="future", underlying="ACME", expiry=MARCH, multiplier=100.0),
            option("ACME-M-100-C", "ACME", "call", 100.0, MARCH),
            option("ACME-M-100-P", "ACME", "put", 100.0, MARCH),
            option("ACME-J-120-C", "ACME", "call", 120.0, JUNE),
            option("ACME-N-101-P", "ACME", "put", 101.0, NEAR),
            Instrument("BETA.F", kind="future", underlying="BETA", expiry=JUNE, multiplier=50.0),
            option("BETA-J-40-P", "BETA", "put", 40.0, JUNE, multiplier=50.0),
            Instrument("COIN.P", kind="perpetual", underlying="COIN", inverse=True, contract_value=10.0),
            option("COIN-J-80K-C", "COIN", "call", 80_000.0, JUNE, inverse=True, multiplier=1.0),
            option("COIN-J-80K-P", "COIN", "put", 80_000.0, JUNE, inverse=True, multiplier=1.0),
            Instrument("COIN", kind="spot", underlying="COIN", lot="0.01"),
            option("ACME-J-100-A", "ACME", "call", 100.0, JUNE, style="american"),
            Instrument("EURO.F", kind="future", underlying="EURO", expiry=JUNE, quote_currency="EUR"),
        )
    )


@pytest.fixture(scope="session")
def market(instruments: Instruments) -> Market:
    vols = {
        "ACME-M-100-C": 0.24,
        "ACME-M-100-P": 0.24,
        "ACME-J-120-C": 0.21,
        "ACME-N-101-P": 0.3,
        "BETA-J-40-P": 0.35,
        "COIN-J-80K-C": 0.6,
        "COIN-J-80K-P": 0.6,
    }
    forwards = {"ACME": 101.5, "BETA": 42.0, "COIN": 79_000.0, "EURO": 10.0}
    return Market(AT, instruments, forwards, {}, vols, rate=0.03)


@pytest.fixture(scope="session")
def scen() -> ScenarioSet:
    rng = np.random.default_rng(17)
    common = rng.standard_t(4, (2000, 1))
    spot = 0.012 * (0.7 * common + 0.7 * rng.standard_t(4, (2000, 3)))
    vol = -0.6 * spot + rng.normal(0, 0.01, (2000, 3))
    return ScenarioSet(("ACME", "BETA", "COIN"), np.clip(spot, -0.6, 0.8), vol, DAY_NS, 0)


@pytest.fixture
def portfolio() -> Portfolio:
    rows = [
        ("ACME-M-100-C", -40, 4.0),
        ("ACME-J-120-C", 25, 1.2),
        ("ACME-N-101-P", -10, 0.6),
        ("BETA-J-40-P", -60, 2.0),
        ("ACME.F", 5, 101.0),
        ("COIN-J-80K-C", -2, 0.11),
        ("COIN.P", 300, 78_500.0),
    ]
    return Portfolio.from_frame(pd.DataFrame(rows, columns=["instrument", "qty", "avg_price"]), name="DESK1")
