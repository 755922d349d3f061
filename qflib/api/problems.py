"""Errors as RFC 9457 tells them: one map from exceptions to problem documents, for every route.

A reply holds a stable code, a sentence and the request's id; no traceback, no path, nothing of the inside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar.connection import Request
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Response
from msgspec import Struct

from qflib.api.request_id import request_id_of
from qflib.errors import BrokerError, DataError, InputError, QflibError, UnknownInstrumentError

#: The code of what was sent, and may or may not have come to Kafka.
UNKNOWN_OUTCOME = "unknown_outcome"
MEDIA = "application/problem+json"
#: The codes of errors that the framework raises.
_CODES = {
    400: "malformed", 401: "unauthorised", 403: "forbidden", 404: "not_found", 405: "method_not_allowed",
    406: "not_acceptable", 413: "too_large", 414: "too_long", 415: "unsupported_media_type", 429: "rate_limited",
    503: "unavailable",
}  # fmt: skip
_LONGEST = 500  # characters of a detail
_log = structlog.get_logger("qflib.api")


class ProblemDetails(Struct, frozen=True, omit_defaults=True):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    errors: list[dict[str, str]] = []
    context: dict[str, Any] = {}


class ProblemError(QflibError):
    """An error with its status and stable code.

    Parameters
    ----------
    status
        HTTP status.
    code
        Stable, lower case; of an order the exchange's reason.
    detail
        A sentence: the value, what was expected, what to do.
    headers
        Of the reply, as Retry-After.
    context
        Further members of the document.

    Examples
    --------
    >>> problem_of(ProblemError(422, "off_tick", "price 1.005 is no multiple of 0.01")).code
    'off_tick'
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: list[dict[str, str]] | None = None,
        context: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers = dict(headers or {})
        self.errors, self.context = errors or [], context or {}


def problem_of(error: Exception) -> ProblemError:
    """The map: what every exception is told as.

    Examples
    --------
    >>> problem_of(ZeroDivisionError("of the inside")).detail
    'something went wrong inside; tell the request id to whoever runs this desk'
    """
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, HTTPException):
        return _of_framework(error)
    if isinstance(error, UnknownInstrumentError):
        return ProblemError(404, "unknown_instrument", str(error))
    if isinstance(error, InputError):
        return ProblemError(422, "bad_input", str(error))
    if isinstance(error, BrokerError):
        return away("the broker did not answer; the same request may be sent again")
    if isinstance(error, DataError):
        return ProblemError(503, "no_data", str(error), headers={"retry-after": "1"})
    return ProblemError(500, "internal", "something went wrong inside; tell the request id to whoever runs this desk")


def away(detail: str, code: str = "broker_unavailable") -> ProblemError:
    """503: Kafka cannot be reached."""
    return ProblemError(503, code, detail, headers={"retry-after": "1"})


def too_large() -> ProblemError:
    """413, as the framework's own way tells it."""
    return ProblemError(413, _CODES[413], _SENTENCES[413])


def malformed(error: Exception) -> ProblemError:
    """What a body is refused with that does not decode.

    Examples
    --------
    >>> malformed(msgspec.ValidationError("Expected `str`, got `int` - at `$.qty`")).errors
    [{'field': 'qty', 'message': 'Expected `str`, got `int`'}]
    """
    if isinstance(error, RecursionError):
        return ProblemError(400, "malformed", "the body is nested too deep; send the fields that the schema names")
    text = str(error)
    message, _, where = text.partition(" - at `$")
    field = where.rstrip("`").lstrip(".")
    detail = f"the body is not what the schema says: {text}"
    if field.rpartition(".")[2] in _DECIMAL_FIELDS and ("got `int`" in message or "got `float`" in message):
        detail = f'{field} is a JSON number, which cannot hold every price exactly; give a decimal string as "100.25"'
    errors = [{"field": field, "message": message}] if field else []
    return ProblemError(400, "malformed", detail, errors=errors)


def reply(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The exception handler of the application."""
    status, document, headers = told(request.scope, error)
    return Response(document, status_code=status, media_type=MEDIA, headers=headers)


def told(scope: Any, error: Exception) -> tuple[int, bytes, dict[str, str]]:
    """What an error of a request is answered with: status, document and headers."""
    problem = problem_of(error)
    request_id = request_id_of(scope)
    if problem.status >= 500 and not isinstance(error, ProblemError):
        _log.error("request failed", request_id=request_id, path=scope.get("path"), exc_info=error)
    document = ProblemDetails(
        f"urn:qflib:problem:{problem.code}", _title(problem), problem.status, _fit(problem.detail), problem.code,
        f"urn:qflib:request:{request_id}", problem.errors, problem.context,
    )  # fmt: skip
    headers = dict(problem.headers)
    if problem.status == 401:
        headers.setdefault("www-authenticate", "Bearer")
    return problem.status, msgspec.json.encode(document), headers


def declared(*more: int) -> dict[int, ResponseSpec]:
    """What OpenAPI says of a route's errors."""
    every = (400, 401, 403, 404, 405, 413, 415, 422, 429, 500, 503, *more)
    return {s: ResponseSpec(ProblemDetails, description=HTTPStatus(s).phrase, media_type=MEDIA, generate_examples=False)
            for s in every}  # fmt: skip


def _of_framework(error: HTTPException) -> ProblemError:
    status = error.status_code
    code = _CODES.get(status, "internal" if status >= 500 else f"http_{status}")
    headers = {k.lower(): v for k, v in (error.headers or {}).items()}
    if isinstance(error, ValidationException):
        extra = error.extra if isinstance(error.extra, list) else []
        errors = [
            {"field": str(e.get("key", "")), "message": _fit(str(e.get("message", "")))}
            for e in extra
            if isinstance(e, dict)
        ]
        named = "; ".join(f"{e['field']}: {e['message']}" for e in errors if e["field"]) or "see the schema"
        if any(e["field"] == "data" for e in errors):
            return malformed(ValueError("it is empty"))
        code = "bad_cursor" if any(e["field"] == "cursor" for e in errors) else "bad_parameter"
        return ProblemError(400, code, f"a parameter is not what the schema says: {named}", errors=errors)
    if status >= 500:
        return ProblemError(status, code, "something went wrong inside; tell the request id to whoever runs this desk")
    return ProblemError(status, code, _SENTENCES.get(status, HTTPStatus(status).phrase), headers=headers)


_SENTENCES = {
    400: "the request is malformed; see /schema for what is expected",
    404: "there is nothing at this address; see /schema for the routes there are",
    405: "this address does not take that method; the header Allow names those it takes",
    413: "the body is too large; send less at once",
}
_DECIMAL_FIELDS = frozenset({"price", "qty"})


def _title(problem: ProblemError) -> str:
    return re.sub("_", " ", problem.code).capitalize()


def _fit(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
