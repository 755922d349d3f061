"""Forwards from put-call parity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qflib.errors import DataError, InputError
from qflib.pricing import black76, parity_forwards


def chain(noise: float = 0.0) -> pd.DataFrame:
    rng, parts = np.random.default_rng(1), []
    for expiry, forward, years in (("2026-03-20", 101.0, 0.25), ("2026-06-19", 103.0, 0.5)):
        strikes = np.arange(80.0, 126.0)
        for right in ("call", "put"):
            mid = black76(right, forward, strikes, years, 0.2, 0.04) + noise * rng.normal(size=len(strikes))
            parts.append(pd.DataFrame({"right": right, "strike": strikes, "expiry": expiry, "mid": mid}))
    return pd.concat(parts, ignore_index=True)


def test_forwards_and_discounts_come_back() -> None:
    made = parity_forwards(chain())
    assert made["forward"].tolist() == pytest.approx([101.0, 103.0], abs=1e-9)
    assert made["discount"].tolist() == pytest.approx(np.exp([-0.01, -0.02]), abs=1e-9)
    noisy = parity_forwards(chain(0.02))
    assert np.abs(noisy["forward"] - [101.0, 103.0]).max() < 0.05
    assert (noisy["rmse"] > 0).all()
    short = chain().assign(right=lambda f: f["right"].map({"call": "C", "put": "P"}), day="one")
    assert parity_forwards(short, by=["day", "expiry"])["forward"].tolist() == pytest.approx([101.0, 103.0])


def test_what_has_no_parity_is_told() -> None:
    with pytest.raises(InputError, match="no column 'mid'"):
        parity_forwards(chain().drop(columns="mid"))
    with pytest.raises(InputError, match="right 'Call' is unknown"):
        parity_forwards(chain().replace({"right": {"call": "Call"}}))
    with pytest.raises(InputError, match="two strikes or more"):
        parity_forwards(chain(), least=1)
    with pytest.raises(DataError, match="no chain has 5 strikes"):
        parity_forwards(chain()[lambda f: f["right"] == "call"])


def test_premiums_in_coin() -> None:
    told = chain()
    linear = parity_forwards(told)
    coin = told.assign(mid=told["mid"] / linear["forward"].reindex(told["expiry"]).to_numpy(), inverse=True)
    made = parity_forwards(coin)
    np.testing.assert_allclose(made[["forward", "discount"]], linear[["forward", "discount"]], rtol=1e-9)
    with pytest.raises(InputError, match="some rows of the chain are inverse"):
        parity_forwards(coin.assign(inverse=[True, *[False] * (len(coin) - 1)]))
