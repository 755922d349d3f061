"""The steps chained in one process: notebooks, replay, backtests."""

from qflib.desk.desk import Desk, DeskConfig, Progressed
from qflib.desk.run import Run

__all__ = ["Desk", "DeskConfig", "Progressed", "Run"]
