"""The door: no page, no script and no WebSocket without a login; and the page where one logs in."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from bokeh.server.auth_provider import AuthProvider
from tornado.web import RequestHandler, decode_signed_value

from dashboards.access import Login, Logins
from qflib.api.ticket import same

ASSETS = Path(__file__).parent / "assets"
_PAGE = (ASSETS / "login.html").read_text(encoding="utf-8")
_LONGEST_KEY = 512
#: What answers without a login: where one logs in, whether the process lives, and what is in every installation.
PUBLIC = ("/login", "/logout", "/healthz", "/assets/", "/static/", "/favicon.ico")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Door:
    """Cookies and logins of one server.

    Parameters
    ----------
    logins
        Who is in.
    port
        The server's: cookies know no ports, and two dashboards of one machine shall not log each other out.
    ticket
        Gives what opens the door instead of a key now; empty: nothing does.
    ticket_key
        Gives the key that who comes with the ticket uses: the API may make it after this process has started.
    """

    def __init__(
        self, logins: Logins, port: int, ticket: Callable[[], str] = str, ticket_key: Callable[[], str] = str
    ) -> None:
        self.logins, self.ticket, self.ticket_key = logins, ticket, ticket_key
        self.cookie = f"qf_dash_{port}"
        self.secret = secrets.token_hex(32)  # of this process: a restart asks for the key again

    def token(self, value: str | bytes | None) -> str | None:
        """The token in a cookie's value; None where it is not of our signing."""
        told = decode_signed_value(self.secret, self.cookie, value) if value else None
        return told.decode() if told else None

    def of(self, request: Any) -> Login | None:
        """The login of a request."""
        morsel = request.cookies.get(self.cookie)
        return self.logins.find(self.token(morsel.value)) if morsel is not None else None


class Provider(AuthProvider):
    """Bokeh's hook: who asks, and where one logs in."""

    def __init__(self, door: Door) -> None:
        self._door = door
        super().__init__()

    @property
    def get_user(self) -> Any:
        """The name of who asks; None: nobody."""

        def user(handler: RequestHandler) -> str | None:
            login = self._door.of(handler.request)
            return None if login is None else login.principal.name

        return user

    @property
    def get_user_async(self) -> None:
        """`get_user` is enough."""

    @property
    def get_login_url(self) -> None:
        """`login_url` is enough."""

    @property
    def login_url(self) -> str:
        """Where one logs in."""
        return "/login"

    @property
    def login_handler(self) -> None:
        """The routes are given to the server as they are: it needs the door."""

    @property
    def logout_url(self) -> str:
        """Where one logs out."""
        return "/logout"

    @property
    def logout_handler(self) -> None:
        """As `login_handler`."""


class LoginPage(RequestHandler):
    """GET shows the form, or takes a ticket; POST takes a key."""

    def initialize(self, door: Door) -> None:
        """Of which server."""
        self.door = door

    def set_default_headers(self) -> None:
        """Nothing of it is kept or framed."""
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    def get(self) -> None:
        """The form; with `ticket`, the way in."""
        ticket = self.get_query_argument("ticket", "")
        if not ticket:
            self._form()
        elif self.door.logins.shut(self._address):
            self._form("Too many wrong keys or tickets from this address; wait some seconds.", 429)
        elif same(ticket, self.door.ticket()):
            self._enter(self.door.ticket_key())
        else:
            self.door.logins.wrong(self._address)
            self._form("This ticket is not in force; take the address that `qflib up` printed last, or a key.", 401)

    def post(self) -> None:
        """A key from the form."""
        origin = self.request.headers.get("Origin", "")
        if origin and urlparse(origin).netloc != self.request.host:
            self._form("The form of another site cannot log in here.", 403)
        elif self.door.logins.shut(self._address):
            self._form("Too many wrong keys or tickets from this address; wait some seconds.", 429)
        else:
            self._enter(self.get_body_argument("key", "").strip()[:_LONGEST_KEY])

    def _enter(self, key: str) -> None:
        token = self.door.logins.open(key, self._address)
        if token is None:
            self._form("This key is not in force; `qflib keys` lists and makes them.", 401)
            return
        self.set_signed_cookie(
            self.door.cookie, token, httponly=True, samesite="Strict", path="/", expires_days=None,
            secure=self.request.protocol == "https",
        )  # fmt: skip
        # not a redirect: a Strict cookie would not go along with one that began on another site
        self.finish('<!doctype html><meta http-equiv="refresh" content="0;url=/"><title>qflib</title>')

    @property
    def _address(self) -> str:
        return self.request.remote_ip or ""

    def _form(self, said: str = "", status: int = 200) -> None:
        self.set_status(status)
        self.finish(_PAGE.replace("{{said}}", said))


class Logout(RequestHandler):
    """Ends the login."""

    def initialize(self, door: Door) -> None:
        """Of which server."""
        self.door = door

    def post(self) -> None:
        """End it, and show the form."""
        morsel = self.request.cookies.get(self.door.cookie)
        self.door.logins.close(self.door.token(morsel.value) if morsel is not None else None)
        self.clear_cookie(self.door.cookie, path="/")
        self.redirect("/login", status=303)


class Health(RequestHandler):
    """Whether the process lives."""

    def get(self) -> None:
        """It does."""
        self.set_header("Content-Type", "text/plain")
        self.finish("ok\n")


def guarded(handler: type[RequestHandler], door: Door) -> type[RequestHandler]:
    """A handler that asks for a login first: some of Panel's own routes do not."""

    class Guarded(handler):  # type: ignore[valid-type,misc]
        async def prepare(self) -> None:
            if door.of(self.request) is None:
                if self.request.headers.get("Upgrade", "").lower() != "websocket" and self.request.path == "/":
                    self.redirect("/login")
                    return
                self.set_status(401)
                self.finish("log in first\n")
                return
            told = super().prepare()
            if told is not None:
                await told

    Guarded.__name__ = handler.__name__
    return Guarded
