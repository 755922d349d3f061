"""The hedger's last fill: which record told of it, and when; the view of hedges itself keeps no sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qflib.records import ExecType

if TYPE_CHECKING:
    from qflib.views import Views
    from qflib.views.changed import Changed
    from qflib.views.executions import Execution


class Told(NamedTuple):
    """Offset of a record, and when Kafka had it; -1 and 0: there is none."""

    seq: int = -1
    append_ns: int = 0


class LastHedge:
    """Follows the executions of a desk.

    Parameters
    ----------
    views
        The read model; what it has read before is looked through once.
    """

    def __init__(self, views: Views) -> None:
        self.told = Told()
        self.end = views.listen(self._listen)
        for x in views.orders.executions(where=_is_hedge, limit=1):
            self._take(x)

    def _listen(self, changed: Changed) -> None:
        for executions in changed.executions:
            for x in executions.rows:
                if _is_hedge(x):
                    self._take(x)

    def _take(self, x: Execution) -> None:
        append_ms, _, offset, _ = x.cursor
        if append_ms * 1_000_000 >= self.told.append_ns:
            self.told = Told(offset, append_ms * 1_000_000)


def _is_hedge(x: Execution) -> bool:
    return x.exec_type == ExecType.FILL and x.hedge_no > 0
