"""The store: what every topic held, appended by transactions, read while it is written."""

from qflib.lazy import lazy

_NAMES = {
    "Archiver": "archiver",
    "ConflictError": "store",
    "DeltaHistory": "delta",
    "History": "store",
    "Kept": "kept",
    "Log": "store",
    "NothingStoredError": "store",
    "RetiredError": "store",
    "Stored": "store",
    "desk_history": "opening",
    "opened": "opening",
}
__all__ = [
    "Archiver",
    "ConflictError",
    "DeltaHistory",
    "History",
    "Kept",
    "Log",
    "NothingStoredError",
    "RetiredError",
    "Stored",
    "desk_history",
    "opened",
]
__getattr__, __dir__ = lazy(__name__, _NAMES)
