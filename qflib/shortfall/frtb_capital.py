"""Capital of the Basel framework's internal models approach: MAR33.41 to MAR33.45.

In force from January 2023. The maximum rule and 60 days (33.41), the multiplier (33.42), the total (33.43), the form of
the surcharge (33.45) and the 12 weeks of the default risk charge (33.22) were compared with public transcriptions and a
vendor's reference; k of the surcharge stands as commonly quoted, its text could not be checked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError

#: Days whose average IMCC and SES count, MAR33.41.
AVERAGED = 60
ZONES = ("green", "amber", "red")
#: Of capital, for risk-weighted assets.
RWA_FACTOR = 12.5


@dataclass(frozen=True, eq=False)
class MarketRiskCapital:
    """Capital for market risk of a bank with desks in the internal models approach, and each part of it.

    Parameters
    ----------
    imcc_last, ses_last, imcc_average, ses_average
        Of modellable and non-modellable risk factors: the latest, and over the last `days` (60, or all there are).
    multiplier
        m_c.
    c_a
        max(IMCC + SES; m_c · average IMCC + average SES).
    drc
        Default risk charge.
    ima
        c_a + drc, of green and amber desks.
    k, surcharge
        Of amber desks: k · max(0, SA − IMA) of green and amber ones.
    sa_eligible, sa_ineligible, sa_all
        Standardised approach: of green and amber desks, of the others, of all.
    total
        min(ima + surcharge + sa_ineligible; sa_all) + max(0, ima − sa_eligible).
    """

    imcc_last: float
    ses_last: float
    imcc_average: float
    ses_average: float
    days: int
    multiplier: float
    c_a: float
    drc: float
    ima: float
    k: float
    surcharge: float
    sa_eligible: float
    sa_ineligible: float
    sa_all: float
    total: float

    @property
    def rwa(self) -> float:
        """Risk-weighted assets: 12.5 times the capital."""
        return RWA_FACTOR * self.total

    def to_frame(self) -> pd.DataFrame:
        """A row a figure, with its paragraph."""
        rows = [
            ("IMCC + SES, latest", self.imcc_last + self.ses_last, "MAR33.41"),
            ("m_c x IMCC + SES, average", self.multiplier * self.imcc_average + self.ses_average, "MAR33.41"),
            ("C_A", self.c_a, "MAR33.41"),
            ("m_c", self.multiplier, "MAR33.42"),
            ("DRC", self.drc, "MAR33.22"),
            ("IMA, green and amber desks", self.ima, "MAR33.43"),
            ("SA, green and amber desks", self.sa_eligible, "MAR33.43"),
            ("SA, other desks", self.sa_ineligible, "MAR33.43"),
            ("SA, all desks", self.sa_all, "MAR33.43"),
            ("k", self.k, "MAR33.45"),
            ("surcharge", self.surcharge, "MAR33.45"),
            ("capital", self.total, "MAR33.43"),
        ]
        return pd.DataFrame(rows, columns=["figure", "value", "paragraph"]).set_index("figure")

    def plot(self) -> Any:
        """Bars of the parts beside the standardised approach and the total."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        shown = ["C_A", "DRC", "surcharge", "SA, other desks", "SA, all desks", "capital"]
        return self.to_frame().loc[shown].hvplot.bar(y="value", rot=45, title="market risk capital", width=700)

    def _repr_html_(self) -> str:
        return f"<p>market risk capital {self.total:,.6g}</p>" + str(self.to_frame().to_html())


def market_risk_capital(
    imcc: Sequence[float],
    ses: Sequence[float],
    *,
    drc: Sequence[float] | float = 0.0,
    multiplier: float = 1.5,
    desks: Mapping[str, tuple[str, float]],
    sa_eligible: float,
    sa_ineligible: float = 0.0,
    sa_all: float,
) -> MarketRiskCapital:
    """Aggregate capital requirement for market risk, MAR33.41 to MAR33.45.

    Parameters
    ----------
    imcc, ses
        A figure a day, newest last, of desks that pass their backtests and are in the green or amber zone. The last 60
        are averaged; where there are fewer, all of them (`days` of the result).
    drc
        Default risk charge: a figure, or those of the last 12 weeks, newest last, of which the greater of the newest
        and the average counts (MAR33.22).
    multiplier
        m_c, from `qflib.shortfall.frtb_desks.bank_multiplier`.
    desks
        By name, the zone of the attribution test ("red": out of the approach, for whatever reason) and the standardised
        capital of the desk alone, for k = 0.5 · Σ amber / Σ green and amber.
    sa_eligible, sa_ineligible, sa_all
        Standardised capital of the green and amber desks together, of all others together, of all together.

    Raises
    ------
    InputError
        If a series is empty or not finite and 0 or above, lengths differ, a zone is unknown, m_c is below 1.5, or amber
        desks have no standardised capital.

    Examples
    --------
    >>> from qflib.shortfall.frtb_capital import market_risk_capital
    >>> desks = {"rates": ("green", 150.0), "credit": ("amber", 50.0), "exotics": ("red", 40.0)}
    >>> r = market_risk_capital(
    ...     [80.0] * 60, [10.0] * 60, drc=20.0, desks=desks, sa_eligible=180.0, sa_ineligible=40.0, sa_all=210.0
    ... )
    >>> r.c_a, r.ima, r.k, r.surcharge, r.total
    (130.0, 150.0, 0.125, 3.75, 193.75)
    """
    imcc, ses, charges = (_daily(name, x) for name, x in (("imcc", imcc), ("ses", ses), ("drc", drc)))
    if len(imcc) != len(ses):
        raise InputError(f"imcc has {len(imcc)} days and ses {len(ses)}; give the same days of both")
    if not (math.isfinite(multiplier) and multiplier >= 1.5):
        raise InputError(f"multiplier is {multiplier}; expected m_c, 1.5 or above")
    for name, figure in (("sa_eligible", sa_eligible), ("sa_ineligible", sa_ineligible), ("sa_all", sa_all)):
        if not (math.isfinite(figure) and figure >= 0.0):
            raise InputError(f"{name} is {figure}; expected standardised capital, 0 or above")
    days = min(len(imcc), AVERAGED)
    imcc_average, ses_average = (math.fsum(x[-days:]) / days for x in (imcc, ses))
    c_a = max(imcc[-1] + ses[-1], multiplier * imcc_average + ses_average)
    charge = max(charges[-1], math.fsum(charges) / len(charges))
    ima = c_a + charge
    k = _amber_share(desks)
    surcharge = k * max(0.0, sa_eligible - ima)
    total = min(ima + surcharge + sa_ineligible, sa_all) + max(0.0, ima - sa_eligible)
    return MarketRiskCapital(
        imcc[-1], ses[-1], imcc_average, ses_average, days, multiplier, c_a, charge, ima, k, surcharge,
        sa_eligible, sa_ineligible, sa_all, total,
    )  # fmt: skip


def _daily(name: str, told: object) -> list[float]:
    try:
        figures = np.ravel(np.asarray(told, np.float64)).tolist()
    except (TypeError, ValueError):
        figures = []
    if not figures or not all(math.isfinite(f) and f >= 0.0 for f in figures):
        raise InputError(f"{name} is empty or holds a figure below 0 or not finite; give one a day, newest last")
    return list(figures)


def _amber_share(desks: Mapping[str, tuple[str, float]]) -> float:
    """Half the amber desks' share of the green and amber desks' standardised capital."""
    sums = dict.fromkeys(ZONES, 0.0)
    for name, (zone, capital) in desks.items():
        if zone not in ZONES or not (math.isfinite(capital) and capital >= 0.0):
            raise InputError(
                f"desk {name!r} is {zone!r} with {capital}; expected {' or '.join(ZONES)} and capital of 0 or above"
            )
        sums[zone] += capital
    if any(zone == "amber" for zone, _ in desks.values()) and sums["green"] + sums["amber"] == 0.0:
        raise InputError("amber desks have no standardised capital; give each desk's own")
    return 0.5 * sums["amber"] / (sums["green"] + sums["amber"]) if sums["amber"] else 0.0
