"""The history in PostgreSQL: rows by binary COPY, offsets in the same transaction, a partition a day."""

from qflib.lazy import lazy

_NAMES = {
    "PostgresHistory": "history",
    "PrivateServer": "private",
    "migrate": "schema",
}
__all__ = ["PostgresHistory", "PrivateServer", "migrate"]
__getattr__, __dir__ = lazy(__name__, _NAMES)
