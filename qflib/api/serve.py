"""The API as a process: views, sender, keys and the application, served by granian in this process's own loop."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from qflib import settings
from qflib.api.app import create_app
from qflib.api.keys import store_of
from qflib.api.sender import Sender
from qflib.api.state import ApiState
from qflib.api.stream import Hub
from qflib.broker.data_folder import is_free
from qflib.desk.deployment import Deployment
from qflib.errors import DataError, SettingsError
from qflib.views import Views

if TYPE_CHECKING:
    from litestar import Litestar

    from qflib.broker.clients import Connection
    from qflib.settings import ApiSettings
    from qflib.views.changed import Changed

_STOP_S = 2.0  # for requests under way and sockets that stay open
_log = structlog.get_logger("qflib.api")


def state_of(
    deployment: Path, connection: Connection, told: ApiSettings, endpoints: Callable[[], Mapping[str, str]] = dict
) -> ApiState:
    """What the routes ask, of a desk's file and a cluster.

    Parameters
    ----------
    deployment
        The desk's file; keys and history lie beside it.
    connection
        The cluster.
    told
        What the API bears.
    endpoints
        Where the processes' metrics are.

    Raises
    ------
    DataError
        If the file is missing or no desk's.
    """
    from prometheus_client import REGISTRY

    from qflib.history.opening import desk_history

    desk, folder = Deployment.load(deployment), deployment.parent
    views = Views(desk, connection, desk_history(folder / "history", settings.load().store), endpoints)
    sender = Sender(connection, desk.table, acknowledge_s=told.acknowledge_s, in_flight=told.in_flight)
    state = ApiState(
        views, sender, store_of(folder), told, Hub(views), registry=REGISTRY, owns_views=True, kept=folder.parent
    )
    sender.metrics = state.metrics
    return state


def serve(app: Litestar, host: str, port: int, listen: bool = True) -> None:
    """Serve until SIGTERM or SIGINT.

    Parameters
    ----------
    app
        The application.
    host, port
        Where.
    listen
        Whether to take the signals.

    Raises
    ------
    SettingsError
        If the port is in use.
    """
    if not is_free(port, host):
        raise in_use(host, port)
    asyncio.run(_serve(app, host, port, listen))
    if listen:  # the process's end: granian's threads may outlive their loop, and abort where the interpreter is gone
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def in_use(host: str, port: int) -> SettingsError:
    """What is told where nobody can listen."""
    return SettingsError(f"port {port} of {host} is in use; end what uses it, or set QFLIB_API__PORT to another")


def run(deployment: Path, connection: Connection, host: str, port: int) -> None:
    """Serve a desk's API until SIGTERM or SIGINT."""
    from qflib.views.endpoints import metrics_of

    chosen = settings.load().api
    _log.info("api serves", address=f"{chosen.scheme}://{host}:{port}")
    state = state_of(deployment, connection, chosen, metrics_of(deployment.parent))
    serve(create_app(state), host, port)


def tls(told: ApiSettings) -> dict[str, Path]:
    """The server's options for HTTPS; none where no certificate is set.

    Raises
    ------
    SettingsError
        If certificate and key are not there, or do not belong together.
    """
    if told.tls_certificate is None or told.tls_key is None:
        return {}
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(told.tls_certificate, told.tls_key)
    except (OSError, ssl.SSLError) as e:
        raise SettingsError(
            f"certificate {told.tls_certificate} and key {told.tls_key} cannot be used ({e}); give PEM files that "
            "belong together, the key without a password"
        ) from None
    return {"ssl_cert": told.tls_certificate.resolve(), "ssl_key": told.tls_key.resolve()}


async def _serve(app: Litestar, host: str, port: int, listen: bool) -> None:
    from qflib.api.listener import BoundedServer

    server = BoundedServer(
        app, host, port, interface=_asgi(), log_enabled=False, log_access=False, websockets=True,
        **tls(app.state.api.settings),
    )  # fmt: skip
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    views: Views = app.state.api.views

    def heard(changed: Changed) -> None:
        if changed.anew:  # instruments, partitions, sequences: all of them are another desk's
            loop.call_soon_threadsafe(asked.set)

    forget = views.listen(heard)
    if listen:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked.set)
    serving = loop.create_task(server.serve())
    asking = loop.create_task(asked.wait())
    await asyncio.wait((serving, asking), return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        app.state.api.ending.set()
        if (hub := app.state.api.hub) is not None:
            await hub.stop()  # before granian, which waits for its sockets: clients are told to come again
        server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait((serving,), timeout=_STOP_S)
    asking.cancel()
    forget()
    if not serving.done():  # a socket that never ends must not hold the process
        serving.cancel()
    else:
        serving.result()
    if views.epoch:
        raise DataError("the desk was begun anew, or is too far ahead to be caught up with; start its API again")


def _asgi() -> Any:
    from granian.constants import Interfaces

    return Interfaces.ASGI
