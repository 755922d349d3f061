"""The plain twin of the simulator's book."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def replayed():
    """Replays one future's events through the twin, checking every row."""
    path = Path(__file__).parents[2] / "reference" / "plain_queue_book.py"
    spec = importlib.util.spec_from_file_location("plain_queue_book", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.replayed
