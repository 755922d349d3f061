"""The minimum-variance delta that learns online: the batch fit, a plain replay of its gain, and when it is used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qflib.errors import InputError
from qflib.hedging import MinVarianceDelta, OnlineMinVariance
from tests.unit.hedging.test_neutral import moves

COLUMNS = ("delta", "vega", "spot", "years", "change", "spot_change")


def learnt(frame: pd.DataFrame, size: int, forgetting: float = 1.0) -> OnlineMinVariance:
    online = OnlineMinVariance(forgetting)
    for first in range(0, len(frame), size):
        rows = frame.iloc[first : first + size]
        online.update(**{c: rows[c].to_numpy() for c in COLUMNS})  # type: ignore[arg-type]
    return online


def design(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    d = frame["delta"].to_numpy()
    unit = (frame["vega"] * frame["spot_change"] / (frame["spot"] * np.sqrt(frame["years"]))).to_numpy()
    return np.column_stack([unit, unit * d, unit * d * d]), (frame["change"] - d * frame["spot_change"]).to_numpy()


@pytest.mark.parametrize("size", [1, 7, 500])
def test_online_is_the_batch_fit(size: int) -> None:
    frame = moves(1_000, -0.25, -0.4)
    made = learnt(frame, size).model
    batch = MinVarianceDelta.fit(frame, out_of_sample=0.5)
    first = learnt(frame.iloc[: batch.n], size).model
    assert (first.a, first.b, first.c) == pytest.approx((batch.a, batch.b, batch.c), rel=1e-8, abs=1e-9)
    assert first.gain_in_sample == pytest.approx(batch.gain_in_sample, rel=1e-9)
    x, y = design(frame)
    assert (made.a, made.b, made.c) == pytest.approx(np.linalg.lstsq(x, y, rcond=None)[0].tolist(), rel=1e-8)
    assert made.n == 1_000


@pytest.mark.parametrize("forgetting", [1.0, 0.98])
def test_the_gain_is_that_of_predictions_made_before(forgetting: float) -> None:
    frame, size = moves(240, -0.25, 0.1), 6
    x, y = design(frame)
    weight, plain, adjusted = np.zeros(0), 0.0, 0.0
    for first in range(0, len(y), size):
        seen, here = slice(first), slice(first, first + size)
        plain, adjusted = plain * forgetting, adjusted * forgetting
        if first:
            root = np.sqrt(weight)
            coefficients = np.linalg.lstsq(x[seen] * root[:, None], y[seen] * root, rcond=None)[0]
            plain += float((y[here] ** 2).sum())
            adjusted += float(((y[here] - x[here] @ coefficients) ** 2).sum())
        weight = np.append(weight * forgetting, np.ones(size))
    online = learnt(frame, size, forgetting)
    assert online.gain == pytest.approx(1 - adjusted / plain, rel=1e-6)
    assert online.gain == online.model.gain_out_of_sample


def test_it_is_used_only_while_it_gains_ahead() -> None:
    steady = learnt(moves(400, -0.25, -0.25), 4).model
    assert steady.used
    assert steady.delta(0.5, 20.0, 100.0, 0.25) < 0.5
    rng = np.random.default_rng(3)
    noise = moves(400, 0.0, 0.0).assign(change=lambda f: f["delta"] * f["spot_change"] + rng.normal(0, 1, len(f)))
    idle = learnt(noise, 4).model
    assert idle.gain_in_sample > 0 > idle.gain_out_of_sample
    assert idle.delta(0.5, 20.0, 100.0, 0.25) == 0.5


def test_restored_it_goes_on_bit_for_bit_and_one_delta_alone_tells_nothing() -> None:
    frame = moves(300, -0.25, -0.2)
    whole = learnt(frame, 3)
    part, rest = learnt(frame.iloc[:150], 3), OnlineMinVariance()
    rest.load(part.state())
    for first in range(150, 300, 3):
        rows = frame.iloc[first : first + 3]
        rest.update(**{c: rows[c].to_numpy() for c in COLUMNS})  # type: ignore[arg-type]
    assert rest.state().tobytes() == whole.state().tobytes()
    alike = OnlineMinVariance()
    for _ in range(20):
        alike.update(delta=0.5, vega=20.0, spot=100.0, years=0.5, change=0.4, spot_change=1.0)
    assert (alike.model.a, alike.model.used) == (0.0, False)


def test_it_refuses() -> None:
    with pytest.raises(InputError, match="forgetting is 0"):
        OnlineMinVariance(0.0)
    for name, value in (("years", 0.0), ("vega", np.nan), ("spot", -1.0)):
        good = dict.fromkeys(COLUMNS, 1.0) | {name: value}
        with pytest.raises(InputError, match="leave it out"):
            OnlineMinVariance().update(**good)  # type: ignore[arg-type]
