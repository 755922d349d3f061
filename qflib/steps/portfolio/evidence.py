"""Evidence against the forecasts of one portfolio: the e-backtest of each level, on hypothetical outcomes."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.e_backtest import (
    ALARMS,
    BET,
    BETTINGS,
    CAP,
    MEASURES,
    WINDOW,
    e_roll,
    e_state,
    figures_of,
    same_test,
)
from qflib.records import EVIDENCE
from qflib.steps.state import State


class Evidence:
    """The e-processes of ES and VaR at each level; alarms are never taken back."""

    def __init__(self, levels: tuple[float, ...]) -> None:
        self._states = [e_state(WINDOW, level, BET, CAP) for level in levels]

    def update(self, rolled: Any) -> Any:
        """Judge the period that has just ended; rows of Evidence from rows of Rolling."""
        own = np.flatnonzero(rolled.outcome == b"hypothetical")
        rows: dict[str, list[Any]] = {n: [] for n in ("level", "n", "e", "log_e", "log_e_max", "alarm", "alarm_ns")}
        told: dict[str, list[Any]] = {n: [] for n in ("pnl", "forecast_es", "forecast_var")}
        for state, i in zip(self._states, own.tolist(), strict=True):
            one = slice(i, i + 1)
            e_roll(
                state, rolled.pnl[one], rolled.forecast_var[one], rolled.forecast_es[one], rolled.time_ns[one],
                np.empty((1, 2)), np.empty((1, 2, 3)), np.empty((1, 2, 4)),
            )  # fmt: skip
            n, e, log_e, most, times = figures_of(state)
            for m in range(len(MEASURES)):
                for k in range(len(BETTINGS)):
                    passed = int(np.count_nonzero(times[m, k]))
                    rows["level"].append(rolled.level[i])
                    rows["n"].append(n)
                    rows["e"].append(e[m])
                    rows["log_e"].append(log_e[m, k])
                    rows["log_e_max"].append(most[m, k])
                    rows["alarm"].append(ALARMS[passed - 1] if passed else 0)
                    rows["alarm_ns"].append(times[m, k, passed - 1] if passed else 0)
                    for name, values in told.items():
                        values.append(getattr(rolled, name)[i])
        levels, each = len(self._states), len(MEASURES) * len(BETTINGS)
        return EVIDENCE.make(
            portfolio=[rolled.portfolio[0]] * (levels * each),
            measure=[m for m in MEASURES for _ in BETTINGS] * levels,
            betting=list(BETTINGS) * (len(MEASURES) * levels),
            time_ns=rolled.time_ns[0],
            period_ns=rolled.period_ns[0],
            **rows,
            **told,
        )

    def state(self) -> State:
        """The e-processes, a row a level."""
        return {"evidence": np.stack(self._states)}

    def load(self, state: State) -> None:
        """Go on from a state; what an older one has nothing of begins now."""
        for row in state.get("evidence", ()):
            self._states = [row.copy() if same_test(row, own) else own for own in self._states]
