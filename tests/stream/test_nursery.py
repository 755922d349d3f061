"""Processes forked from one that has the imports: as if each had been executed."""

import os
import signal
import sys

import psutil
import pytest

from qflib.stream.nursery import Nursery
from qflib.stream.supervisor import Program, Supervisor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are Linux's")

PROGRAM = """
import atexit, os, sys, time
print(sys.argv[1:], os.environ.get("MINE"), "decimal" in sys.modules, __name__, os.getpid(), flush=True)
atexit.register(print, "last words")
if sys.argv[1] == "ends":
    sys.exit(3)
if sys.argv[1] == "fails":
    raise ValueError("no such state")
while True: time.sleep(60)
"""


@pytest.fixture
def nursery():
    made = Nursery(("decimal",))
    made.begin()
    yield made
    made.end()


@pytest.fixture
def supervised(nursery, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    made = []

    def make(word):
        program = Program("stage", lambda k: [sys.executable, str(script), word, str(k)], spare=True)
        made.append(Supervisor([program], tmp_path / "logs", {"MINE": "yes"}, nursery))
        made[-1].start()
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop(budget_s=0.0)


def test_a_forked_program_has_its_arguments_environment_and_log_and_the_imports(supervised, tmp_path):
    s, log = supervised("stays"), tmp_path / "logs" / "stage-0.log"
    assert s.wait(lambda: log.read_text().endswith("\n"), 10)
    pid = s.workers[0].pid
    assert log.read_text() == f"['stays', '0'] yes True __main__ {pid}\n"
    assert psutil.Process(pid).ppid() == os.getpid()
    assert str(tmp_path / "program.py").startswith(psutil.Process(pid).cmdline()[1])
    assert os.getpgid(pid) == pid


@pytest.mark.parametrize(
    ("word", "how", "said"), [("ends", 3, "last words"), ("fails", 1, "ValueError: no such state")]
)
def test_its_exit_code_and_last_words_are_its_own(supervised, tmp_path, word, how, said):
    s = supervised(word)
    child = s._children["stage", 0]
    assert s.wait(lambda: s.restarts("stage") == 1, 10)
    assert said in (tmp_path / "logs" / "stage-0.1.log").read_text()
    assert s.wait(lambda: child.code == how, 10)


def test_killed_it_is_forked_again_and_counted(supervised):
    s = supervised("stays")
    first = s.workers[0].pid
    s.send("stage", signal.SIGKILL)
    assert s.wait(lambda: s.workers[0].pid not in (None, first), 10)
    assert s.workers[0].restarts == 1
    assert not psutil.pid_exists(first)


def test_without_the_nursery_programs_go_on_and_are_executed(supervised, nursery, tmp_path):
    s, log = supervised("stays"), tmp_path / "logs" / "stage-0.log"
    first = s.workers[0].pid
    os.kill(nursery._process.pid, signal.SIGKILL)
    nursery._process.wait()
    assert s.wait(lambda: log.read_text().endswith("\n"), 10)
    assert s.workers[0].pid == first
    s.send("stage", signal.SIGKILL)
    assert s.wait(lambda: s.workers[0].pid not in (None, first) and log.read_text().endswith("\n"), 20)
    assert f"yes False __main__ {s.workers[0].pid}" in log.read_text()


def test_a_forked_program_is_gone_with_whoever_ordered_it(tmp_path):
    owner = f"""
import sys, time
from pathlib import Path
from qflib.stream.nursery import Nursery
from qflib.stream.supervisor import Program, Supervisor
Path({str(tmp_path / "p.py")!r}).write_text({PROGRAM!r})
s = Supervisor([Program("stage", lambda k: [sys.executable, {str(tmp_path / "p.py")!r}, "stays"])],
               Path({str(tmp_path)!r}), None, Nursery(()))
s.start()
print(s.workers[0].pid, s._nursery._process.pid, flush=True)
time.sleep(60)
"""
    with psutil.Popen([sys.executable, "-c", owner], stdout=-1) as process:
        forked = [psutil.Process(int(p)) for p in process.stdout.readline().split()]
        process.kill()
    _, alive = psutil.wait_procs(forked, 10)
    assert len(forked) == 2
    assert not alive
