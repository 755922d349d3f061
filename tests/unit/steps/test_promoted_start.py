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


CHANGED = """
from pathlib import Path
import sys
import numpy as np
from qflib.promote.registry import _module
from qflib.records import Instrument, Instruments, TOPS
from qflib.steps.promoted.definition import Definition
from qflib.steps.promoted.running import Working
cell = '''
import numpy as np
from numba import njit
FILL = {0}
State = np.dtype([("n", "i8")])
Out = np.dtype([("instrument", "u4"), ("time_ns", "i8"), ("n", "i8")])
@njit
def figure(tops, state, out, params):
    for i in range(tops.instrument.size):
        out[i].instrument, out[i].time_ns, out[i].n = tops.instrument[i], tops.time_ns[i], FILL
    return tops.instrument.size
'''
path, made = Path(sys.argv[1]), []
for fill in sys.argv[2:]:
    path.write_text(cell.format(fill))
    made.append(Definition.of(vars(_module(path))))
told = [Working(d, Instruments((Instrument("ACME", kind="spot"),))) for d in made]
print([int(w.take("tops", TOPS.make(instrument=[0]))["n"][0]) for w in told])
"""


def found_and_compiled(cache: Path) -> list[int]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")} | {"QFLIB_KERNEL_CACHE": str(cache)}
    done = subprocess.run([sys.executable, "-c", START], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_restart_finds_what_was_compiled(tmp_path: Path) -> None:
    assert found_and_compiled(tmp_path) == [0, 1]
    assert found_and_compiled(tmp_path) == [1, 0]
    assert len(list(tmp_path.rglob("realised_vol.*.guarded*.nbc"))) == 1


def test_a_file_changed_since_it_was_loaded_is_another_step(tmp_path: Path) -> None:
    """Numba keeps compiled code by the file as it lies there when it is asked to: by then it may be a later one."""
    env = os.environ | {"QFLIB_KERNEL_CACHE": str(tmp_path / "cache")}
    for fills in (["10", "70"], ["70"], ["10"]):
        command = [sys.executable, "-c", CHANGED, str(tmp_path / "figure.py"), *fills]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout) == [int(fill) for fill in fills]


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
