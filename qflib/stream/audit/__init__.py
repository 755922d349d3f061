"""The audit: nothing lost, doubled, out of order or torn on the topics, and every byte recomputed."""

from qflib.lazy import lazy

_NAMES = {
    "Report": "report",
    "audit": "report",
    "books_digest": "books",
    "check_topics": "check",
    "final_books": "books",
    "replay_archive": "archive",
    "replay_topics": "replay",
}
__all__ = ["Report", "audit", "books_digest", "check_topics", "final_books", "replay_archive", "replay_topics"]
__getattr__, __dir__ = lazy(__name__, _NAMES)
