"""What pages need of the API to trade; the adapter is `api_trading`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from qflib.errors import QflibError


class RefusedError(QflibError):
    """An order or a cancel did not get through; the text says why."""


class UnknownOutcomeError(RefusedError):
    """Nobody knows whether it got through; the same order sent again under the same id is one order."""


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order as typed: decimal text, for the API to read and refuse."""

    client_order_id: str
    account: str
    portfolio: str
    instrument: str
    side: str
    ord_type: str
    time_in_force: str
    qty: str
    price: str
    post_only: bool = False


class Trading(Protocol):
    """Sends orders through the HTTP API with the key of the person at the page."""

    def place(self, key: str, order: NewOrder) -> str:
        """Send an order; what the API says to it.

        Raises
        ------
        RefusedError
            If it did not take it.
        UnknownOutcomeError
            If it is not known whether it did.
        """
        ...

    def cancel(self, key: str, account: str, client_order_id: str) -> str:
        """Ask for a cancel; what the API says to it.

        Raises
        ------
        RefusedError
            If it did not take it, or is away.
        """
        ...


class NoTrading:
    """Where there is no API: pages show, orders are refused."""

    def place(self, key: str, order: NewOrder) -> str:
        """Refuse."""
        raise RefusedError("this dashboard was started without an API; give --api URL to trade")

    def cancel(self, key: str, account: str, client_order_id: str) -> str:
        """Refuse."""
        raise RefusedError("this dashboard was started without an API; give --api URL to trade")
