"""What a connection to the stream may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds of a connection and of a key.

    Parameters
    ----------
    connections
        Open ones a key.
    subscriptions
        A connection.
    rate, burst
        Requests a second, and at once.
    mistakes
        Wrong requests before the connection is closed.
    answers
        That wait for a client to read before it is closed.
    heartbeat_s
        Between two heartbeats.
    send_s
        How long a message may wait for a client to read.
    close_s
        How long its goodbye may.
    """

    connections: int = 512
    subscriptions: int = 256
    rate: float = 20.0
    burst: float = 300.0
    mistakes: int = 3
    answers: int = 1_000
    heartbeat_s: float = 5.0
    send_s: float = 10.0
    close_s: float = 1.0
