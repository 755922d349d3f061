"""`qf.connect()`: the client of the API, sync and async, with the accessors of `qf.Run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.lazy import lazy

if TYPE_CHECKING:
    from qflib.api.client.api_error import ApiError, GapError
    from qflib.api.client.async_live import AsyncLive, connect_async
    from qflib.api.client.following import Gap
    from qflib.api.client.jobs import LiveReport
    from qflib.api.client.live import Live, connect
    from qflib.api.client.results import LiveBook, LiveOrder
    from qflib.api.client.vols import LiveVols
    from qflib.api.client.what_if import LiveWhatIf

__getattr__, __dir__ = lazy(
    __name__,
    {
        "ApiError": "api_error",
        "AsyncLive": "async_live",
        "Gap": "following",
        "GapError": "api_error",
        "Live": "live",
        "LiveBook": "results",
        "LiveOrder": "results",
        "LiveReport": "jobs",
        "LiveVols": "vols",
        "LiveWhatIf": "what_if",
        "connect": "live",
        "connect_async": "async_live",
    },
)

__all__ = [
    "ApiError",
    "AsyncLive",
    "Gap",
    "GapError",
    "Live",
    "LiveBook",
    "LiveOrder",
    "LiveReport",
    "LiveVols",
    "LiveWhatIf",
    "connect",
    "connect_async",
]
