"""Packages whose names load their modules at first use: a start waits only for what it needs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's ``__getattr__`` and ``__dir__``.

    Parameters
    ----------
    package
        Its ``__name__``.
    modules
        Public name -> the submodule that holds it. No submodule may have the name of what it holds: importing it would
        put the module in that name's place.

    Raises
    ------
    AttributeError
        By the returned function, for a name that is not public.

    Examples
    --------
    >>> from qflib.lazy import lazy
    >>> get, names = lazy("qflib.records", {"Side": "codes"})
    >>> get("Side").__name__, names()
    ('Side', ['Side'])
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"{package} has no {name!r}; it has {', '.join(sorted(modules))}")
        value = getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted(modules)
