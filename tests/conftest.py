"""What every test may use: the recordings, and how hypothesis runs."""

import faulthandler
import importlib.util
import os
import signal
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numba
import pytest
import structlog
from hypothesis import HealthCheck, settings

from qflib.broker import topics
from qflib.broker.clients import Connection
from qflib.broker.local import LocalBroker
from qflib.settings import load
from tests.faults.table import Told

settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile(
    "ci", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")


if numba.config.DISABLE_JIT:  # kernels as plain Python
    _file = Path(__file__).parent / "reference" / "plain_kernels.py"
    _spec = importlib.util.spec_from_file_location("plain_kernels", _file)
    _plain = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
    _spec.loader.exec_module(_plain)  # type: ignore[union-attr]
    _plain.install()


def pytest_configure(config: pytest.Config) -> None:
    if numba.config.DISABLE_JIT:  # integers wrap as compiled ones do, and NumPy says so
        config.addinivalue_line("filterwarnings", "ignore:overflow encountered:RuntimeWarning")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep how it ended: CI forgives a run in which tests failed, but none that broke off."""
    cache = getattr(session.config, "cache", None)
    if cache is not None and not hasattr(session.config, "workerinput"):
        cache.set("qflib/status", int(exitstatus))


#: Seconds that a test of the mark "fuzz" may take, with its kernels compiled on the way.
FUZZ_S = 240.0


class Hung(BaseException):
    """What a test that does not end is left by: no handler of errors takes it for one."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `Hung` where Python hangs; where compiled code does, end the process after twice the time."""

    def raised(signum: int, frame: FrameType | None) -> None:
        raise Hung(f"not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, raised)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(2 * seconds, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def _logs_as_in_a_new_process() -> None:
    """A command that ran in this one has set a level, below which a later test would not hear what is said."""
    structlog.reset_defaults()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    if item.get_closest_marker("fuzz") is None:
        return (yield)
    with time_limit(FUZZ_S):
        return (yield)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of recordings: the setting QFLIB_TEST_DATA, else ../shared/data beside the project."""
    root = Path(__file__).parents[1]
    place = root / os.environ.get("QFLIB_TEST_DATA", "../shared/data")
    if not place.is_dir():
        reason = f"{place} has no recordings; set QFLIB_TEST_DATA to the folder that has them"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return place


def _started(folder: Path, patience_s: float = 15.0) -> Iterator[LocalBroker]:
    kafka = load().broker
    broker = LocalBroker(
        folder, light=True, patience_s=patience_s, repository=kafka.repository, cache=kafka.cache, progress=False
    )
    broker.prepare()  # once a machine: fetches the jars, halves every later start
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """A broker of this test process, with every topic of the table in four partitions."""
    for one in _started(tmp_path_factory.mktemp("kafka")):
        topics.create(one.connection, 4)
        yield one


@pytest.fixture(scope="session")
def kafka(broker: LocalBroker) -> Connection:
    """The address of this test process's broker; topics have fixed names, so other tests' records may be in them."""
    return broker.connection


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[LocalBroker]:
    """A broker of the test's own, to stop and kill: it is soon back; it has no topics yet."""
    yield from _started(tmp_path / "kafka", patience_s=2.0)


@pytest.fixture
def own_kafka(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Connection]:
    """The address of a broker of the test's own, to fill; of `own_broker` where the test has it."""
    if "own_broker" in request.fixturenames:
        yield request.getfixturevalue("own_broker").connection
        return
    for one in _started(tmp_path / "kafka"):
        yield one.connection


@pytest.fixture
def told() -> Told:
    """Takes a test's rows of the table of faults."""
    return Told()
