"""The id of a request: the caller's where it gives one that can be logged, else a new one."""

from __future__ import annotations

import re
import secrets
from itertools import count
from typing import Any

HEADER = b"x-request-id"
_PROCESS, _numbers = secrets.token_hex(10), count()  # together of this request alone
_GIVEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def request_id_of(scope: Any) -> str:
    """The id, made at the first question.

    Examples
    --------
    >>> request_id_of({"headers": [(b"x-request-id", b"mine-1")]})
    'mine-1'
    >>> len(request_id_of({"headers": [(b"x-request-id", b"<script>")]}))
    32
    """
    state: dict[str, Any] = scope.setdefault("state", {})
    made = state.get("request_id")
    if made is None:
        given = next((v for k, v in scope["headers"] if k == HEADER), b"")
        made = given.decode() if _GIVEN.fullmatch(given) else f"{_PROCESS}{next(_numbers):012x}"
        state["request_id"] = made
    return str(made)
