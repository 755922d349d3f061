"""Scenario sets as they come, in chunks, and each underlying's part of the last that was complete."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.errors import DataError
from qflib.records import SCENARIO_SETS, SHOCKS, Batch
from qflib.steps.exposures.revaluation import Shocks
from qflib.steps.state import State


class ScenarioChunks:
    """Collects chunks, an underlying and set."""

    def __init__(self, underlyings: tuple[str, ...]) -> None:
        self._underlyings = underlyings
        self._shocks: dict[int, Shocks] = {}
        self._chunks: dict[tuple[int, str], list[tuple[int, Any]]] = {}

    def of(self, u: int) -> Shocks | None:
        """An underlying's part; None while there is no set."""
        return self._shocks.get(u)

    def take(self, u: int, batch: Batch) -> bool:
        """Collect what a marks batch carries; True when this underlying's part is complete."""
        s = batch.scenario_set
        if not len(s.set_id) or s.underlying[0].decode() != batch.key:
            return False
        key = (u, s.set_id[0].decode())
        chunks = self._chunks.setdefault(key, [])
        if int(s.first[0]) not in [first for first, _ in chunks]:  # one told twice counts once
            chunks.append((int(s.first[0]), batch.shocks))
        if sum(len(c.spot_return) for _, c in chunks) < int(s.n_scenarios[0]):
            return False
        whole = SHOCKS.concat([c for _, c in sorted(chunks, key=lambda c: c[0])])
        del self._chunks[key]
        self._shocks[u] = Shocks.of(key[1], int(s.horizon_ns[0]), whole.spot_return, whole.vol_shift)
        return True

    def tables(self, u: int) -> dict[str, Any]:
        """An underlying's part as the tables that tell it."""
        shocks = self._shocks[u]
        return {
            "scenario_set": SCENARIO_SETS.make(
                set_id=[shocks.set_id],
                n_scenarios=[len(shocks.spot_return)],
                horizon_ns=[shocks.horizon_ns],
                chunks=[1],
                underlying=[self._underlyings[u]],
            ),
            "shocks": SHOCKS.make(spot_return=shocks.spot_return, vol_shift=shocks.vol_shift),
        }

    def state(self) -> State:
        """Complete sets and chunks."""
        out: State = {}
        for u, s in sorted(self._shocks.items()):
            out[f"sets.{u}.id"] = np.array([s.set_id], "S64")
            out[f"sets.{u}.horizon"] = np.array([s.horizon_ns], np.int64)
            out[f"sets.{u}.shocks"] = np.stack([s.spot_return, s.vol_shift])
        for i, ((u, set_id), chunks) in enumerate(self._chunks.items()):
            out[f"chunks.{i}.of"] = np.array([f"{u} {set_id}"], "S80")
            out[f"chunks.{i}.first"] = np.array([f for f, _ in chunks], np.int64)
            out[f"chunks.{i}.n"] = np.array([len(c.spot_return) for _, c in chunks], np.int64)
            out[f"chunks.{i}"] = SHOCKS.to_struct(SHOCKS.concat([c for _, c in chunks]))
        return out

    def load(self, state: State) -> None:
        """Go on from a state."""
        self._shocks, self._chunks = {}, {}
        for u in range(len(self._underlyings)):
            # an older state has them with the underlying
            for name, of in ((f"sets.{u}.", f"sets.{u}.shocks"), (f"underlying.{u}.shocks.", f"underlying.{u}.shocks")):
                if of not in state:
                    continue
                spot, vol = state[of]
                set_id, horizon = state[name + "id"][0].decode(), int(state[name + "horizon"][0])
                self._shocks[u] = Shocks.of(set_id, horizon, spot.copy(), vol.copy())
        for i in range(sum(1 for name in state if name.startswith("chunks.") and name.endswith(".of"))):
            u_text, set_id = state[f"chunks.{i}.of"][0].decode().split(" ")
            rows, at = SHOCKS.from_struct(state[f"chunks.{i}"]), 0
            chunks = self._chunks[int(u_text), set_id] = []
            for first, n in zip(state[f"chunks.{i}.first"].tolist(), state[f"chunks.{i}.n"].tolist(), strict=True):
                chunks.append((first, SHOCKS.slice(rows, at, at + n)))
                at += n


def check_shocks(batch: Batch) -> None:
    """Refuse shocks that no market can have.

    Raises
    ------
    DataError
        If a spot return is not above -1, or a figure not finite.
    """
    shocks = batch.shocks
    if not (np.isfinite(shocks.vol_shift).all() and (shocks.spot_return > -1.0).all()):
        name = batch.scenario_set.set_id[0].decode() if len(batch.scenario_set.set_id) else "without a name"
        raise DataError(
            f"scenario set {name} has a shock of {batch.key} that is not finite or at or below -1; make it anew"
        )
