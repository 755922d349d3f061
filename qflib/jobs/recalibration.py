"""Recalibration: surfaces fitted to the chain of a date, and the scenario set with that date's move in it, proposed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from qflib.desk.closing import Closing
from qflib.errors import QflibError
from qflib.jobs.daily_risk import Unavailable
from qflib.jobs.heading import Headed
from qflib.jobs.proposal import propose
from qflib.jobs.provenance import FACTS
from qflib.pricing import Smiles
from qflib.shortfall import ScenarioSet, expected_shortfall

_FIGURES = ("mean", "std", "0.1 %", "1 %", "99 %", "99.9 %")
_QUANTILES = (0.001, 0.01, 0.99, 0.999)


@dataclass(frozen=True)
class Recalibration(Headed):
    """What is proposed for a date, and what it is compared with.

    Parameters
    ----------
    as_of
        The UTC date.
    at
        The instant of the chain.
    smiles
        By underlying.
    history
        Spot and at-the-money vol by day; the last row is the date's.
    added
        Whether that row is new: the history had none of the date.
    proposed
        The set made from it, by the settings.
    in_force
        That of the desk's last report, or the one a desk would begin with; None where it is not kept.
    closing
        Positions and market that both are compared on.
    level
        Confidence of ES.
    source
        "history" or "simulated".
    note
        Where the data are from, a sentence.
    currency
        The reporting currency.
    asked_for
        Whether this source was asked for; from a simulated market that stands in for a missing history nothing is
        proposed.

    Examples
    --------
    >>> from qflib.jobs.recalibration_source import recalibration
    >>> made = recalibration("2026-01-05", source="sim", duration="3s")
    >>> made.proposed.underlyings, made.proposed == made.in_force
    (('ACME', 'BETA', 'GAMA', 'DELT'), False)
    """

    as_of: str
    at: pd.Timestamp
    smiles: dict[str, Smiles]
    history: pd.DataFrame
    added: bool
    proposed: ScenarioSet
    in_force: ScenarioSet | None
    closing: Closing
    level: float
    source: str
    note: str
    currency: str = "USD"
    asked_for: bool = True

    def surfaces(self) -> pd.DataFrame:
        """A row an underlying: quotes, how far the surface is off them, and whether they are free of arbitrage."""
        rows = {}
        for name, made in self.smiles.items():
            e, fitted = made.expiries, made.surface
            rows[name] = {
                "expiries": len(e),
                "quotes": int(e["n_used"].sum()),
                "no_vol": int(e["no_vol"].sum()),
                "rmse": np.nan if fitted is None else float(fitted.rmse),
                "outside": int(e["ssvi_outside"].sum()) if fitted is not None else len(made.quotes),
                "atm_vol": self._atm(name),
                "butterfly_free": made.butterfly_free,
                "calendar_free": made.calendar_free,
                "note": made.reason,
            }
        return pd.DataFrame(rows).T.infer_objects().rename_axis("underlying")

    def move(self) -> pd.DataFrame:
        """The date's move against those before: return and vol shift, in deviations too; its rank from the worst."""
        rows = {}
        for name in self.proposed.underlyings:
            spot, vol = (self.history[(name, f)].to_numpy(np.float64) for f in ("spot", "atm_vol"))
            returns, shifts = spot[1:] / spot[:-1] - 1.0, np.diff(vol)
            rows[name] = {
                "spot": spot[-1],
                "atm_vol": vol[-1],
                "spot_return": returns[-1],
                "deviations": returns[-1] / returns[:-1].std(),
                "rank": int((returns < returns[-1]).sum()) + 1,
                "vol_shift": shifts[-1],
                "vol_deviations": shifts[-1] / shifts[:-1].std(),
            }
        return pd.DataFrame(rows).T.rename_axis("underlying")

    def compared(self) -> pd.DataFrame | Unavailable:
        """Moments and quantiles of the shocks, in force and proposed, an underlying and field a row."""
        if self.in_force is None:
            return Unavailable("the set in force is not kept")
        sides = {"in force": self.in_force, "proposed": self.proposed}
        parts = {name: _shape(s) for name, s in sides.items()}
        return pd.concat(parts, axis=1).swaplevel(axis=1).sort_index(axis=1)[list(_FIGURES)]

    def shortfall(self) -> pd.DataFrame | Unavailable:
        """VaR and ES of the positions at the close under both sets, and the difference: what limits would see."""
        pf = self.closing.portfolio
        if pf is None:
            return Unavailable("nothing is held at the close")
        sets = {"in force": self.in_force, "proposed": self.proposed}
        rows = {}
        try:
            for name, scenarios in sets.items():
                if scenarios is not None:
                    pnl = pf.scenario_pnl(self.closing.market, scenarios)
                    made = expected_shortfall(pnl, level=self.level, kind="pnl")
                    rows[name] = {"var": float(made.var), "es": float(made.es), "scenarios": float(scenarios.n)}
        except QflibError as e:
            return Unavailable(str(e))
        frame = pd.DataFrame(rows).T
        if len(frame) == 2:
            frame.loc["change"] = frame.loc["proposed"] / frame.loc["in force"] - 1.0
        return frame

    @cached_property
    def is_new(self) -> bool:
        """Whether the proposed set is another than the one in force."""
        return self.in_force is None or self.in_force.set_id != self.proposed.set_id

    def propose(self) -> Proposal:
        """Leave the set with the run, for somebody to approve; nothing where it is in force already."""
        where = propose(self.proposed) if self.is_new and self.asked_for else None
        return Proposal(self, where is not None)

    def facts(self) -> dict[str, Any]:
        """Source and chief figures, for the run's record."""
        told = {"kind": self.source, "note": self.note, "at": self.at.isoformat()}
        figures: dict[str, Any] = {"level": self.level, "n_scenarios": self.proposed.n}
        made = self.shortfall()
        if not isinstance(made, Unavailable):
            figures |= {f"es_{str(name).replace(' ', '_')}": float(es) for name, es in made["es"].items()}
        figures |= {f"atm_vol_{name}": self._atm(name) for name in self.smiles}
        return {"source": told, "figures": {k: v for k, v in figures.items() if np.isfinite(v)}}

    def _atm(self, name: str) -> float:
        return float(self.history[(name, "atm_vol")].iloc[-1])

    @property
    def subject(self) -> str:
        """Of which day."""
        return self.as_of


@dataclass(frozen=True)
class Proposal:
    """What became of a proposal: it shows itself at a report's end, and tells the runner.

    Parameters
    ----------
    of
        The recalibration.
    left
        Whether the set lies with a run now.
    """

    of: Recalibration
    left: bool

    def told(self) -> dict[str, Any]:
        """Ids and differences, for the run's record."""
        r = self.of
        made: dict[str, Any] = {"set_id": r.proposed.set_id, "in_force": r.in_force.set_id if r.in_force else ""}
        made |= {
            "underlyings": list(r.proposed.underlyings),
            "n": r.proposed.n,
            "n_historical": r.proposed.n_historical,
        }
        if isinstance(compared := r.compared(), pd.DataFrame):
            by: Any = compared.xs("proposed", axis=1, level=1) - compared.xs("in force", axis=1, level=1)
            made["diff"] = {" ".join(key): row for key, row in by.to_dict("index").items()}
        return made

    def _repr_html_(self) -> str:
        r = self.of
        if not r.is_new:
            return "<p>The set in force is the one that this day gives: nothing is proposed.</p>"
        old = r.in_force.set_id if r.in_force is not None else "none that is kept"
        if not r.asked_for:
            return "<p>The desk's history lacks this date: from a market that is not its own nothing is proposed.</p>"
        if not self.left:
            return f"<p>Run by hand: nothing is proposed. A job would propose <code>{r.proposed.set_id}</code>.</p>"
        return (
            f"<p>Proposed: scenario set <code>{r.proposed.set_id}</code>, in the place of <code>{old}</code>. It comes "
            "into force when somebody with an admin key approves it: <code>qflib jobs approve RUN_ID</code>, with the "
            "id that this page's file is named by.</p>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        facts = {"proposal": self.told()} if self.left else {}
        return {"text/html": self._repr_html_(), "text/plain": f"proposal: {self.left}", FACTS: facts}


def _shape(scenarios: ScenarioSet) -> pd.DataFrame:
    rows = {}
    for name in scenarios.underlyings:
        for field, x in zip(("spot_return", "vol_shift"), scenarios.shocks(name), strict=True):
            rows[name, field] = [float(x.mean()), float(x.std()), *np.quantile(x, _QUANTILES).tolist()]
    index = pd.MultiIndex.from_tuples(list(rows), names=["underlying", "shock"])
    return pd.DataFrame(list(rows.values()), index, list(_FIGURES))
