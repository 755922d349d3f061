"""Processes forked from one that has the imports: as if each had been executed."""

import os
import signal
import sys
from threading import Thread

import psutil
import pytest

from qflib.stream import nursery as nursery_module
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
from qflib.stream import nursery as nursery_module
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


def executed(s, log, first):
    """Killed, it comes again without the imports."""
    s.send("stage", signal.SIGKILL)
    assert s.wait(lambda: s.workers[0].pid not in (None, first) and log.read_text().endswith("\n"), 20)
    return f"yes False __main__ {s.workers[0].pid}" in log.read_text()


def test_where_a_source_has_changed_programs_are_executed(supervised, tmp_path, monkeypatch):
    s, log = supervised("stays"), tmp_path / "logs" / "stage-0.log"
    assert s.wait(lambda: log.read_text().endswith("\n"), 10)
    now = nursery_module._sources()
    monkeypatch.setattr(nursery_module, "_sources", lambda: now + "another")
    assert executed(s, log, s.workers[0].pid)
    assert s._nursery.pid is not None


def test_sources_tell_a_changed_file(tmp_path, monkeypatch):
    (tmp_path / "stream").mkdir()
    monkeypatch.setattr(nursery_module, "__file__", str(tmp_path / "stream" / "nursery.py"))
    (tmp_path / "a.py").write_text("1")
    first = nursery_module._sources()
    assert nursery_module._sources() == first
    (tmp_path / "a.py").write_text("22")
    assert nursery_module._sources() != first


def test_one_that_does_not_answer_is_given_up_and_leaves_nothing(supervised, nursery, tmp_path, monkeypatch):
    monkeypatch.setattr(nursery_module, "_ANSWER_S", 0.5)
    s, log = supervised("stays"), tmp_path / "logs" / "stage-0.log"
    assert s.wait(lambda: log.read_text().endswith("\n"), 10)
    os.kill(nursery._process.pid, signal.SIGSTOP)
    assert executed(s, log, s.workers[0].pid)
    assert nursery.pid is None
    running = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
    assert [p.pid for p in running if "program.py" in " ".join(p.cmdline())] == [s.workers[0].pid]


def test_an_order_that_was_given_up_is_not_carried_out(nursery, tmp_path, monkeypatch):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    with (tmp_path / "first.log").open("wb") as words:
        assert nursery.fork([sys.executable, str(script), "ends"], words, dict(os.environ)).wait() == 3
    os.kill(nursery._process.pid, signal.SIGSTOP)

    def interrupted(*_):
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGALRM, interrupted)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with (tmp_path / "second.log").open("wb") as words, pytest.raises(KeyboardInterrupt):
            nursery.fork([sys.executable, str(script), "stays"], words, dict(os.environ))
    finally:
        signal.signal(signal.SIGALRM, former)
    os.kill(nursery._process.pid, signal.SIGCONT)
    with (tmp_path / "third.log").open("wb") as words:
        assert nursery.fork([sys.executable, str(script), "ends"], words, dict(os.environ)).wait() == 3
    assert (tmp_path / "second.log").read_bytes() == b""
    assert (tmp_path / "third.log").read_text().startswith("['ends']")


def test_an_environment_too_great_to_be_sent_is_executed(nursery, tmp_path):
    with (tmp_path / "log").open("wb") as words:
        assert nursery.fork([sys.executable, "x.py"], words, {"MINE": "x" * 140_000}) is None
    assert nursery.pid is not None


def test_where_ends_are_heard_of_elsewhere_a_process_counts_as_ended(nursery, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    with (tmp_path / "log").open("wb") as words:
        forked = nursery.fork([sys.executable, str(script), "ends"], words, dict(os.environ))
    os.waitpid(forked.pid, 0)
    assert forked.poll() == 0


def test_several_threads_hear_of_one_end(nursery, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    for _ in range(15):
        with (tmp_path / "log").open("wb") as words:
            forked = nursery.fork([sys.executable, str(script), "ends"], words, dict(os.environ))
        heard = []

        def ask(forked=forked, heard=heard):
            try:
                while (code := forked.poll()) is None:
                    pass
                heard.append(code)
            except OSError as e:
                heard.append(e)

        threads = [Thread(target=ask) for _ in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert heard == [3, 3, 3]
