"""What the client raises: a problem document of the API as an exception."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from qflib.errors import DataError, QflibError

_OF_NOBODY = ("foreign", "internal")  # codes of an answer that does not tell how far the request came


class ApiError(QflibError):
    """The API refused, or did not answer.

    Parameters
    ----------
    detail
        A sentence: the value, what was expected, what to do.
    code
        Stable: of an order the exchange's reason, as "off_tick"; "unreachable" where nothing is there, "unanswered"
        where a request was sent, and no answer came.
    status
        HTTP status, or the close code of a stream; 0: nothing answered.
    request_id
        To be told to whoever runs the desk.
    errors
        Wrong fields, where the problem names them.
    client_order_id
        Of an order of which nobody knows whether it was sent: sent again with this id, it is taken once.
    context
        What else the problem tells, as the `control_id` under which a control that may have been sent is sent again.

    Examples
    --------
    >>> ApiError("price 1.005 is no multiple of 0.01", "off_tick", 422)
    ApiError('price 1.005 is no multiple of 0.01', code='off_tick', status=422)
    """

    def __init__(
        self,
        detail: str,
        code: str,
        status: int = 0,
        request_id: str = "",
        errors: tuple[Any, ...] = (),
        client_order_id: str = "",
        context: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail, self.code, self.status, self.request_id, self.errors = detail, code, status, request_id, errors
        self.client_order_id, self.context = client_order_id, dict(context or {})

    @property
    def is_doubtful(self) -> bool:
        """Whether the request may have been carried out all the same."""
        return self.code in ("unanswered", "unknown_outcome") or (self.status >= 500 and self.code in _OF_NOBODY)

    def of_order(self, client_order_id: str) -> ApiError:
        """The same of an order: with its id, where it may have been sent."""
        if not self.is_doubtful:
            return self
        detail = (
            f"{self.detail.partition(';')[0]}; whether it was sent is not known; send it again with "
            f"client_order_id={client_order_id!r}: it is taken once"
        )
        return ApiError(detail, self.code, self.status, self.request_id, self.errors, client_order_id, self.context)

    def __repr__(self) -> str:
        return f"ApiError({self.detail!r}, code={self.code!r}, status={self.status})"


class GapError(DataError):
    """A stream left something out, and `on_gap="raise"` was asked for.

    Examples
    --------
    >>> import qflib as qf
    >>> issubclass(GapError, qf.ApiError)  # the desk did what it could: the reader was slow, or away
    False
    """


def error_of(status: int, body: bytes) -> ApiError:
    """The error that a reply tells.

    Examples
    --------
    >>> error_of(404, b'{"detail":"no such order","code":"unknown_order"}').code
    'unknown_order'
    """
    try:
        told = json.loads(body)
        detail, code = str(told["detail"]), str(told["code"])
    except (ValueError, TypeError, KeyError):  # not ours: something stands between
        detail = f"the answer is no problem document of qflib (status {status}); is this the address of its API?"
        return ApiError(detail, "foreign", status)
    request_id = str(told.get("instance", "")).rpartition(":")[2]
    return ApiError(detail, code, status, request_id, tuple(told.get("errors") or ()), context=told.get("context"))


def unreachable(url: str, why: BaseException) -> ApiError:
    """Nothing is there."""
    reason = str(why) or type(why).__name__
    return ApiError(f"the desk does not answer at {url} ({reason}); start it with `qflib up`", "unreachable")


def unanswered(url: str, why: BaseException) -> ApiError:
    """Something took the request, and gave no answer."""
    reason = str(why) or type(why).__name__
    detail = f"no answer came from {url} ({reason}); what was asked may have been done: ask how it stands"
    return ApiError(detail, "unanswered")
