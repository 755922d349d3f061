"""What the stages take from Quix Streams; imported here alone, in silence.

Its dependencies warn of each other's versions at import, by a filter of their own that no option overrides: a line on
stderr that a worker's log would begin with.
"""

import warnings

with warnings.catch_warnings(record=True):
    from quixstreams import Application, message_context
    from quixstreams.processing.context import ProcessingContext
    from quixstreams.sinks import BaseSink

__all__ = ["Application", "BaseSink", "ProcessingContext", "message_context"]
