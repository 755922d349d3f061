"""A desk on the simulated market: what a report is of where there is no history, and says so."""

from __future__ import annotations

from typing import NamedTuple

import qflib as qf
from qflib import settings
from qflib.desk.feed import Feed
from qflib.desk.run import Run
from qflib.shortfall import ScenarioSet

#: Prices move by the clock, so a slow market has the same volatility.
_RATE, _PERIOD_NS = 2_000.0, 2_000_000_000
_MINUTE_NS = 60 * 10**9


class SimulatedDesk(NamedTuple):
    """What a desk did on the simulated market.

    Parameters
    ----------
    run
        Executions, risk, hedges, forecasts.
    scenarios
        The set its reports are made with, by the settings.
    note
        Where the data are from, a sentence.
    currency
        The reporting currency.
    feed
        The market.
    """

    run: Run
    scenarios: ScenarioSet
    note: str
    currency: str
    feed: Feed


def simulated_desk(
    portfolio: str = "DESK1", seed: int = 7, duration: str = "10min", outcome_ns: int = _MINUTE_NS
) -> SimulatedDesk:
    """A hedged desk with the settings' scenarios and limits.

    Parameters
    ----------
    portfolio
        Its name.
    seed, duration
        Of the market.
    outcome_ns
        Market time from a forecast to its outcome.

    Examples
    --------
    >>> from qflib.jobs.simulated_desk import simulated_desk
    >>> simulated_desk(duration="3s").currency
    'USD'
    """
    chosen = settings.load()
    feed = qf.datasets.load("sim", seed=seed, duration=duration, rate=_RATE)
    assert feed.history is not None  # the simulator has both
    assert feed.positions is not None
    scenarios = qf.scenarios.default(
        feed.history,
        horizon=chosen.desk.horizon,
        n_historical=chosen.desk.n_historical,
        n_simulated=chosen.desk.n_simulated,
        seed=chosen.desk.seed,
    )
    limits = {} if chosen.limits.es is None else {"max_es": chosen.limits.es}
    config = qf.DeskConfig(period_ns=_PERIOD_NS, levels=chosen.desk.levels, limits=limits, outcome_ns=outcome_ns)
    run = qf.Desk(
        feed,
        portfolio=qf.Portfolio.from_frame(feed.positions, name=portfolio, currency=config.currency),
        hedger=qf.hedgers.Band(chosen.desk.risk_aversion, max_order=chosen.limits.order_qty),
        scenarios=scenarios,
        config=config,
    ).run(digests=False)
    note = (
        f"Figures are of the seeded simulated market (seed {seed}, {duration}), whose clock says "
        f"{run.start:%Y-%m-%d %H:%M} to {run.end:%H:%M} UTC."
    )
    return SimulatedDesk(run, scenarios, note, config.currency, feed)
