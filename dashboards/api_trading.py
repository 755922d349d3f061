"""Keys and orders of the real desk: the API's key file, and its client; the one place that knows them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from dashboards.access import Principal, Verify
from dashboards.trading import NewOrder, RefusedError, UnknownOutcomeError
from qflib.errors import QflibError

if TYPE_CHECKING:
    from collections.abc import Callable

_CLIENTS = 100  # kept; a key has one
_NOTHING_SENT = ("broker_unavailable", "overloaded")  # 503s that are definite; any other, or silence, is not


def verifier(folder: Path) -> Verify:
    """Checks keys against the file that the API keeps."""
    from qflib.api.keys import store_of

    store = store_of(folder)

    def verify(text: str) -> Principal | None:
        key = store.verify(text)
        return None if key is None else Principal(key.name, frozenset(key.scopes))

    return verify


def folder_key(folder: Path) -> str:
    """The key that `qf.connect()` finds beside a desk; empty where there is none yet."""
    from qflib.api.keys import CLIENT_FILE

    try:
        told = tomllib.loads((folder / CLIENT_FILE).read_text(encoding="utf-8")).get("key", "")
    except (OSError, ValueError):
        return ""
    return told if isinstance(told, str) else ""


class ApiTrading:
    """`Trading` through `qflib.api.client`, a client a key.

    Parameters
    ----------
    url
        Of the API.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._clients: dict[str, Any] = {}
        self._lock = Lock()

    def place(self, key: str, order: NewOrder) -> str:
        """Send an order.

        Raises
        ------
        RefusedError
            If the API did not take it.
        UnknownOutcomeError
            If it is not known whether it did.
        """
        price = None if order.ord_type == "market" else order.price
        self._asked(
            lambda: self._client(key).order(
                order.instrument,
                order.side,
                order.qty,
                price,
                portfolio=order.portfolio,
                account=order.account,
                client_order_id=order.client_order_id,
                time_in_force=order.time_in_force,
                post_only=order.post_only,
            )
        )
        return f"sent: {order.side} {order.qty} {order.instrument}" + ("" if price is None else f" at {price}")

    def cancel(self, key: str, account: str, client_order_id: str) -> str:
        """Ask for a cancel.

        Raises
        ------
        RefusedError
            If the API did not take it.
        """
        self._asked(lambda: self._client(key).cancel(client_order_id, account=account))
        return f"cancel of {client_order_id} is sent"

    def _client(self, key: str) -> Any:
        from qflib.api.client import connect

        with self._lock:
            if key not in self._clients:
                while len(self._clients) >= _CLIENTS:
                    self._clients.pop(next(iter(self._clients))).close()
                self._clients[key] = connect(self._url, key)
            return self._clients[key]

    def _asked(self, ask: Callable[[], object]) -> None:
        from qflib.api.client.api_error import ApiError

        try:
            ask()
        except ApiError as e:
            definite = 400 <= e.status < 500 or e.code in _NOTHING_SENT
            raise (RefusedError if definite else UnknownOutcomeError)(f"{e.detail} ({e.code})") from None
        except QflibError as e:
            raise RefusedError(str(e)) from None
