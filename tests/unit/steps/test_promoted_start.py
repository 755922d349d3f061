"""What a promoted step compiled is found again by the process that comes after: a restart does not wait for it."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from qflib.steps.promoted import named as module
from qflib.steps.promoted.named import named

ROOT = Path(__file__).parents[3]
START = """
import json
from qflib.promote.registry import one
from qflib.records import Instrument, Instruments
from qflib.steps.promoted.running import Working
w = Working(one("realised_vol").definition(), Instruments((Instrument("ACME", kind="spot"),)))
w.compile()
stats = [f.stats for f in w._functions.values()]
print(json.dumps([sum(sum(counts.values()) for counts in kind) for kind in zip(
    *((s.cache_hits, s.cache_misses) for s in stats))]))
"""


def found_and_compiled(cache: Path) -> list[int]:
    env = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"} | {"QFLIB_KERNEL_CACHE": str(cache)}
    done = subprocess.run([sys.executable, "-c", START], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_restart_finds_what_was_compiled(tmp_path: Path) -> None:
    assert found_and_compiled(tmp_path) == [0, 1]
    assert found_and_compiled(tmp_path) == [1, 0]
    assert len(list(tmp_path.rglob("realised_vol.*.guarded-*.nbc"))) == 1


def test_a_tuple_is_pickled_by_its_name() -> None:
    made = named("Params", ("tick", "decay"))
    wire = pickle.dumps(made(0.5, 2))
    assert b"Params(tick,decay)" in wire
    assert pickle.loads(wire) == made(0.5, 2)
    assert made is getattr(module, "Params(tick,decay)")
    assert made.__name__ == "Params"  # what an error of Numba tells
    assert made is not named("Params", ("tick", "lag"))


def test_the_module_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Params'"):
        _ = module.Params
