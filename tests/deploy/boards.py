"""The table of dashboards, loaded by its path: deploy/ is no package."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from tests.deploy.tools import DEPLOY


def boards() -> ModuleType:
    """The module."""
    spec = importlib.util.spec_from_file_location("grafana_dashboards", DEPLOY / "grafana" / "dashboards.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made
