"""Fuzz the decoders and readers of venues by coverage: ``python -m tests.fuzz VENUE --seconds 60``.

``uv sync --inexact --group fuzz`` installs atheris, where it has a wheel. VENUE is a row of the table of venues, or
``all``. Kernels run as plain Python, so that coverage reaches them; ``--compiled`` compiles them, with checks of
bounds, and sees the Python around them alone. An input that crashes, hangs or takes too much memory is written to
--found and ends the run; ``--again FILE`` does it once more. Coverage lasts in --corpus from run to run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

#: Seconds that one input may take (plain kernels are slow), and memory in MB.
_INPUT_S, _MEMORY_MB = 20, 3000
#: Longest input: seeds are shorter.
_MOST_BYTES = 8192


def main() -> int:
    """Run; the exit code is 0 where nothing was found."""
    asked = _arguments()
    # Before numba is imported.
    os.environ.setdefault(*(("NUMBA_BOUNDSCHECK", "1") if asked.compiled else ("NUMBA_DISABLE_JIT", "1")))
    os.environ.setdefault("NUMBA_CACHE_DIR", str(asked.corpus / "numba"))
    from qflib.venues.table import VENUES

    if asked.venue == "all":
        return max(_other(name) for name in VENUES)
    if asked.venue not in VENUES:
        print(f"venue {asked.venue!r} is unknown; expected all, or one of {', '.join(VENUES)}", file=sys.stderr)
        return 2
    return _fuzzed(asked)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("venue")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=-1, help="inputs; -1: as many as the time holds")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--corpus", type=Path, default=Path(".fuzz/corpus"))
    parser.add_argument("--found", type=Path, default=Path(".fuzz/found"))
    parser.add_argument("--again", type=Path)
    return parser.parse_args()


def _other(name: str) -> int:
    """The same for one venue, in a process of its own."""
    rest = [name if a == "all" else a for a in sys.argv[1:]]
    code = subprocess.run([sys.executable, "-m", "tests.fuzz", *rest], check=False).returncode
    print(f"{name}: {'nothing found' if not code else f'exit code {code}'}", flush=True)
    return abs(code)


def _kernels() -> list[str]:
    """What Numba compiles, and so must stay as it is."""
    import pkgutil

    from qflib import kernels

    return [m.name for m in pkgutil.walk_packages(kernels.__path__, "qflib.kernels.")]


def _fuzzed(asked: argparse.Namespace) -> int:
    import warnings

    import atheris

    from tests.fuzz.inputs import Inputs, reference

    warnings.simplefilter("ignore")  # of plain kernels, whose integers wrap as compiled ones do
    corpus, work = asked.corpus / asked.venue, asked.corpus / "work"
    for folder in (corpus, work, asked.found):
        folder.mkdir(parents=True, exist_ok=True)
    with atheris.instrument_imports(include=["qflib"], exclude=_kernels() if asked.compiled else []):
        if not asked.compiled:
            reference("plain_kernels").install()
        inputs = Inputs(reference("venue_bytes"), asked.venue, work)
        for seed in inputs.seeds():
            inputs.take(seed)  # every module is loaded by now
    if asked.again is not None:
        inputs.take(asked.again.read_bytes())
        return 0
    for n, seed in enumerate(inputs.seeds()):
        (corpus / f"seed-{n:03d}").write_bytes(seed)
    words = asked.corpus / f"{asked.venue}.dict"
    words.write_text("".join(f'"{w.decode()}"\n' for w in [b"qflib", *inputs.words()]))  # libFuzzer refuses none
    atheris.Setup(
        [
            sys.argv[0], f"-max_total_time={asked.seconds}", f"-runs={asked.runs}", f"-timeout={_INPUT_S}",
            f"-rss_limit_mb={_MEMORY_MB}", f"-max_len={_MOST_BYTES}", f"-dict={words}",
            f"-artifact_prefix={asked.found}/{asked.venue}-", "-print_final_stats=1", str(corpus),
        ],
        inputs.take,
    )  # fmt: skip
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
