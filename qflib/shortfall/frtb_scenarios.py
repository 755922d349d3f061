"""The internal models approach's expected shortfall from scenario P&L: liquidity horizons, three sets, risk classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from qflib.errors import InputError
from qflib.shortfall.estimate import expected_shortfall
from qflib.shortfall.frtb import HORIZONS, LEVEL, RHO, imcc, liquidity_horizon_es
from qflib.shortfall.inputs import Kind, level_of, pnl_of

F8 = NDArray[np.float64]


def scenario_horizon_es(
    pnl: ArrayLike,
    horizons: Sequence[float] = HORIZONS,
    *,
    kind: Kind = "pnl",
    nested: bool = True,
    level: float = LEVEL,
) -> tuple[float, F8]:
    """ES over liquidity horizons from scenario P&L over the base horizon, MAR33.3 and MAR33.4.

    Parameters
    ----------
    pnl
        (n, horizons). Nested: column j is the P&L when all risk factors whose horizon is `horizons[j]` or longer move
        and the others stand still, each revalued in full: the first column is the whole. Not nested: column j is the
        P&L of those factors whose horizon is just `horizons[j]`, and columns are summed from the longest down, which
        is exact where P&L of factors adds up.
    horizons
        Rising, in days; the first is the base horizon of the shocks.
    kind
        As in `expected_shortfall`.
    nested
        See pnl.
    level
        Confidence.

    Returns
    -------
    es, each
        The cascade, and the ES of each step (horizons,). A step whose tail gains counts with its size, as the square
        in the text has it.

    Raises
    ------
    InputError
        As `expected_shortfall`; or if columns and horizons differ.

    Examples
    --------
    >>> from qflib.shortfall.frtb_scenarios import scenario_horizon_es
    >>> es, each = scenario_horizon_es([[-3.0, -4.0], [1.0, 2.0]], (10, 20), nested=False, level=0.5)
    >>> round(es, 6), each.tolist()
    (8.062258, [7.0, 4.0])
    """
    parts = pnl_of(pnl, kind, ndim=2)
    if parts.shape[1] != len(horizons):
        raise InputError(f"pnl has {parts.shape[1]} columns for horizons {list(horizons)}; give one each")
    if not nested:
        parts = np.cumsum(parts[:, ::-1], axis=1)[:, ::-1]
    c = level_of(level)
    each = np.array([float(expected_shortfall(column, c, kind="pnl").es) for column in parts.T])
    return liquidity_horizon_es(each.tolist(), horizons, base=horizons[0]), each


class RiskClassPnl(NamedTuple):
    """Nested scenario P&L (n, horizons) of a risk class: reduced set stressed, full and reduced set current."""

    reduced_stressed: ArrayLike
    full_current: ArrayLike
    reduced_current: ArrayLike


@dataclass(frozen=True, eq=False)
class IMCC:
    """Internally modelled capital charge, with what it is made of.

    Parameters
    ----------
    imcc
        ρ ES(all) + (1 − ρ) Σ ES(class), MAR33.15.
    unconstrained, constrained
        ES of all risk classes together; Σ of each alone.
    classes
        A row for "all" and each class: es_rs, es_fc, es_rc over liquidity horizons, ratio (floored at 1), es.
    reduced_set_share
        ES of the reduced over that of the full set, today's: the test of MAR33.5(2)(b) is of its average.
    """

    imcc: float
    unconstrained: float
    constrained: float
    classes: pd.DataFrame
    reduced_set_share: float

    def to_frame(self) -> pd.DataFrame:
        """The rows of `classes`."""
        return self.classes

    def plot(self) -> Any:
        """Bars of ES, all risk classes and each alone."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        return self.classes.hvplot.bar(y="es", title=f"IMCC {self.imcc:,.6g}", rot=45, width=700, height=360)

    def _repr_html_(self) -> str:
        said = f"IMCC {self.imcc:,.6g}; reduced set {self.reduced_set_share:.1%} of the full one"
        return f"<p>{said}</p>" + str(self.classes.to_html())


def scenario_imcc(
    all_classes: RiskClassPnl,
    classes: Mapping[str, RiskClassPnl],
    horizons: Sequence[float] = HORIZONS,
    *,
    kind: Kind = "pnl",
    rho: float = RHO,
    level: float = LEVEL,
) -> IMCC:
    """The capital charge of modellable risk factors from scenario P&L, MAR33.3 to MAR33.15.

    ES over liquidity horizons of each of the three sets, scaled to the stressed period: of all risk classes together,
    and of each with the others' factors standing still.

    Parameters
    ----------
    all_classes, classes
        Nested P&L, as of `scenario_horizon_es`.
    horizons, kind, level
        As of `scenario_horizon_es`.
    rho
        Weight of full diversification.

    Raises
    ------
    InputError
        As `scenario_horizon_es`; or if there is no class, or an ES of a reduced, current set is not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall.frtb_scenarios import RiskClassPnl, scenario_imcc
    >>> x = np.random.default_rng(1).normal(size=(500, 1))
    >>> one = RiskClassPnl(3 * x, x, 0.8 * x)
    >>> r = scenario_imcc(one, {"equity": one}, horizons=(10,))
    >>> round(r.imcc / float(r.classes.es_fc["all"]), 6), round(r.reduced_set_share, 6)
    (3.75, 0.8)
    """
    if not classes:
        raise InputError("there are no risk classes; give one at least")
    rows = {}
    for name, sets in {"all": all_classes, **classes}.items():
        each = [scenario_horizon_es(p, horizons, kind=kind, level=level)[0] for p in sets]
        scaled, _ = imcc(each[0], each[1], each[2], [])
        rows[name] = [*each, max(each[1] / each[2], 1.0), scaled]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["es_rs", "es_fc", "es_rc", "ratio", "es"])
    whole, alone = float(frame["es"].iloc[0]), float(frame["es"].iloc[1:].sum())
    charge = rho * whole + (1.0 - rho) * alone
    return IMCC(charge, whole, alone, frame, float(frame["es_rc"].iloc[0] / frame["es_fc"].iloc[0]))
