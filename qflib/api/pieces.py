"""JSON of large replies, in pieces: one call of an encoder keeps every other thread waiting until it returns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

_AT_ONCE = 1_000  # items: some milliseconds of the largest rows


def encoded(told: Any) -> bytes:
    """As `msgspec.json.encode`, for a thread beside the loop's.

    Parameters
    ----------
    told
        A struct, dict or list.

    Examples
    --------
    >>> encoded({"a": [1.5, None], "b": {"c": [[1]]}})
    b'{"a":[1.5,null],"b":{"c":[[1]]}}'
    """
    return b"".join(_pieces(told))


def listed(parts: Iterator[list[Any]]) -> bytes:
    """One list of the items of many, encoded as they come.

    Examples
    --------
    >>> listed(iter([[1, 2], [], [{"a": 3}]]))
    b'[1,2,{"a":3}]'
    """
    return b"[" + b",".join(msgspec.json.encode(p)[1:-1] for p in parts if p) + b"]"


def _pieces(told: Any) -> Iterator[bytes]:
    if isinstance(told, msgspec.Struct):
        told = _fields(told)
    if isinstance(told, dict):
        before = b"{"
        for name, value in told.items():
            yield before + msgspec.json.encode(str(name)) + b":"
            yield from _pieces(value)
            before = b","
        yield b"}" if told else b"{}"
    elif isinstance(told, list) and len(told) > _AT_ONCE:
        yield listed(told[k : k + _AT_ONCE] for k in range(0, len(told), _AT_ONCE))
    else:
        yield msgspec.json.encode(told)


def _fields(told: msgspec.Struct) -> dict[str, Any]:
    """The fields of a struct as the encoder names them, without those that it leaves out as defaults."""
    short, found = told.__struct_config__.omit_defaults, dict[str, Any]()
    for field in msgspec.structs.fields(told):
        value, made = getattr(told, field.name), field.default_factory
        default = field.default if made is msgspec.NODEFAULT else made()
        if not short or default is msgspec.NODEFAULT or value != default:
            found[field.encode_name] = value
    return found
