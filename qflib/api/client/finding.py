"""Where the running desk is, and by which key."""

from __future__ import annotations

import os
import ssl
import tomllib
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from qflib.errors import DataError, InputError, MissingPartError, SettingsError

URL, KEY = "QFLIB_API_URL", "QFLIB_API_KEY"


class Place(NamedTuple):
    """Address and key of an API."""

    url: str
    key: str

    def __repr__(self) -> str:
        """Without the key: a notebook keeps what it shows."""
        return f"Place(url={self.url!r})"

    @property
    def stream(self) -> str:
        """The address of its stream."""
        return f"ws{self.url.removeprefix('http')}/v1/stream"

    @property
    def tls(self) -> ssl.SSLContext | None:
        """Whom to trust: the system's authorities, and that of the setting `api.tls_authority`; None: it is no HTTPS.

        Raises
        ------
        SettingsError
            If the authority's file cannot be used.
        """
        if not self.url.startswith("https"):
            return None
        from qflib import settings

        made, authority = ssl.create_default_context(), settings.load().api.tls_authority
        if authority is not None:
            try:
                made.load_verify_locations(authority)
            except (OSError, ssl.SSLError) as e:
                raise SettingsError(
                    f"authority {authority} of the setting api.tls_authority cannot be used ({e}); give a PEM file"
                ) from None
        return made


def find(url: str | None = None, key: str | None = None) -> Place:
    """What is given; else what `QFLIB_API_URL` and `QFLIB_API_KEY` say; else the desk that runs on this machine.

    The desk is found by `client.toml` in its folder. A key that belongs to another address is not sent there: the
    environment's to no other than the environment's address, the desk's to no other than the desk's.

    Raises
    ------
    MissingPartError
        If no desk is found, or no key for the address.
    InputError
        If the address is none.
    DataError
        If `client.toml` is not readable.

    Examples
    --------
    >>> find("http://127.0.0.1:8000/", "qf_a_b")
    Place(url='http://127.0.0.1:8000')
    >>> find("http://127.0.0.1:8000/", "qf_a_b").stream
    'ws://127.0.0.1:8000/v1/stream'
    """
    told = os.environ.get(URL)
    if not key and (not url or (told and _normal(url) == _normal(told))):
        key = os.environ.get(KEY)
    url = url or told
    if not (url and key):
        there = _beside_the_desk()
        if not url:
            if there is None:
                raise MissingPartError(
                    "no running desk is found; run `qflib up`, or give url= and key=, or set QFLIB_API_URL and "
                    "QFLIB_API_KEY"
                )
            url = there.url
        if not key:
            if there is None or _normal(url) != there.url:
                raise MissingPartError(
                    f"there is no key for {url}; give key=, or set both QFLIB_API_URL and QFLIB_API_KEY: the key there "
                    "is sent to the address there alone"
                )
            key = there.key
    return Place(_normal(url), key)


def _beside_the_desk() -> Place | None:
    from qflib import settings

    file = Path(settings.load().state) / "up" / "client.toml"
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
        return Place(_normal(str(told["url"])), str(told["key"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as e:
        raise DataError(f"{file} is not readable ({type(e).__name__}); start the desk again with `qflib up`") from None


def _normal(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        told = "that is given" if "@" in url else repr(url)  # it may hold a password
        raise InputError(f"url {told} is no address of an API; give one as http://127.0.0.1:8000")
    return url.rstrip("/")
