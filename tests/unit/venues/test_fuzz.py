"""Bytes of every venue, mutated, as frames and as files: refusals and errors of qflib, never another exception.

`tests/fuzz` does the same by coverage, for longer.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.errors import DataError
from qflib.venues.table import VENUES


def _loaded(folder: str, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[2] / folder / f"{name}.py")
    module: Any = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


venue_bytes, inputs = _loaded("reference", "venue_bytes"), _loaded("fuzz", "inputs")

_BOOKLESS = ("ohlcv", "imbalance", "definition", "error", "symbol-mapping", "system", "defined")
_ODD = [b"-", b"0" * 30, b"9" * 30, b"null", b"[", b"{}", b"\0", b"1e9"]
every = pytest.mark.parametrize("name", venue_bytes.names())
with_files = pytest.mark.parametrize("name", [n for n in venue_bytes.names() if venue_bytes.good(n).files])


@st.composite
def mutated(draw: Any, data: bytes) -> bytes:
    """Bytes overwritten, put in, taken out, said twice, cut off."""
    out = bytearray(data)
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(out)))
        kind = draw(st.sampled_from(("over", "in", "out", "twice")))
        if kind == "over":
            told = draw(st.binary(min_size=1, max_size=8))
            out[at : at + len(told)] = told
        elif kind == "in":
            out[at:at] = draw(
                st.binary(max_size=4) | st.sampled_from([b"-", b"0" * 30, b"9" * 30, b"null", b"[", b"\0"])
            )
        else:
            end = at + draw(st.integers(1, 40))
            out[at:end] = b"" if kind == "out" else out[at:end] * 2
    return bytes(out[: draw(st.integers(0, len(out)))] if draw(st.integers(0, 3)) == 0 else out)


def test_every_venue_is_fuzzed() -> None:
    assert set(venue_bytes.names()) == set(VENUES)
    assert all(venue_bytes.good(n).files for n, row in VENUES.items() if row.reads)


@every
def test_the_seeds_are_good(name: str, tmp_path: Path) -> None:
    g = venue_bytes.good(name)
    made = venue_bytes.decode(name, g.frames)
    assert len(made.events.kind) + len(made.signals.direction) >= len(g.frames) // 2
    for file, data in g.files.items():
        (tmp_path / file).write_bytes(data)
        if file.startswith(_BOOKLESS):
            with pytest.raises(DataError):
                VENUES[name].read(tmp_path / file)
        else:
            assert list(VENUES[name].read(tmp_path / file, g.table).chunks())


@every
def test_the_fuzzer_by_coverage_takes_every_seed(name: str, tmp_path: Path) -> None:
    made = inputs.Inputs(venue_bytes, name, tmp_path)
    seeds = made.seeds()
    assert len(seeds) == 1 + len(venue_bytes.good(name).frames) + len(venue_bytes.good(name).files)
    for seed in [*seeds, b""]:
        made.take(seed)


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is in the group fuzz")
@pytest.mark.parametrize("kernels", [[], ["--compiled"]])
def test_the_fuzzer_runs(tmp_path: Path, kernels: list[str]) -> None:
    asked = [*kernels, "--runs", "300", "--corpus", str(tmp_path / "corpus"), "--found", str(tmp_path / "found")]
    told = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "jacobi", *asked],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr[-2000:]
    assert "number_of_executed_units: 300" in told.stderr


@pytest.mark.fuzz
@every
@given(data=st.data())
def test_mutated_frames_are_refused_or_say_what_they_say(name: str, data: st.DataObject) -> None:
    frames = list(venue_bytes.good(name).frames)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(frames) - 1))
        frames[at] = data.draw(mutated(frames[at]) | st.binary(max_size=100))
    venue_bytes.decode(name, data.draw(st.permutations(frames)) if data.draw(st.booleans()) else frames)


#: As JSON: what is put in may be changed in its turn.
_OTHERS = ["null", "true", "0", "-1", "1.5", "1" + "0" * 30, '""', '"x"', '"-1"', '"1e9"', f'"0.{"0" * 30}1"', "[]"]
_OTHERS += ["[[]]", "{}"]


def _json(frame: bytes) -> bool:
    try:
        return isinstance(json.loads(frame), dict | list)
    except ValueError:
        return False


@st.composite
def retyped(draw: Any, frame: bytes) -> bytes:
    """JSON with values somewhere in it that are others, often of another type."""
    root = [json.loads(frame)]
    for _ in range(draw(st.integers(1, 3))):
        at: Any = root
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            key = draw(st.sampled_from(keys))
            inner = at[key]
            if not (isinstance(inner, dict | list) and inner) or draw(st.integers(0, 4)) == 0:
                break
            at = inner
        if at is root:
            continue
        at[key] = json.loads(draw(st.sampled_from(_OTHERS)))
    return json.dumps(root[0]).encode()


@pytest.mark.fuzz
@pytest.mark.parametrize("name", [n for n in venue_bytes.names() if any(map(_json, venue_bytes.good(n).frames))])
@settings(max_examples=300)
@given(data=st.data())
def test_values_of_other_types_are_refused_or_say_what_they_say(
    name: str, data: st.DataObject, tmp_path_factory: Any
) -> None:
    frames = list(venue_bytes.good(name).frames)
    at = data.draw(st.sampled_from([i for i, f in enumerate(frames) if _json(f)]))
    frames[at] = data.draw(retyped(frames[at]))
    venue_bytes.decode(name, frames)
    if "a.txt" in venue_bytes.good(name).files:
        lines = b"".join(b"%d.0: %s\n" % line for line in enumerate(frames))
        venue_bytes.read(name, "a.txt", lines, tmp_path_factory.getbasetemp())


@pytest.mark.fuzz
@with_files
@given(data=st.data())
def test_mutated_files_are_read_or_told(name: str, data: st.DataObject, tmp_path_factory: Any) -> None:
    files = venue_bytes.good(name).files
    file = data.draw(st.sampled_from(sorted(files)))
    told = data.draw(mutated(files[file]) | mutated(files[file]) | st.binary(max_size=200))
    venue_bytes.read(name, file, told, tmp_path_factory.mktemp("fuzz"))


@pytest.mark.fuzz
@with_files
def test_a_file_cut_anywhere_is_read_or_told(name: str, tmp_path: Path) -> None:
    for file, data in venue_bytes.good(name).files.items():
        for cut in range(0, len(data), max(1, len(data) // 25)):
            venue_bytes.read(name, file, data[:cut], tmp_path)
