"""The stream: what the views learn, to WebSocket clients, in order and without a silent gap.

A client subscribes to a channel and a subject: `book` and `trades` of an instrument, `executions` of an underlying,
`risk` of a portfolio. It gets a snapshot, then deltas; `seq` is the offset of the record in Kafka and `prev_seq` that
of the message before, so that a client sees where it missed one. With `resume_from` it goes on after what it has.
Where a client cannot follow, a `gap` says from where to where, and a snapshot comes after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.lazy import lazy

if TYPE_CHECKING:
    from qflib.api.stream.handler import stream_handler
    from qflib.api.stream.hub import Hub
    from qflib.api.stream.limits import StreamLimits

__getattr__, __dir__ = lazy(__name__, {"Hub": "hub", "StreamLimits": "limits", "stream_handler": "handler"})

__all__ = ["Hub", "StreamLimits", "stream_handler"]
