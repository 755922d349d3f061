"""One order of ours as the views hold it."""

from __future__ import annotations

from dataclasses import dataclass

from qflib.records import OrderAction, OrderOption, OrderStatus
from qflib.views.stamp import Stamp

Cursor = tuple[int, int, int, int]
Key = tuple[str, str]  # account, client_order_id
_LIVE = frozenset((OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.REPLACED))


@dataclass(frozen=True, slots=True)
class OrderState:
    """One request of ours and where it stands; ticks and lots.

    Parameters
    ----------
    account, client_order_id
        Its name: an id is used once an account.
    cursor
        Orders requests by when Kafka had them; it stays what it is over restarts.
    action
        New, cancel or replace. Of a cancel or replace request the order meant is `orig_client_order_id`.
    ord_status
        None: sent, the exchange has not answered yet.
    replaced_by
        The id under which a replaced order goes on.
    avg_price
        Of its fills, quote currency; 0: none.
    known
        Whether the request itself has been read: without it type and time in force are not known.
    queue_ahead
        Venue lots in front of it, as last told; `place` says whether they are known.
    """

    account: str
    client_order_id: str
    cursor: Cursor
    stamp: Stamp
    action: int = int(OrderAction.NEW)
    instrument: int = 0
    portfolio: str = ""
    book: int = 0
    side: int = 0
    ord_type: int = 0
    time_in_force: int = 0
    price_ticks: int = 0
    qty: int = 0
    orig_client_order_id: str = ""
    hedge_no: int = 0
    request_hash: int = 0
    sent_ns: int = 0
    known: bool = False
    order_id: int = 0
    ord_status: int | None = None
    reason: int = 0
    cum_qty: int = 0
    leaves_qty: int = 0
    avg_price: float = 0.0
    fees: float = 0.0
    replaced_by: str = ""
    options: int = 0
    expire_ns: int = 0
    queue_ahead: int = 0

    @property
    def key(self) -> Key:
        """Account and client_order_id."""
        return self.account, self.client_order_id

    @property
    def live(self) -> bool:
        """Whether it may still trade."""
        is_order = self.action != OrderAction.CANCEL
        return is_order and not self.replaced_by and (self.ord_status is None or self.ord_status in _LIVE)

    @property
    def place(self) -> int | None:
        """Venue lots in front of it where it rests; None where it does not, or did not ask."""
        rests = self.live and self.ord_status is not None and self.leaves_qty > 0
        return self.queue_ahead if rests and self.options & OrderOption.TELL_QUEUE else None
