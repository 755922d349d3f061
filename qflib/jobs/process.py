"""A run in a process of its own: what it takes of memory and threads ends with it, and it can be ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Any

_LOOK_S = 0.2
_END_S = 5.0  # from SIGTERM to SIGKILL
_SAID = 2_000  # characters of what a process that broke said last


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run.

    Parameters
    ----------
    status
        As of `JobRun`: "done", "already_done" or "failed".
    seconds
        That it took.
    attempts
        Kernels it took.
    run_id
        Its id; empty where it did not come so far.
    reason
        Of one that failed, a sentence.
    """

    status: str
    seconds: float
    attempts: int
    run_id: str = ""
    reason: str = ""


def run(name: str, as_of: str, ending: threading.Event) -> Outcome | None:
    """Run a job for a date by the command.

    Parameters
    ----------
    name, as_of
        Which.
    ending
        When it is set the process is ended, and with it its kernel, which looks after its parent.

    Returns
    -------
    Outcome or None
        None where it was ended.
    """
    argv = [sys.executable, "-m", "qflib.cli.main", "jobs", "run", name, "--as-of", as_of, "--json"]
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        # a session of its own: Ctrl-C is the scheduler's, which lets runs end
        with subprocess.Popen(argv, stdout=out, stderr=err, start_new_session=True) as process:
            while process.poll() is None:
                if ending.wait(_LOOK_S):
                    _end(process)
                    return None
        out.seek(0)
        err.seek(max(0, err.seek(0, os.SEEK_END) - _SAID))
        said = err.read().decode(errors="replace").strip().splitlines()
        return _outcome(out.read(), process.returncode, said[-1] if said else "", time.monotonic() - began)


def _outcome(out: bytes, code: int, said: str, seconds: float) -> Outcome:
    try:
        told: dict[str, Any] = json.loads(out)
    except ValueError:
        told = {}
    reason = told.get("reason") or said.removeprefix("qflib: ") or f"its process ended with {code}"
    if told.get("status") in ("done", "already_done") and code == 0:
        return Outcome(told["status"], seconds, int(told.get("attempts") or 0), str(told.get("run_id", "")))
    return Outcome("failed", seconds, int(told.get("attempts") or 0), str(told.get("run_id", "")), reason)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
