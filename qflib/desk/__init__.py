"""The steps chained in one process: notebooks, replay, backtests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.lazy import lazy

if TYPE_CHECKING:
    from qflib.desk.config import DeskConfig
    from qflib.desk.desk import Desk, Progressed
    from qflib.desk.run import Run

# A stage's process needs the deployment alone, and starts in a third of the time.
__getattr__, __dir__ = lazy(__name__, {"Desk": "desk", "DeskConfig": "config", "Progressed": "desk", "Run": "run"})

__all__ = ["Desk", "DeskConfig", "Progressed", "Run"]
