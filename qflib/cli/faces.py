"""What `qflib up` starts for people beside the stages: the API and the dashboard."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qflib.broker.data_folder import is_free
from qflib.errors import MissingPartError, SettingsError
from qflib.project import toolkit
from qflib.stream.running import Face

if TYPE_CHECKING:
    from qflib.settings import Settings

_TRIED, _LAST = 50, 65_536  # ports from the setting's own on


class Faces:
    """The two processes, their addresses, and how one gets in.

    Parameters
    ----------
    settings
        Hosts and ports.

    Raises
    ------
    SettingsError
        If no port is free.
    MissingPartError
        If the installation lacks the dashboard.
    """

    def __init__(self, settings: Settings) -> None:
        self._app = dashboard()
        self._host, self._scheme = settings.api.host, settings.api.scheme
        self._api = free("api", self._host, settings.api.port)
        self._dash = free("dash", self._host, settings.dash.port, self._api)
        self._origins = origins(settings)
        self.key = ""  # what is said of the development key

    @property
    def api_url(self) -> str:
        """Where the API answers."""
        return f"{self._scheme}://{self._host}:{self._api}"

    @property
    def addresses(self) -> dict[str, str]:
        """Of both, as the desk's folder tells them."""
        return {"api": self.api_url, "dash": f"http://{self._host}:{self._dash}"}

    @property
    def processes(self) -> tuple[Face, ...]:
        """As the supervisor takes them."""
        listen = ("--host", self._host, "--port", str(self._api))
        shown = ("--address", self._host, "--port", str(self._dash), "--api", self.api_url)
        api = (sys.executable, "-m", "qflib.api", *listen)
        dash = (sys.executable, str(self._app), *shown, *self._origins)
        return Face("api", api), Face("dash", dash)

    def open(self, folder: Path, *, shown: bool = True) -> str:
        """Write down how to get in, for this machine's user alone: the development key and a new ticket.

        Parameters
        ----------
        folder
            The desk's.
        shown
            Whether a person reads what is said of it; a file or a journal gets no key and no ticket.

        Returns
        -------
        str
            The address that lets a browser in.
        """
        from qflib.api import ticket
        from qflib.api.keys import CLIENT_FILE, development_key

        place = folder / CLIENT_FILE
        known = place.is_file()
        key = development_key(folder, self.api_url)
        self.key = f"{key}  (for development; kept in {place})" if shown and not known else f"kept in {place}"
        way_in, door = ticket.written(folder), f"{self.addresses['dash']}/login"
        return f"{door}?ticket={way_in}" if shown else f"{door}  ticket in {folder / ticket.FILE}"


def dashboard() -> Path:
    """The dashboard's program.

    Raises
    ------
    MissingPartError
        If the installation lacks it.
    """
    app = toolkit() / "dashboards" / "app.py"
    if not app.is_file():
        raise MissingPartError(f"{app} is missing, the dashboard; install qflib again")
    return app


def origins(settings: Settings) -> list[str]:
    """The dashboard's arguments that name more hosts whose pages may be its own."""
    return [part for origin in settings.dash.origins for part in ("--origin", origin)]


def free(name: str, host: str, first: int, *taken: int) -> int:
    """The first port from a setting's own on that nobody listens on.

    Parameters
    ----------
    name
        The setting's part, as "dash".
    host
        Where it will be bound.
    first
        Its port.
    *taken
        Ports that are promised already.

    Raises
    ------
    SettingsError
        If there is none near.
    """
    for port in range(first, min(first + _TRIED, _LAST)):
        if port not in taken and is_free(port, host):
            return port
    raise SettingsError(
        f"ports {first} to {first + _TRIED - 1} are all in use; set QFLIB_{name.upper()}__PORT to one that is free"
    )
