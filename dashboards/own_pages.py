"""Pages of a project's own: each `Page` that a file of its folder `dashboards` defines."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import structlog

from dashboards.pages.page import Page
from qflib.project import own_project, toolkit

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_log = structlog.get_logger(__name__)


def own_pages(taken: Iterable[str]) -> tuple[type[Page], ...]:
    """The pages of the project one stands in; a file or page that is wrong is told in the log, and left out.

    Parameters
    ----------
    taken
        Names that pages have already.
    """
    root = own_project()
    if root is None or root == toolkit():
        return ()
    made: dict[str, type[Page]] = {}
    for file in sorted((root / "dashboards").glob("*.py")):
        try:
            found = _pages(file)
        except Exception:
            _log.exception("a page's file cannot be loaded; it is left out", file=str(file))
            continue
        for page in found:
            if not _NAME.fullmatch(page.name) or page.name in {*taken, *made}:
                _log.error(
                    "a page needs a name of its own, in small letters; it is left out", file=str(file), name=page.name
                )
            else:
                page.own = True
                made[page.name] = page
    return tuple(made.values())


def _pages(file: Path) -> list[type[Page]]:
    name = f"qflib_page_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Page) and v.__module__ == name]
