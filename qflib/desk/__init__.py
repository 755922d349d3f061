"""The steps chained in one process: notebooks, replay, backtests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.lazy import lazy

if TYPE_CHECKING:
    from qflib.desk.config import DeskConfig
    from qflib.desk.desk import Desk, Progressed
    from qflib.desk.paper import PaperTrades, paper_trade
    from qflib.desk.run import Run

# A stage's process needs the deployment alone, and starts in a third of the time.
__getattr__, __dir__ = lazy(
    __name__,
    {
        "Desk": "desk",
        "DeskConfig": "config",
        "PaperTrades": "paper",
        "Progressed": "desk",
        "Run": "run",
        "paper_trade": "paper",
    },
)

__all__ = ["Desk", "DeskConfig", "PaperTrades", "Progressed", "Run", "paper_trade"]
