"""Fetching the jars from a real HTTP server that misbehaves on purpose."""

import hashlib
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from qflib.broker import jars
from qflib.broker.jars import Jar
from qflib.errors import ChecksumError, MissingPartError, SettingsError

CONTENT = {name: hashlib.sha256(name.encode()).digest() * 10_000 for name in ("one", "two", "three")}  # 320 kB
JARS = [Jar(f"org.some.where:{n}:1.0", len(c), hashlib.sha256(c).hexdigest()) for n, c in CONTENT.items()]


class Maven(ThreadingHTTPServer):
    """A Maven repository; `fault` maps a jar's name to what goes wrong with it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fault: dict[str, str] = {}
        self.asked: list[tuple[str, str | None]] = []  # name, Range
        self.login: str | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/maven"


class _Handler(BaseHTTPRequestHandler):
    server: Maven

    def do_GET(self) -> None:
        name = self.path.split("/")[-3]
        assert self.path == f"/maven/org/some/where/{name}/1.0/{name}-1.0.jar"
        fault, content = self.server.fault.get(name), CONTENT[name]
        wanted = self.headers["Range"]
        self.server.asked.append((name, wanted))
        self.server.login = self.headers["Authorization"]
        if fault == "missing":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and fault != "no range" else 0
        if fault == "wrong byte":
            content = content[:100] + bytes([content[100] ^ 1]) + content[101:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if (fault in ("cut", "no range") and wanted is None) or fault == "always cut":
            self.wfile.write(content[start : start + 100_000])  # then the connection ends
            return
        self.wfile.write(content[start:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def maven() -> Iterator[Maven]:
    with Maven() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield server
        server.shutdown()


def test_all_come_and_are_kept(maven: Maven, tmp_path: Path) -> None:
    paths = jars.fetch(tmp_path / "deep" / "cache", maven.address, JARS)
    assert [p.read_bytes() for p in paths] == list(CONTENT.values())
    assert len(maven.asked) == 3
    assert jars.fetch(tmp_path / "deep" / "cache", "http://127.0.0.1:1", JARS) == paths  # nobody is asked
    assert not list((tmp_path / "deep" / "cache").glob("*.part"))


def test_a_wrong_byte_is_never_used(maven: Maven, tmp_path: Path) -> None:
    maven.fault["two"] = "wrong byte"
    with pytest.raises(ChecksumError, match=r"two-1\.0\.jar is not what is pinned .*QFLIB_BROKER__REPOSITORY"):
        jars.fetch(tmp_path, maven.address, JARS)
    assert not (tmp_path / "two-1.0.jar").exists()
    assert not (tmp_path / "two-1.0.jar.part").exists()


def test_a_cut_connection_goes_on_where_it_was(maven: Maven, tmp_path: Path) -> None:
    maven.fault["two"] = "cut"
    jars.fetch(tmp_path, maven.address, JARS)
    ranges = [wanted for name, wanted in maven.asked if name == "two"]
    assert ranges[0] is None
    assert ranges[1] == "bytes=100000-"


def test_a_later_call_goes_on_with_what_came(maven: Maven, tmp_path: Path) -> None:
    (tmp_path / "one-1.0.jar.part").write_bytes(CONTENT["one"][:5_000])
    (tmp_path / "two-1.0.jar.part").write_bytes(CONTENT["two"])  # all there, not yet renamed
    (tmp_path / "three-1.0.jar.part").write_bytes(CONTENT["three"] + b"x")  # not ours
    paths = jars.fetch(tmp_path, maven.address, JARS)
    assert [p.read_bytes() for p in paths] == list(CONTENT.values())
    assert sorted(maven.asked, key=str) == [("one", "bytes=5000-"), ("three", None)]


def test_a_server_without_ranges_starts_again(maven: Maven, tmp_path: Path) -> None:
    maven.fault["two"] = "no range"
    jars.fetch(tmp_path, maven.address, JARS)
    assert (tmp_path / "two-1.0.jar").read_bytes() == CONTENT["two"]


def test_a_part_of_something_else_is_thrown_away(maven: Maven, tmp_path: Path) -> None:
    (tmp_path / "one-1.0.jar.part").write_bytes(b"x" * 5_000)
    jars.fetch(tmp_path, maven.address, JARS)
    assert (tmp_path / "one-1.0.jar").read_bytes() == CONTENT["one"]


def test_a_connection_cut_each_time_is_given_up(maven: Maven, tmp_path: Path) -> None:
    big = Jar(JARS[0].coordinates, 2_000_000, JARS[0].sha256)
    maven.fault["one"] = "always cut"
    with pytest.raises(MissingPartError, match=r"one-1\.0\.jar .*the connection ended after .* what came is kept"):
        jars.fetch(tmp_path, maven.address, [big])
    assert (tmp_path / "one-1.0.jar.part").stat().st_size == 320_000


def test_a_missing_file(maven: Maven, tmp_path: Path) -> None:
    maven.fault["three"] = "missing"
    with pytest.raises(MissingPartError, match=r"answers 404 Not Found for org/some/where/three"):
        jars.fetch(tmp_path, maven.address, JARS)


def test_no_repository(tmp_path: Path) -> None:
    with pytest.raises(MissingPartError, match=r"cannot be fetched from http://127\.0\.0\.1:1 .*refused"):
        jars.fetch(tmp_path, "http://127.0.0.1:1", JARS)


@pytest.mark.parametrize(
    "address",
    [
        "s3cret",
        "htp://user:s3cret@mirror/",
        "http://user:s3cret@/maven2",
        "http://user:s3cret",
        "http://user:s3cret@[mirror/",
        "http://user:s3cret@mirror\u2100/",  # urlsplit's own words name the user and the password
        "http://user:/s3cret@mirror/maven2",
        "http://user:#s3cret@mirror/maven2",
    ],
)
def test_a_wrong_address_is_not_shown(address: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"not shown.* is no https address .*QFLIB_BROKER__REPOSITORY") as e:
        jars.fetch(tmp_path, address, JARS)
    assert "s3cret" not in "".join(traceback.format_exception(e.value))


def test_a_password_is_sent_and_not_shown(maven: Maven, tmp_path: Path) -> None:
    maven.fault["one"] = "missing"
    with pytest.raises(MissingPartError) as e:
        jars.fetch(tmp_path, maven.address.replace("//", "//me:pass%20word@"), JARS[:1])
    assert "pass" not in str(e.value)
    assert maven.login == "Basic bWU6cGFzcyB3b3Jk"


def test_a_jar_that_went_bad_is_fetched_again(maven: Maven, tmp_path: Path) -> None:
    jars.fetch(tmp_path, maven.address, JARS)
    (tmp_path / "one-1.0.jar").write_bytes(CONTENT["two"])
    assert jars.absent(tmp_path, JARS) == JARS[:1]
    jars.fetch(tmp_path, maven.address, JARS)
    assert (tmp_path / "one-1.0.jar").read_bytes() == CONTENT["one"]


def test_the_table_is_whole() -> None:
    assert len(jars.pinned()) == 46
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in jars.pinned())
    assert sum(jar.coordinates.endswith(f":{jars.kafka_version()}") for jar in jars.pinned()) > 10
    slf4j = next(j for j in jars.pinned() if j.name.startswith("slf4j-api"))
    assert slf4j.name.startswith("slf4j-api-1.")  # what the binding log4j-slf4j-impl is for; 2.x needs another
