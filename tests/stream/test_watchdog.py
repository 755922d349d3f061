"""What hangs is ended; what only takes its time is not."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

from qflib.stream.watchdog import HUNG, Watchdog


def test_what_lasts_beyond_the_limit_is_ended() -> None:
    ended, told = threading.Event(), list[tuple[str, float]]()
    watchdog = Watchdog(0.1, lambda what, seconds: (told.append((what, seconds)), ended.set()))
    with watchdog.over("a commit"):
        assert ended.wait(5.0)
    assert told[0][0] == "a commit"
    assert told[0][1] >= 0.1


def test_what_does_not_is_not() -> None:
    ended = threading.Event()
    watchdog = Watchdog(0.5, lambda *_: ended.set())
    end = time.monotonic() + 1.2  # many pieces of work together take longer than one may
    while time.monotonic() < end:
        with watchdog.over("a commit"):
            time.sleep(0.02)
    assert not ended.is_set()


def test_the_process_ends_with_a_code_that_starts_it_again() -> None:
    program = (
        "import time\n"
        "from qflib.stream.watchdog import Watchdog\n"
        "with Watchdog(0.1).over('a commit'):\n"
        "    time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == HUNG
    assert "a commit" in done.stdout + done.stderr
