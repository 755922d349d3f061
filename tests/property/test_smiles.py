"""Whatever a chain quotes, its smiles come: a vol or a status each, a fit or a reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qflib.pricing import black76, fit_smiles
from qflib.pricing.svi import svi_durrleman

EXPIRIES = pd.to_datetime(["2026-02-20T21:00Z", "2026-03-20T21:00Z", "2026-06-19T21:00Z"])
YEARS = np.array([0.1, 0.18, 0.43])


def any_chain(rng: np.random.Generator) -> pd.DataFrame:
    """Quotes that a broken market may show: missing sides, crossed, negative, absurd, no forward, expired."""
    strikes = np.sort(rng.choice(np.arange(50.0, 151.0), int(rng.integers(1, 9)), replace=False))
    index = pd.MultiIndex.from_product([range(3), strikes, ("call", "put")], names=["j", "strike", "right"])
    rows = index.to_frame(index=False).assign(underlying="ACME", rate=0.0)
    rows["expiry"], rows["years"] = EXPIRIES[rows["j"]], YEARS[rows["j"]] * (rng.random() > 0.05)
    rows["forward"] = 100.0 if rng.random() > 0.05 else np.nan
    vol = 0.05 + rng.random(len(rows)) * rng.choice([0.01, 0.5, 3.0])
    fair = black76(rows["right"], 100.0, rows["strike"], YEARS[rows["j"]], vol)
    mid = fair * np.exp(rng.normal(0.0, rng.choice([0.0, 0.1, 2.0]), len(rows)))
    half = rng.random(len(rows)) * rng.choice([0.001, 0.1, 5.0])
    sides = [np.round(mid + s * half, 2) for s in (-1, 1)]
    for k in range(2):
        sides[k] = np.where(rng.random(len(rows)) < rng.choice([0.0, 0.3, 0.9]), np.nan, sides[k])
    if rng.random() < 0.2:
        sides.reverse()
    rows["bid"], rows["ask"] = sides
    return rows.assign(mid=(rows["bid"] + rows["ask"]) / 2).drop(columns="j")


def test_no_chain_is_too_bad() -> None:
    rng = np.random.default_rng(11)
    fits, slices = 0, 0
    for _ in range(96):
        rows = any_chain(rng)
        smiles = fit_smiles(rows)
        q, e = smiles.quotes, smiles.expiries
        assert (smiles.surface is None) == bool(smiles.reason)
        assert (q["iv"].isna() == (q["iv_status"] != "ok")).all()
        assert e["n_quotes"].sum() == len(rows)
        assert (e["no_vol"] == _count(q, q["iv_status"] != "ok")).all()
        if smiles.surface is None:
            assert e[["atm_vol", "least_g", "svi_rmse", "ssvi_rmse"]].isna().all(axis=None)
            continue
        fits += 1
        assert smiles.surface.butterfly_free
        assert smiles.surface.calendar_free
        assert (e["ssvi_rmse"].notna() == (e["n_used"] > 0)).all()
        slices += len(smiles.slices)
        for expiry, s in smiles.slices.items():
            k = s.quotes["k"].to_numpy()
            g = [svi_durrleman(x, s.a, s.b, s.rho, s.m, s.sigma) for x in np.linspace(k.min(), k.max(), 101)]
            assert e["least_g"].to_dict()[expiry] <= min(g) + 1e-12
            assert s.quotes["fitted"].min() >= -1e-12
    assert 10 < fits < 86
    assert slices > 10


def _count(quotes: pd.DataFrame, where: Any) -> Any:
    return where.groupby(quotes["expiry"]).sum()
