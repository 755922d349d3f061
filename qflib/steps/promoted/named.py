"""Named tuples that a process to come knows again, so that Numba finds what an earlier one compiled for them.

Numba keeps compiled code by the types it was compiled for, of a named tuple by its class: one that each process makes
for itself is another each time, and what is kept is never found. These are named by their fields, and made by name.
"""

from __future__ import annotations

from collections import namedtuple
from functools import cache
from typing import Any


@cache
def named(title: str, fields: tuple[str, ...]) -> Any:
    """The named tuple of a title and fields: one class a process, pickled by its name.

    Examples
    --------
    >>> import pickle
    >>> Quote = named("Quote", ("bid", "ask"))
    >>> pickle.loads(pickle.dumps(Quote)) is Quote
    True
    """
    made = namedtuple(title, fields, module=__name__)  # type: ignore[misc]  # its name is not a literal
    made.__qualname__ = f"{title}({','.join(fields)})"
    return made


def __getattr__(name: str) -> Any:
    title, bracket, fields = name.removesuffix(")").partition("(")
    if not bracket:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return named(title, tuple(fields.split(",")))
