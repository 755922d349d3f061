"""A running desk: no secret in what it says or leaves, no listener beyond this machine, keys for their owner alone."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.planted import OWN_FILES, Planted, planted


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    with planted(tmp_path_factory.mktemp("desk")) as made:
        yield made


def test_every_listener_is_this_machines_own(desk: Planted) -> None:
    ports = {port for _, _, port in desk.listening}
    told = desk.running
    faces = {int(told[face].rpartition(":")[2]) for face in ("api", "dash")}
    broker = int(told["bootstrap"].rpartition(":")[2])
    assert faces | {broker} | {p for n, p in told["ports"].items() if not n.startswith("exchange")} <= ports
    assert [row for row in desk.listening if row[1] not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")] == []


def test_what_a_desk_keeps_is_for_its_user_alone(desk: Planted) -> None:
    def others(place: Path) -> int:
        return place.lstat().st_mode & 0o077

    assert others(desk.state) == 0o011  # passed through, not listed
    assert all(stat.S_IMODE((desk.state / name).stat().st_mode) == 0o600 for name in OWN_FILES)
    read = {file for file in desk.state.rglob("*") if others(file)}
    assert read == {desk.state / "targets.json"}
    assert len(list((desk.state / "broker").rglob("*"))) > 10


def test_no_secret_is_told(desk: Planted) -> None:
    """The last test of the desk: it ends it, and looks through what it has left."""
    desk.stop()
    looked = desk.seen
    assert {"output", "processes", "log of PostgreSQL", "metrics of api-0", "metrics of archive-0"} <= looked.keys()
    assert {"runs/up/logs/api-0.log", "runs/up/deployment.json", "runs/up/targets.json", "runs/up/up.json",
            "runs/up/history/store.json"} <= looked.keys()  # fmt: skip
    assert "waiting for PostgreSQL" in looked["runs/up/logs/archive-0.log"]
    assert all(len(s) > 15 for s in desk.secrets)
    assert desk.leaked() == []
    looked["planted by the test"] = f"password={desk.secrets[0]}"
    assert desk.leaked() == [("planted by the test", desk.secrets[0])]
