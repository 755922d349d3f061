"""What a client of the stream may ask, and what it is told where that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from qflib.api.stream.channels import CHANNELS, Channel

LONGEST = 4_096  # bytes of a request
OPS = ("subscribe", "unsubscribe", "ping")
Subject = Annotated[str, Meta(min_length=1, max_length=64)]
Sequence = Annotated[int, Meta(ge=-1, le=2**63 - 1)]


class Subscribe(Struct, frozen=True, tag_field="op", tag="subscribe", forbid_unknown_fields=True):
    """Follow a subject; from after `resume_from` where that is kept, else from a snapshot."""

    channel: Channel
    subject: Subject
    resume_from: Sequence | None = None


class Unsubscribe(Struct, frozen=True, tag_field="op", tag="unsubscribe", forbid_unknown_fields=True):
    """Follow it no more."""

    channel: Channel
    subject: Subject


class Ping(Struct, frozen=True, tag_field="op", tag="ping", forbid_unknown_fields=True):
    """Answered by a pong with the same id, whatever else is due: one with nothing before it tells that nothing was."""

    id: Annotated[str, Meta(max_length=64)] | Annotated[int, Meta(ge=-(2**53), le=2**53)] | None = None


Request = Subscribe | Unsubscribe | Ping
_decode: Callable[[bytes], Request] = msgspec.json.Decoder(Request).decode


class RequestError(Exception):
    """A request that is not done; `code` is stable, `fatal` ends the connection at once."""

    def __init__(self, code: str, detail: str, fatal: bool = False) -> None:
        super().__init__(detail)
        self.code, self.detail, self.fatal = code, detail, fatal


def request_of(frame: str | bytes) -> Request:
    """The request in a frame.

    Parameters
    ----------
    frame
        As it came.

    Raises
    ------
    RequestError
        If it is too large, no JSON, or not what a client may ask.

    Examples
    --------
    >>> request_of('{"op":"subscribe","channel":"book","subject":"ACME.F"}').subject
    'ACME.F'
    """
    data = frame.encode(errors="surrogatepass") if isinstance(frame, str) else frame
    if len(data) > LONGEST:
        raise RequestError("too_large", f"the request has {len(data)} bytes; send {LONGEST} at most", fatal=True)
    try:
        return _decode(data)
    except msgspec.ValidationError as e:
        raise RequestError(_code(str(e)), f"the request is wrong: {e}; expected {_EXPECTED}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as e:
        reason = "nested too deep" if isinstance(e, RecursionError) else str(e)
        raise RequestError("malformed_json", f"the request is not JSON: {reason}") from None


_EXPECTED = (
    f"op ({', '.join(OPS)}), channel ({', '.join(CHANNELS)}), subject, and resume_from (the last seq that you have)"
)


def _code(told: str) -> str:
    if told.startswith("Object contains unknown field"):
        return "unknown_field"
    if "`$.op`" in told or "field `op`" in told:
        return "unknown_op"
    return "unknown_channel" if "`$.channel`" in told else "bad_request"
