"""Static checks: planted violations, each caught where it stands, with its mend; none on a step that is right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qflib.errors import DataError
from qflib.promote.cells import Cells, read_cells
from qflib.promote.rules import check

GOOD = """\
import numpy as np
from numba import njit
from qflib.kernels import ofi_update

State = np.dtype([("last", "f8"), ("n", "i8"), ("window", "f8", (4,))])
Out = np.dtype([("instrument", "u4"), ("time_ns", "i8"), ("x", "f8")])
PARAMS = {"decay": 0.06}
SIDE = 1


@njit
def half(x):
    return 0.5 * x


@njit
def step(tops, state, out, params):
    n = 0
    bid = tops.bid_ticks
    for i in range(tops.instrument.size):
        k = tops.instrument[i]
        s = state[k]
        s.last = half(bid[i] * params.tick[k])
        s.window[s.n % 4] = s.last
        s.n += SIDE
        out[n].instrument, out[n].time_ns, out[n].x = k, tops.time_ns[i], np.sum(s.window)
        n += 1
    return n
"""
LINE = "s.last = half(bid[i] * params.tick[k])"
#: what is put in the place of what, and the rule that finds it
PLANTED = [
    (LINE, "s.last = np.sum(tops.bid_ticks)", "batch"),
    (LINE, "s.last = tops.bid_ticks.mean()", "batch"),
    (LINE, "s.last = (bid * 2)[i]", "batch"),
    (LINE, "s.last = bid[i:].sum()", "batch"),
    (LINE, "s.last = half(tops)", "batch"),
    (LINE, "s.last = bid[i - 1]", "neighbour"),
    (LINE, "s.last = tops.bid_ticks[0]", "neighbour"),
    (LINE, "s.last = np.random.normal()", "random"),
    (LINE, "s.last = window_of_the_notebook", "free name"),
    (LINE, "print(s.last)", "builtin"),
    (LINE, "s.last = np.zeros(3)[0]", "dtype"),
    (LINE, "s.last = np.datetime64('now').astype('i8')", "clock"),
    (LINE, "s.last = {1, 2}.pop()", "set"),
    ("    n = 0\n", "    global SIDE\n    n = 0\n", "global"),
    ("import numpy as np\n", "import pandas as pd\nimport numpy as np\n", "import"),
    ("import numpy as np\n", "import time\nimport numpy as np\n", "import"),
    ("import numpy as np\n", "import random\nimport numpy as np\n", "import"),
    ("from numba import njit\n", "from numba import *\n", "import"),
    ("import ofi_update", "import secret_kernel", "kernel"),
    ("@njit\ndef step", "@njit(fastmath=True)\ndef step", "fastmath"),
    ("@njit\ndef step", "@njit(parallel=True)\ndef step", "parallel"),
    ("@njit\ndef step", "def step", "njit"),
    ("SIDE = 1\n", "SIDE = 1\nLOOP = prange\n", "compiler"),
    ('("n", "i8"), ', '("n", int), ', "dtype"),
    ('("time_ns", "i8"), ', "", "missing"),
    ("SIDE = 1\n", "SIDE = 1\nprint(SIDE)\n", "statement"),
    ("SIDE = 1\n", "%timeit half(1.0)\nSIDE = 1\n", "syntax"),
    ("SIDE = 1\n", "class Memory:\n    n = 0\n\nSIDE = 1\n", "statement"),
    ("PARAMS = {", "FILE = open('x')\nPARAMS = {", "builtin"),
]

IMPORT, SIDE, NJIT, STEP = "import numpy as np\n", "SIDE = 1\n", "from numba import njit\n", "@njit\ndef step"
BID = "    bid = tops.bid_ticks\n"
SIGNATURE = "events, state, out, params"
#: ways round a check that looks for words: what is put in the place of what, and the rule that finds it all the same
EVADING = [
    (IMPORT, IMPORT + "import numpy as n\nX = n.random.normal()\n", "random"),
    (IMPORT, IMPORT + "import numpy.random as r\nX = r.normal()\n", "import"),
    (IMPORT, IMPORT + "from numpy.random import normal\nX = normal()\n", "import"),
    (IMPORT, IMPORT + "from numpy import random\nX = random.normal()\n", "random"),
    (IMPORT, IMPORT + "from numpy import datetime64\n", "clock"),
    (IMPORT, IMPORT + "from numpy.testing import assert_equal\n", "import"),
    (SIDE, SIDE + "m = np\nX = m.random.normal()\n", "module"),
    (SIDE, SIDE + "X = getattr(np, 'ran' + 'dom').normal()\n", "builtin"),
    (SIDE, SIDE + "X = np.__dict__['random'].normal()\n", "private"),
    (SIDE, SIDE + "X = np.fromfile('/etc/hostname', np.uint8)\n", "numpy"),
    (SIDE, SIDE + "X = np.memmap('/tmp/x')\n", "numpy"),
    (SIDE, SIDE + "X = np.ctypeslib\n", "numpy"),
    (SIDE, SIDE + "X = np.vectorize(half)\n", "numpy"),
    (SIDE, SIDE + "X = __loader__.load_module('time').time()\n", "builtin"),
    (SIDE, SIDE + "X = 'abc'.__hash__()\n", "private"),
    (SIDE, SIDE + "X = ().__class__.__base__.__subclasses__()\n", "private"),
    (SIDE, SIDE + "X = set([3, 1, 2]).pop()\n", "builtin"),
    (SIDE, SIDE + "X = type('x', (), {})\n", "builtin"),
    (SIDE, SIDE + "State, Y = np.dtype([('last', int)]), 1\n", "twice"),
    (SIDE, SIDE + "PARAMS['late'] = 2.0\n", "statement"),
    (SIDE, SIDE + f"G = njit(lambda {SIGNATURE}: int(np.sum(events.qty)))\n", "compiler"),
    (SIDE, SIDE + f"G = lambda {SIGNATURE}: 0\n", "statement"),
    (SIDE, SIDE + "@njit\ndef g(events, /, state, out, params):\n    return 0\n", "arguments"),
    (SIDE, SIDE + "@njit\ndef g(events, state, out, *params):\n    return 0\n", "arguments"),
    (SIDE, SIDE + f"def make():\n    @njit\n    def g({SIGNATURE}):\n        return 0\n    return g\n", "statement"),
    (SIDE, SIDE + "@njit\ndef g(x, kept=np.zeros(3, np.float64)):\n    return kept[0]\n", "default"),
    (NJIT, NJIT + "from numba import prange as walk\n", "compiler"),
    (NJIT, NJIT + "from numba import objmode as interpreted\n", "compiler"),
    (NJIT, NJIT + "from numba import carray\n", "compiler"),
    (NJIT, NJIT + "from numba.core.utils import threading\n", "import"),
    (NJIT, NJIT + "import numba as nb\nP = nb.prange\n", "compiler"),
    (NJIT, NJIT + "import numba\ndef njit(f):\n    return f\n", "twice"),
    (STEP, "OPTIONS = {'fastmath': True}\n\n\n@njit(**OPTIONS)\ndef step", "options"),
    (STEP, "@njit(**{'fastmath': True})\ndef step", "options"),
    (STEP, "def twice(f):\n    return f\n\n\n@twice\n@njit\ndef step", "njit"),
    (BID, "    if True:\n        b = tops.bid_ticks\n    bid = b\n    total = np.sum(bid)\n", "batch"),
    (BID, BID + "    a = np.zeros(9, np.int64)\n    a[:9] = tops.bid_ticks\n", "batch"),
    (BID, BID + "    first, *others = tops.bid_ticks\n", "batch"),
    (BID, BID + "    total = 0\n    for b in tops.bid_ticks:\n        total += b\n", "batch"),
    (BID, BID + "    pairs = list(zip(bid, bid))\n", "batch"),
    (BID, BID + "    for j in range(tops.instrument.size - 1, -1, -1):\n        n += 0\n", "batch"),
    (LINE, "i = i - 1", "neighbour"),
    (LINE, "for j in range(2):\n            s.last = bid[j]", "neighbour"),
    (LINE, "s.last = float(tops.instrument.size)", "batch"),
    (LINE, "s.last = float(len(bid))", "batch"),
    (LINE, "if s.last > 1.0:\n            break", "batch"),
    (LINE, "if s.last > 1.0:\n            return n", "batch"),
    (LINE, "s.last = getattr(tops, 'bid_ticks').sum()", "batch"),
    (LINE, "s.last = [b for b in bid][0]", "batch"),
    (LINE, "s.last = np.empty(3, np.float64)[0]", "empty"),
    (LINE, "s.last = s.window.ctypes.data", "private"),
    (LINE, "s.last = s.window @ s.window", "numpy"),
    (LINE, "with half(1.0):\n            s.last = 1.0", "statement"),
]  # fmt: skip
#: what a step may well do
ALLOWED = [
    (BID, BID + "    if tops.instrument.size == 0:\n        return 0\n"),
    (BID, BID + "    ask = bid\n"),
    ("range(tops.instrument.size)", "range(0, len(bid))"),
    (BID, BID + "    hash = 0.0\n    hash += SIDE\n"),
    ("    for i in range(tops.instrument.size):\n", "    rows = bid.shape[0]\n    for i in range(rows):\n"),
    ("for i in range(tops.instrument.size):", "for i, b in enumerate(bid):"),
    (LINE, "for j in range(4):\n            s.last += s.window[j]\n            if j == 3:\n                break"),
    (LINE, "if s.last < 0.0:\n            raise ValueError('a negative price')"),
    (LINE, "s.last = np.sqrt(bid[i]) + np.log1p(np.pi) + np.float64(1)"),
    (STEP, '@njit(cache=True, error_model="numpy")\ndef step'),
    (IMPORT, "import math\nimport numpy as np\n"),
]


def cells_of(source: str, cell: int = 3) -> Cells:
    return Cells(source, tuple((cell, i + 1) for i in range(source.count("\n"))))


def test_a_step_that_is_right_has_no_findings() -> None:
    assert check(cells_of(GOOD)) == []


@pytest.mark.parametrize(("old", "new", "rule"), PLANTED, ids=[f"{r}-{n[:24]}" for _, n, r in PLANTED])
def test_planted(old: str, new: str, rule: str) -> None:
    assert GOOD.count(old) == 1
    added = next((i for i, text in enumerate(new.split("\n")) if text not in old), 0)
    line = GOOD[: GOOD.index(old)].count("\n") + 1 + added
    found = check(cells_of(GOOD.replace(old, new)))
    assert (3, line, rule) in [(v.cell, v.line, v.rule) for v in found]
    if rule not in ("kernel", "clock") and "import *" not in new:  # names that are no longer imported are found, too
        assert {v.line for v in found} <= {line, line + 1}
    mend = next(v.message for v in found if v.rule == rule)
    assert ";" in mend or ":" in mend


@pytest.mark.parametrize(("old", "new", "rule"), EVADING, ids=[f"{r}-{i}" for i, (_, _, r) in enumerate(EVADING)])
def test_ways_round(old: str, new: str, rule: str) -> None:
    assert GOOD.count(old) == 1
    found = [v for v in check(cells_of(GOOD.replace(old, new))) if v.rule == rule]
    assert found
    assert all(";" in v.message for v in found)


@pytest.mark.parametrize(("old", "new"), ALLOWED, ids=range(len(ALLOWED)))
def test_no_false_alarm(old: str, new: str) -> None:
    assert GOOD.count(old) == 1
    assert check(cells_of(GOOD.replace(old, new))) == []


def notebook(path: Path, *cells: tuple[str, list[str]]) -> Path:
    made = [
        {"cell_type": "code", "metadata": {"tags": tags}, "source": text, "outputs": [], "execution_count": None}
        for text, tags in cells
    ]
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def test_lines_are_told_in_their_own_cells(tmp_path: Path) -> None:
    first, second = GOOD.split("@njit\ndef step")
    book = notebook(
        tmp_path / "book.ipynb",
        ("x = 1", []),
        (first, ["step"]),
        ("y = 2", []),
        ("@njit\ndef step" + second.replace(LINE, "s.last = bid[i + 1]"), ["step"]),
    )
    [found] = check(read_cells(book))
    assert (found.cell, found.line, found.rule) == (4, 8, "neighbour")


def test_a_notebook_without_a_step_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no code cell tagged 'step'"):
        read_cells(notebook(tmp_path / "book.ipynb", ("x = 1", [])))
    with pytest.raises(DataError, match="does not exist"):
        read_cells(tmp_path / "other.ipynb")
    tagged = '"cell_type": "code", "metadata": {"tags": ["step"]}'
    for text in (
        "no json",
        "[]",
        '{"cells": [1, 2]}',
        f'{{"cells": [{{{tagged}}}]}}',
        f'{{"cells": [{{{tagged}, "source": 7}}]}}',
    ):
        (tmp_path / "text.ipynb").write_text(text)
        with pytest.raises(DataError, match="is no notebook"):
            read_cells(tmp_path / "text.ipynb")
    (tmp_path / "null.ipynb").write_text(
        '{"cells": [{"cell_type": "code", "metadata": {"tags": null}, "source": "x"}]}'
    )
    with pytest.raises(DataError, match="no code cell tagged 'step'"):
        read_cells(tmp_path / "null.ipynb")


@pytest.mark.parametrize("book", sorted(Path("notebooks/promotion").glob("*.ipynb")), ids=lambda p: p.stem)
def test_no_false_alarm_on_the_steps_that_ship(book: Path) -> None:
    assert check(read_cells(book)) == []
