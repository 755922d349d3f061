"""What every test may use: the recordings, and how hypothesis runs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from qflib.broker import topics
from qflib.broker.clients import Connection
from qflib.broker.local import LocalBroker
from qflib.settings import load

settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile(
    "ci", deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")


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
