"""The table of dashboards, loaded by its path."""

from __future__ import annotations

from types import ModuleType

from tests.deploy.tools import loaded


def boards() -> ModuleType:
    """The module."""
    return loaded("grafana/dashboards.py")
