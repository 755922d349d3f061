"""What the stages take from Quix Streams; imported here alone, in silence.

Its dependencies warn of each other's versions at import, by a filter of their own that no option overrides: a line on
stderr that a worker's log would begin with.
"""

import warnings
from typing import Any

with warnings.catch_warnings(record=True):
    import quixstreams
    from quixstreams import message_context
    from quixstreams.processing.context import ProcessingContext
    from quixstreams.sinks import BaseSink


class Application(quixstreams.Application):
    """One without stores, nor the folder for them: it would lie where the process stands, which may be read-only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._state_manager._state_dir = None


__all__ = ["Application", "BaseSink", "ProcessingContext", "message_context"]
