"""The dashboard as a server: Panel behind the door, one reader of the desk for all its sessions."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import panel as pn
from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.web import StaticFileHandler
from tornado.websocket import WebSocketClosedError

from dashboards.access import Logins
from dashboards.login import ASSETS, PUBLIC, Door, Health, LoginPage, Logout, Provider, guarded
from dashboards.origins import own_origins
from dashboards.reports import PLACE, Report
from dashboards.session import Session

if TYPE_CHECKING:
    from dashboards.access import Verify
    from dashboards.desk import SharedDesk

_UNUSED_MS, _CHECK_MS = 15_000, 5_000  # a closed browser's session is gone within 20 s


class Dashboard:
    """A server that is ready to be run.

    Parameters
    ----------
    desk
        What the sessions share.
    verify
        Checks a key.
    port
        Its port.
    address
        Where it listens.
    ticket, ticket_key
        Give what opens the door instead of a key, and the key that stands for it.
    origins
        More host:port whose pages may open the WebSocket: where a proxy stands before the dashboard.
    """

    def __init__(
        self,
        desk: SharedDesk,
        verify: Verify,
        port: int,
        *,
        address: str = "127.0.0.1",
        ticket: Callable[[], str] = str,
        ticket_key: Callable[[], str] = str,
        origins: tuple[str, ...] = (),
    ) -> None:
        self.desk, self.logins = desk, Logins(verify)
        self.door = Door(self.logins, port, ticket, ticket_key)
        own = {"door": self.door}
        self.loop = IOLoop.current()
        self.loop.asyncio_loop.set_exception_handler(_unless_closed)  # type: ignore[attr-defined]
        for name in ("tornado.access", "bokeh.server.views.ws"):  # a browser that closes is no news
            logging.getLogger(name).setLevel(logging.ERROR)
        self.server = pn.io.server.get_server(
            {"/": self._session}, port=port, address=address, title="qflib", start=False, show=False,
            websocket_origin=[*own_origins(address, port), *origins], cookie_secret=self.door.secret,
            auth_provider=Provider(self.door),
            extra_patterns=[
                ("/login", LoginPage, own), ("/logout", Logout, own), ("/healthz", Health),
                (f"{PLACE}(.*)", Report, {"kept": desk.kept}),
                ("/assets/(.*)", StaticFileHandler, {"path": str(ASSETS)}),
            ],
            check_unused_sessions_milliseconds=_CHECK_MS, unused_session_lifetime_milliseconds=_UNUSED_MS,
            session_token_expiration=86_400, keep_alive_milliseconds=10_000, loop=self.loop,
        )  # fmt: skip
        self._guard()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server.port)

    def start(self) -> None:
        """Take requests once the loop runs."""
        self.logins.start()
        self.server.start()

    def stop(self) -> None:
        """Take no more; to be called in the loop's thread."""
        self.logins.stop()
        self.server.stop()
        self.desk.stop()

    def routes(self) -> list[str]:
        """Every route's pattern, for the test that knocks at each."""
        return [str(rule.matcher.regex.pattern) for rule in self._rules()]

    def _rules(self) -> list[Any]:
        return list(self.server._tornado.wildcard_router.rules)

    def _guard(self) -> None:
        """Whatever route Panel brings asks for a login, but the few that are public."""
        for rule in self._rules():
            pattern = rule.matcher.regex.pattern
            if not pattern.startswith(tuple(PUBLIC)):
                rule.target = guarded(rule.target, self.door)

    def _session(self) -> Any:
        morsel = pn.state.cookies.get(self.door.cookie)
        login = self.logins.find(self.door.token(morsel))
        if login is None:  # it ended between the request and here
            return pn.pane.HTML('<meta http-equiv="refresh" content="0;url=/login">')
        session = Session(self.desk, login)
        session.begin()
        pn.state.on_session_destroyed(lambda _: session.end())
        doc = pn.state.curdoc
        with doc.models.freeze():  # each of some twenty roots would have all models counted anew: half of the time
            session.template().server_doc(doc, title="qflib", location=False)
        return None


def _unless_closed(loop: Any, context: dict[str, Any]) -> None:
    """Of a browser that closes while it is told something nobody needs a traceback."""
    if not isinstance(context.get("exception"), (WebSocketClosedError, StreamClosedError)):
        loop.default_exception_handler(context)
