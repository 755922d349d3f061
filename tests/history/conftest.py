"""A history of either kind: what one store keeps to, the other keeps to as well."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from qflib.history import DeltaHistory, History
from tests.postgres_server import database, new_postgres, server

NewHistory = Callable[[], History]
_numbers = count()


@pytest.fixture(params=["delta", "postgres"])
def new_history(request: pytest.FixtureRequest, tmp_path: Path) -> NewHistory:
    """Makes an empty one; the one made before it may be gone."""
    if request.param == "postgres":
        make: NewHistory = request.getfixturevalue("new_postgres")
        return make
    return lambda: DeltaHistory(tmp_path / f"history_{next(_numbers)}")


@pytest.fixture
def history(new_history: NewHistory) -> History:
    """An empty one."""
    return new_history()


__all__ = ["NewHistory", "database", "new_postgres", "server"]
