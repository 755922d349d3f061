"""No page, script or socket without a login."""

from __future__ import annotations

import re
import socket
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from websockets import Subprotocol
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from dashboards.access import Login, Logins, Principal
from dashboards.app import _arguments
from dashboards.components.wire import Wire
from dashboards.login import PUBLIC
from dashboards.origins import own_origins
from dashboards.session import Session
from qflib.api import ticket as entry_ticket
from qflib.broker.data_folder import free_port
from qflib.cli.faces import Faces
from qflib.settings import ApiSettings, DashSettings, Settings
from tests.browser.conftest import Visit
from tests.browser.desk_up import wait
from tests.browser.running import KEYS, READER, TICKET, TRADER, Running


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def ask(url: str, data: bytes | None = None, **headers: str) -> tuple[int, str, dict[str, str]]:
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=30) as reply:
            return reply.status, reply.read().decode(), dict(reply.headers)
    except urllib.error.HTTPError as e:
        with e:
            return e.code, e.read().decode(), dict(e.headers)


def test_every_route_asks_for_a_login(running: Running) -> None:
    """A route is taken from its pattern, so one that Panel brings tomorrow is knocked at, too."""
    patterns = running.dashboard.routes()
    assert len(patterns) > 8
    private = [p for p in patterns if not p.startswith(tuple(PUBLIC))]
    assert any(p.rstrip("$").endswith("/ws") for p in private)
    for pattern in private:
        path = re.sub(r"\(.*\)", "x", pattern.rstrip("$").replace("/?", "/"))
        code, text, headers = ask(running.url + path)
        sent_away = code in (302, 303) and headers["Location"].startswith("/login")
        assert sent_away or code in (401, 403), f"{pattern} answers {code} without a login"
        assert "Bokeh" not in text


def test_the_websocket_asks_for_a_login_and_for_its_own_page(running: Running) -> None:
    address = running.url.replace("http", "ws") + "/ws"
    with pytest.raises(InvalidStatus) as refused:
        connect(address, subprotocols=["bokeh", "x"], origin=running.url)
    assert refused.value.response.status_code == 401
    _, _, headers = ask(running.url + "/login?ticket=" + TICKET)
    cookie = headers["Set-Cookie"].split(";")[0]
    with pytest.raises(InvalidStatus) as refused:
        connect(
            address, subprotocols=["bokeh", "x"], origin="http://evil.example", additional_headers={"Cookie": cookie}
        )
    assert refused.value.response.status_code == 403


def test_the_cookie_is_signed_and_strict(running: Running) -> None:
    code, _, headers = ask(running.url + "/login", f"key={READER}".encode())
    assert code == 200
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert READER not in cookie
    name, _, value = cookie.split(";")[0].partition("=")
    assert ask(running.url + "/", Cookie=f"{name}={value}")[0] == 200
    assert ask(running.url + "/", Cookie=f"{name}={value[:-4]}beef")[0] == 302
    assert ask(running.url + "/", Cookie=f"{name}=forged")[0] == 302


def test_wrong_keys_and_tickets_open_nothing(running: Running) -> None:
    assert ask(running.url + "/login", b"key=qf_wrong")[0] == 401
    assert ask(running.url + "/login", b"key=" + b"x" * 10_000)[0] == 401
    assert ask(running.url + "/login", b"")[0] == 401
    code, text, headers = ask(running.url + "/login?ticket=<script>")
    assert code == 401
    assert "<script>alert" not in text
    assert "Set-Cookie" not in headers
    assert ask(running.url + "/login", f"key={READER}".encode(), Origin="http://evil.example")[0] == 403


def test_wrong_keys_are_counted() -> None:
    logins = Logins(dict[str, Principal]().get)
    for _ in range(10):
        assert logins.open("wrong", "10.0.0.1") is None
    assert not logins.shut("10.0.0.1")
    assert logins.open("wrong", "10.0.0.1") is None
    assert logins.shut("10.0.0.1")
    assert not logins.shut("10.0.0.2")


@pytest.fixture
def passing(running: Running, browser: Browser) -> Iterator[Visit]:
    """A page whose key is revoked in the test."""
    running.keys["qf_passing"] = KEYS[TRADER]
    visit = Visit(browser, running.url, "dark", "qf_passing")
    yield visit
    running.keys.pop("qf_passing", None)
    visit.context.close()


def test_a_revoked_key_ends_its_page_within_a_second(running: Running, passing: Visit) -> None:
    del running.keys["qf_passing"]
    revoked = time.monotonic()
    wait(lambda: not any(login.key == "qf_passing" for login in running.dashboard.logins._by_token.values()), 5)
    assert time.monotonic() - revoked < 2.0  # within one, on a machine that has nothing else to do
    passing.page.wait_for_url("**/login", timeout=5_000)


def test_a_revoked_keys_socket_is_closed(running: Running) -> None:
    """A page that was tampered with does not go by itself: the server hangs up, and takes no call more."""
    running.keys["qf_socket"] = KEYS[TRADER]
    _, _, headers = ask(running.url + "/login", b"key=qf_socket")
    cookie = {"Cookie": headers["Set-Cookie"].split(";")[0]}
    token = re.search(r'"token":"([^"]+)"', ask(running.url + "/", **cookie)[1])
    assert token is not None
    address, sub = running.url.replace("http", "ws") + "/ws", Subprotocol(token[1])
    with connect(address, subprotocols=["bokeh", sub], origin=running.url, additional_headers=cookie) as ws:
        assert ws.recv(30)
        del running.keys["qf_socket"]
        revoked = time.monotonic()
        with pytest.raises(ConnectionClosedError):
            list(ws)
        assert (ws.close_code, ws.close_reason) == (1008, "this login has ended")
        assert time.monotonic() - revoked < 2.0
    with pytest.raises(InvalidStatus) as refused:
        connect(address, subprotocols=["bokeh", sub], origin=running.url, additional_headers=cookie)
    assert refused.value.response.status_code == 401


def test_nothing_is_heard_of_a_login_that_is_over(running: Running) -> None:
    asked: list[object] = []
    assert not Wire(heard=asked.append).admits(), "without a session a component is deaf"
    login = Login(KEYS[TRADER], TRADER, float("inf"))
    session = Session(running.dashboard.desk, login)
    for page in session.pages.values():
        for tile in page.tiles:
            for wire in tile.body.select(Wire):
                wire._when_heard = asked.append
                wire.heard({"op": "x"})
    n = len(asked)
    assert n >= 15
    login.over = True
    for page in session.pages.values():
        for tile in page.tiles:
            for wire in tile.body.select(Wire):
                wire.heard({"op": "x"})
    assert len(asked) == n


def test_logging_out_ends_the_session(running: Running, browser: Browser) -> None:
    visit = Visit(browser, running.url, "dark", READER)
    cookie = visit.context.cookies()[0]
    visit.page.get_by_title(re.compile("Log out")).click()
    visit.page.wait_for_url("**/login")
    expect(visit.page.get_by_label("API key")).to_be_visible()
    assert ask(running.url + "/", Cookie=f"{cookie['name']}={cookie['value']}")[0] == 302
    visit.context.close()


def test_health_needs_no_login(running: Running) -> None:
    assert ask(running.url + "/healthz")[:2] == (200, "ok\n")


@pytest.fixture(scope="module")
def apart() -> Iterator[Running]:
    """A dashboard of its own, at another address of this machine and behind a proxy."""
    made = Running(address="127.0.0.2", origins=("desk.example:443",))
    made.start()
    yield made
    made.stop()


def test_the_ticket_is_its_owners_alone(tmp_path: Path) -> None:
    ticket = entry_ticket.written(tmp_path)
    file = tmp_path / entry_ticket.FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ticket == entry_ticket.read(tmp_path)
    file.chmod(0o644)
    assert entry_ticket.read(tmp_path) == ""
    assert not entry_ticket.same("", "")


def test_a_start_makes_the_tickets_before_void(tmp_path: Path) -> None:
    """What `qflib up` does at each start, and what the door of its dashboard asks."""
    chosen = Settings(api=ApiSettings(port=free_port()), dash=DashSettings(port=free_port()))
    opened = [Faces(chosen).open(tmp_path).partition("ticket=")[2] for _ in range(2)]
    assert opened[0] != opened[1]
    assert not entry_ticket.same(opened[0], entry_ticket.read(tmp_path))
    assert entry_ticket.same(opened[1], entry_ticket.read(tmp_path))


def test_a_host_of_its_own_may_open_the_websocket(apart: Running) -> None:
    """127.0.0.2 is as good as a machine's address: pages from there are the server's own."""
    _, _, headers = ask(apart.url + "/login?ticket=" + TICKET)
    cookie = {"Cookie": headers["Set-Cookie"].split(";")[0]}
    token = re.search(r'"token":"([^"]+)"', ask(apart.url + "/", **cookie)[1])
    assert token is not None
    address = apart.url.replace("http", "ws") + "/ws"
    for origin in (apart.url, "https://desk.example:443"):
        with connect(address, subprotocols=["bokeh", token[1]], origin=origin, additional_headers=cookie) as ws:
            assert ws.recv(30)  # the server's first word
    with pytest.raises(InvalidStatus):
        connect(address, subprotocols=["bokeh", token[1]], origin="http://127.0.0.3:80", additional_headers=cookie)


def test_wrong_tickets_are_counted_like_wrong_keys(apart: Running) -> None:
    """The last test at this door: it is shut to us afterwards."""
    tickets = [TICKET, *["wrong"] * 11, TICKET]
    assert [ask(f"{apart.url}/login?ticket={t}")[0] for t in tickets] == [200, *[401] * 11, 429]


def test_all_addresses_of_a_machine_are_its_own() -> None:
    assert own_origins("::1", 5006) == ["127.0.0.1:5006", "localhost:5006", "[::1]:5006"]
    for anywhere in ("0.0.0.0", "::"):
        assert f"{socket.gethostname().lower()}:5006" in own_origins(anywhere, 5006)


def test_origins_pass_through_to_the_process(tmp_path: Path) -> None:
    chosen = Settings(api=ApiSettings(host="127.0.0.2"), dash=DashSettings(origins=("a.example", "b.example:8443")))
    _, dash = Faces(chosen).processes
    told = _arguments().parse_args([*dash.argv[2:], "--deployment", "d", "--bootstrap", "b"])
    assert (told.address, told.origin) == ("127.0.0.2", ["a.example", "b.example:8443"])
