"""The supervisor over real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from qflib.errors import InputError
from qflib.stream.child import last_words
from qflib.stream.supervisor import DeskStoppedError, Program, Supervisor

GRACEFUL = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("stopped", time.monotonic_ns(), flush=True), sys.exit(0)))
print("ready", flush=True)
while True: time.sleep(60)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"


def toy(stage, code, workers=1, ends=False, spare=False):
    return Program(stage, lambda k: [sys.executable, "-ISc", code, str(k)], workers, ends, spare)


@pytest.fixture
def supervised(tmp_path):
    made = []

    def make(*programs, **kwargs):
        made.append(Supervisor(programs, tmp_path / "logs", **kwargs))
        made[-1].start()
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop(budget_s=0.0)


def log(tmp_path, name):
    place = tmp_path / "logs" / f"{name}.log"
    return place.read_text() if place.exists() else ""


def ready(supervisor, tmp_path, *names):
    assert supervisor.wait(lambda: all("ready" in log(tmp_path, n) for n in names), 10)


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_killed_worker_is_back_at_once_and_counted(supervised, tmp_path):
    s = supervised(toy("exchange", GRACEFUL, workers=2))
    ready(s, tmp_path, "exchange-0", "exchange-1")
    first, other = (w.pid for w in s.workers)
    s.send("exchange", signal.SIGKILL, 0)
    assert s.wait(lambda: s.restarts("exchange") == 1 and s.workers[0].pid not in (None, first), 10)
    assert s.workers[1].pid == other
    assert [w.restarts for w in s.workers] == [1, 0]
    assert "ready" in log(tmp_path, "exchange-0.1")  # what the one before said is kept


def test_exit_code_2_stops_the_desk_with_its_sentence(supervised, tmp_path):
    refuses = (
        'import sys; print(\'{"event": "starting"}\', file=sys.stderr);'
        "print('qflib: snapshot is of another step version; start with --fresh', file=sys.stderr); sys.exit(2)"
    )
    s = supervised(toy("normalize", GRACEFUL), toy("exchange", refuses))
    pid = s.workers[0].pid
    with pytest.raises(DeskStoppedError, match=r"^snapshot is of another step version; start with --fresh$"):
        s.wait(lambda: False, 10)
    assert gone(pid)
    assert s.restarts("exchange") == 0


def test_a_crash_loop_stops_the_desk_with_the_reason(supervised):
    s = supervised(toy("normalize", GRACEFUL), toy("exchange", "raise ValueError('no such state')"))
    pid = s.workers[0].pid
    with pytest.raises(DeskStoppedError, match=r"exchange-0 died 5 times within 30 s, last by exit code 1 \(ValueErr"):
        s.wait(lambda: False, 20)
    assert s.restarts("exchange") == 4
    assert gone(pid)


@pytest.mark.parametrize("code", ["raise SystemExit(2)", "raise SystemExit(1)"])
def test_without_a_spare_process_the_desk_goes_on(supervised, tmp_path, code):
    s = supervised(toy("exchange", GRACEFUL), toy("dash", code, spare=True))
    ready(s, tmp_path, "exchange-0")
    assert s.wait(lambda: s.ended("dash"), 20)
    assert next(w.pid for w in s.workers if w.stage == "exchange")
    assert s.restarts("dash") == (0 if code.endswith("(2)") else 4)


def test_a_stage_that_ends_by_itself_is_not_started_again(supervised):
    s = supervised(toy("ingest", "pass", ends=True), toy("exchange", "import time; time.sleep(60)"))
    assert s.wait(lambda: s.ended("ingest"), 10)
    assert not s.ended("exchange")
    s.wait(lambda: False, 0.3)
    assert s.restarts("ingest") == 0


def test_an_end_of_a_stage_that_should_not_end_is_a_death(supervised):
    s = supervised(toy("exchange", "pass"))
    assert s.wait(lambda: s.restarts("exchange") > 0, 10)


def test_stop_is_in_flow_order_and_kills_the_deaf_within_the_budget(supervised, tmp_path):
    s = supervised(toy("normalize", GRACEFUL), toy("exchange", DEAF), toy("portfolio", GRACEFUL))
    ready(s, tmp_path, "normalize-0", "exchange-0", "portfolio-0")
    pids = [w.pid for w in s.workers]
    start = time.monotonic()
    assert s.stop(budget_s=1.0) == ["exchange-0"]
    assert time.monotonic() - start < 2.0
    assert all(gone(p) for p in pids)
    assert "stopped" in log(tmp_path, "normalize-0")
    assert "stopped" in log(tmp_path, "portfolio-0")


def test_a_stopped_process_is_killed_too(supervised, tmp_path):
    s = supervised(toy("exchange", GRACEFUL))
    ready(s, tmp_path, "exchange-0")
    pid = s.workers[0].pid
    s.send("exchange", signal.SIGSTOP)
    assert s.stop(budget_s=0.2) == ["exchange-0"]
    assert gone(pid)


def test_scale_starts_the_next_ordinal_and_stops_the_highest(supervised, tmp_path):
    s = supervised(toy("exchange", GRACEFUL))
    ready(s, tmp_path, "exchange-0")
    first = s.workers[0].pid
    s.scale("exchange", 2)
    ready(s, tmp_path, "exchange-1")
    second = s.workers[1].pid
    s.scale("exchange", 1)
    assert [w.pid for w in s.workers] == [first]
    assert gone(second)
    assert "stopped" in log(tmp_path, "exchange-1")
    with pytest.raises(InputError, match="0 workers of exchange"):
        s.scale("exchange", 0)
    with pytest.raises(InputError, match="no stage 'nope'"):
        s.scale("nope", 2)


def test_memory_is_watched_with_its_peak(supervised, tmp_path):
    s = supervised(toy("exchange", GRACEFUL))
    ready(s, tmp_path, "exchange-0")
    assert s.wait(lambda: s.workers[0].memory > 1_000_000, 5)
    assert s.workers[0].peak_memory >= s.workers[0].memory
    s.stop()
    assert s.workers[0].memory == 0
    assert s.workers[0].peak_memory > 1_000_000


def test_workers_get_one_thread_each_and_the_callers_variables(supervised, tmp_path):
    shows = (
        "import os, time; print(os.environ['NUMBA_NUM_THREADS'], os.environ['MINE'], 'ready', flush=True);"
        "time.sleep(60)"
    )
    s = supervised(toy("exchange", shows), environment={"MINE": "yes"})
    ready(s, tmp_path, "exchange-0")
    assert log(tmp_path, "exchange-0").split() == ["1", "yes", "ready"]


@pytest.mark.skipif(sys.platform != "linux", reason="the leash is Linux's")
def test_nothing_outlives_a_killed_supervisor(tmp_path):
    owner = f"""
import sys, time
from pathlib import Path
from qflib.stream.supervisor import Program, Supervisor
s = Supervisor([Program("deaf", lambda k: [sys.executable, "-ISc", {DEAF!r}], 2)], Path({str(tmp_path / "logs")!r}))
s.start()
print(*(w.pid for w in s.workers), flush=True)
s.wait(lambda: False, 60)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", owner], stdout=subprocess.PIPE, env=environment) as process:
        pids = [int(p) for p in process.stdout.readline().split()]
        end = time.monotonic() + 10
        while not all("ready" in log(tmp_path, f"deaf-{k}") for k in (0, 1)) and time.monotonic() < end:
            time.sleep(0.01)
        process.kill()
    end = time.monotonic() + 5
    while not all(gone(p) for p in pids) and time.monotonic() < end:
        time.sleep(0.01)
    assert len(pids) == 2
    assert all(gone(p) for p in pids)


def test_last_words(tmp_path):
    place = tmp_path / "a.log"
    place.write_text('{"event": "one"}\n{"event": "two", "level": "error"}\n\n')
    assert last_words(place) == "two"
    place.write_text("Traceback ...\nqflib: no Java; install one\n")
    assert last_words(place) == "no Java; install one"
    assert last_words(tmp_path / "none.log") == ""
