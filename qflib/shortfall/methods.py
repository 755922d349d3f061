"""The estimators of expected shortfall by name: what each takes, and how it is drawn again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qflib.errors import InputError
from qflib.shortfall.bootstrap import Estimate, exact
from qflib.shortfall.conventions import DECAYING, DEFAULT, rule_of
from qflib.shortfall.estimated import F8, Estimated, Settings
from qflib.shortfall.filtered import filtered
from qflib.shortfall.historical import age_weighted, historical
from qflib.shortfall.parametric import by_moments, cornish_fisher, gaussian
from qflib.shortfall.peaks import evt
from qflib.shortfall.student import skewed_t, student_t
from qflib.shortfall.volatility import rescaled, volatility_weighted

Estimator = Callable[[F8, F8, Settings], Estimated]


@dataclass(frozen=True, slots=True)
class Method:
    """An estimator, the keywords it takes, the one that a bootstrap calls (None: it cannot be redrawn), and whether it
    has profile intervals.
    """

    estimate: Estimator
    takes: tuple[str, ...] = ()
    redrawn: Estimator | None = None
    profile: bool = False

    @property
    def by_rule(self) -> bool:
        """Whether its tail is a sample's, taken by a convention."""
        return "convention" in self.takes


#: A new estimator is a function and a row here.
METHODS: dict[str, Method] = {
    "historical": Method(historical, ("convention", "weights", "decay", "n"), historical),
    "age_weighted": Method(age_weighted, ("decay",)),
    "volatility_weighted": Method(volatility_weighted, ("convention", "decay"), historical),
    "filtered": Method(filtered, ("convention", "model", "dist", "decay", "horizon", "draws")),
    "gaussian": Method(gaussian, (), gaussian),
    "student_t": Method(student_t, (), student_t),
    "skewed_t": Method(skewed_t, (), skewed_t),
    "cornish_fisher": Method(cornish_fisher, (), by_moments),
    "evt": Method(evt, ("threshold",), evt, profile=True),
}


def method_of(name: str, s: Settings) -> Method:
    """The method, its keywords checked.

    Raises
    ------
    InputError
        If there is none of this name, or a keyword or an interval is asked that it does not have.
    """
    if name not in METHODS:
        raise InputError(f"method is {name!r}; expected one of {', '.join(METHODS)}")
    method = METHODS[name]
    if s.interval == "profile" and not method.profile:
        which = ", ".join(m for m in METHODS if METHODS[m].profile)
        raise InputError(f"method {name!r} has no interval='profile'; use 'analytic' or 'bootstrap', or {which}")
    given = {k: getattr(s, k) for k in ("weights", "decay", "n", "model", "dist", "horizon", "threshold", "draws")}
    given["convention"] = None if s.convention == DEFAULT else s.convention
    if s.interval == "bootstrap":
        given.pop("draws")
    for keyword, value in given.items():
        if value is not None and keyword not in method.takes:
            of = [m for m in METHODS if keyword in METHODS[m].takes]
            also = [*of, "interval='bootstrap'"] if keyword == "draws" else of
            raise InputError(f"method {name!r} takes no {keyword}; leave it out, or use {', '.join(also)}")
    if rule_of(s.convention) in DECAYING and name != "historical":
        raise InputError(
            f"convention {s.convention!r} weighs by a decay of its own: it is for method 'historical' alone"
        )
    return method


def redraws(name: str, pnl: F8, levels: F8, s: Settings) -> tuple[F8, Estimate]:
    """The series that a bootstrap draws from, and what it makes of each.

    Raises
    ------
    InputError
        If the method hangs on the order or the weights of its values, which a redrawn series has lost.
    """
    estimator = METHODS[name].redrawn
    weighted = name == "historical" and any(v is not None for v in (s.weights, s.decay, s.n))
    if estimator is None or weighted:
        what = "weights, decay or n" if weighted else f"method {name!r}"
        raise InputError(f"{what} and interval='bootstrap' exclude each other; use interval='analytic'")
    if name == "volatility_weighted":
        pnl, s = rescaled(pnl, s)[0], dataclasses.replace(s, decay=None)
    if estimator is historical and rule_of(s.convention) == DEFAULT:
        return pnl, exact(levels, len(pnl))

    def estimate(x: F8) -> tuple[F8, F8]:
        made = estimator(x, levels, s)
        return np.asarray(made.es), np.asarray(made.var)

    return pnl, estimate
