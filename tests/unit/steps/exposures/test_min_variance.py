"""The minimum-variance delta learnt from a stream: the library's own fit, and used only while it gains ahead."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qflib.hedging import MinVarianceDelta, OnlineMinVariance
from qflib.hedging.hedgers import Band
from qflib.pricing import black76, greeks
from qflib.records import DEPTH, Batch, ExecType, Instruments
from qflib.records.codec import encode
from qflib.steps.exposures import Exposures
from qflib.steps.portfolio import Portfolio, PortfolioConfig
from qflib.steps.state import pack, unpack
from tests.unit.steps.exposures.test_explained import LATER, LINEAR, NOW, YEAR, S, executed, future, marks, option
from tests.unit.steps.exposures.test_exposures import shocks

STRIKES = (90.0, 95.0, 100.0, 105.0, 110.0)
TABLE = Instruments((future("A.F"), *(option(f"A-{k:g}", "call" if k > 96 else "put", k) for k in STRIKES)))
QTY = (-30, 20, -50, 40, -10)


def walk(slope: float, n: int, seed: int = 1) -> list[tuple[int, float, float]]:
    """Time, forward, and a volatility that moves by `slope` over the forward and root of time, with noise."""
    rng, made, forward, vol = np.random.default_rng(seed), [], 100.0, 0.3
    for k in range(n):
        t = NOW + 10 * S * k
        years = (LATER.value - t) / YEAR
        made.append((t, forward, vol))
        move = float(rng.normal(0, 0.05))
        vol += slope * move / (forward * years**0.5) + float(rng.normal(0, 2e-5))
        forward += move
    return made


def quoted(t: int, forward: float, vol: float) -> dict[int, float]:
    years = (LATER.value - t) / YEAR
    options = enumerate(STRIKES, start=1)
    prices = {i: float(black76("call" if k > 96 else "put", forward, k, years, vol)) for i, k in options}
    return {0: forward, **prices}


def started() -> Exposures:
    step = Exposures(TABLE)
    for i, qty in enumerate(QTY, start=1):
        assert step.feed(executed(TABLE, i, qty, 1.0, ExecType.BOOKING)) == []
    return step


def run(step: Exposures, path: list[tuple[int, float, float]], *, first: bool = True) -> list[Batch]:
    out = []
    for k, at in enumerate(path):
        out += step.feed(marks(TABLE, at[0], quoted(*at), **(shocks() if first and k == 0 else {})))
    return out


def test_the_fit_is_the_librarys_on_the_same_moves() -> None:
    path = walk(-0.3, 60)
    last = run(started(), path)[-1]
    online = OnlineMinVariance()
    strike = np.array(STRIKES)
    for (t, f, v), (_, f1, v1) in pairwise(path):
        years = (LATER.value - t) / YEAR
        g = greeks(["call"] * len(strike), strike, years, v, forward=f)
        change = np.asarray(black76("call", f1, strike, years, v1)) - np.asarray(black76("call", f, strike, years, v))
        online.update(delta=g["delta"], vega=g["vega"], spot=f, years=years, change=change, spot_change=f1 - f)
    told, model = last.min_variance, online.model
    assert int(told.n[0]) == online.n == 59 * len(STRIKES)
    # quotes are whole ticks of a millionth
    d = np.linspace(0.2, 0.8, 7)
    bend = [c.a + c.b * d + c.c * d * d for c in (model, _named(told))]
    np.testing.assert_allclose(bend[1], bend[0], atol=2e-3)
    np.testing.assert_allclose(bend[0], -0.3, atol=0.02)
    assert float(told.gain[0]) == pytest.approx(online.gain, abs=1e-3)
    assert told.used[0] == 1


def _named(told: Any) -> MinVarianceDelta:
    return MinVarianceDelta(*(float(getattr(told, n)[0]) for n in ("a", "b", "c")))


def test_the_correction_is_what_the_fit_adds_to_each_positions_delta() -> None:
    path = walk(-0.3, 60)
    last = run(started(), path)[-1]
    t, f, v = path[-1]
    years, strike = (LATER.value - t) / YEAR, np.array(STRIKES)
    g = greeks(["call"] * len(strike), strike, years, v, forward=f)
    model = _named(last.min_variance)
    added = model.adjusted(g["delta"], g["vega"], f, years) - g["delta"]
    assert float(last.min_variance.correction[0]) == pytest.approx(float((added * np.array(QTY)).sum() * 100), rel=1e-3)


def test_without_a_gain_or_before_enough_moves_nothing_is_added() -> None:
    for n in (25, 32):  # the first move is learnt from, and judges nothing
        few = run(started(), walk(-0.3, n - 1))[-1].min_variance
        assert float(few.gain[0]) > 0.5
        assert (int(few.used[0]), float(few.correction[0])) == (0, 0.0)
    assert run(started(), walk(-0.3, 32))[-1].min_variance.used[0] == 1  # 31 moves, 30 judged
    idle = run(started(), walk(0.0, 60))[-1].min_variance  # its volatility moves, but not with the forward
    assert idle.a[0] != 0.0
    assert float(idle.gain[0]) < 0
    assert (int(idle.used[0]), float(idle.correction[0])) == (0, 0.0)


@pytest.mark.parametrize("chosen", [False, True])
def test_the_hedger_uses_it_where_it_is_asked_to(chosen: bool) -> None:
    step, path = started(), walk(-0.3, 60)
    portfolio = Portfolio(TABLE, PortfolioConfig(band=Band(risk_aversion=1e6, min_variance=chosen)))
    made = run(step, path)
    for b in made:  # no depth was told: nothing can be traded
        assert not any(out.kind == "order" for out in portfolio.feed(b))
    t, forward, _ = path[-1]
    ticks = int(TABLE.to_ticks(0, forward))
    depth = DEPTH.make(instrument=[0, 0], side=[1, 2], level=[1, 1], price_ticks=[ticks - 5, ticks + 5], qty=[9, 9])
    (last,) = step.feed(marks(TABLE, t + S, {0: forward}, depth=depth))
    out = portfolio.feed(last)
    report = next(b for b in out if b.kind == "risk")
    assert report.min_variance.used[0] == 1
    plain, correction = float(last.greeks.delta.sum()), float(last.min_variance.correction[0])
    assert abs(correction) > 50.0
    assert float(report.hedges.net_delta[0]) == pytest.approx(plain + correction if chosen else plain)
    assert any(b.kind == "order" for b in out)


def test_restored_in_the_middle_it_goes_on_bit_for_bit() -> None:
    path, whole = walk(-0.3, 50), started()
    run(whole, path[:30])
    restored = Exposures(TABLE)
    restored.load(unpack(pack(whole.state())))
    told = [[encode(b) for b in run(step, path[30:], first=False)] for step in (restored, whole)]
    assert told[0] == told[1]
    assert pack(restored.state()) == pack(whole.state())


def test_a_stream_without_options_learns_nothing() -> None:
    step = Exposures(Instruments((LINEAR.rows[0],)))
    step.feed(marks(LINEAR, NOW, {0: 100.0}, **shocks()))
    (made,) = step.feed(executed(LINEAR, 0, 1, 100.0, ExecType.BOOKING))
    assert (int(made.min_variance.n[0]), int(made.min_variance.used[0])) == (0, 0)
    assert pd.isna(made.min_variance.gain[0])
