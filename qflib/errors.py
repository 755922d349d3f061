"""The error tree: every error names the value, what was expected and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qflib.records.codes import DeadReason


class QflibError(Exception):
    """Base of all errors raised on purpose; the command line prints it as one sentence and exits with 2."""


class InputError(QflibError, ValueError):
    """An argument has a wrong value, type, shape, sign or unit."""


class DataError(QflibError):
    """A file, frame or record is missing, truncated, unreadable or contradicts its schema."""


class ChecksumError(DataError):
    """Content and checksum differ."""


class StoreUnavailableError(DataError):
    """The history cannot be written at the moment: its server is away, or its disk is full.

    Nothing is wrong with what was to be written, and a later attempt may do: the archive begins again after a while,
    and a stage whose inputs only the archive still has is started again.

    Examples
    --------
    >>> from qflib.errors import DataError, StoreUnavailableError
    >>> issubclass(StoreUnavailableError, DataError)
    True
    """


class FullDiskError(StoreUnavailableError):
    """There is no room to write: it goes on once there is.

    Examples
    --------
    >>> from qflib.errors import FullDiskError, StoreUnavailableError
    >>> issubclass(FullDiskError, StoreUnavailableError)
    True
    """


class MalformedRecordError(DataError):
    """A record's bytes do not parse, or hold what a record may not; `reason` is its dead letter's."""

    def __init__(self, message: str, reason: DeadReason) -> None:
        super().__init__(message)
        self.reason = reason


class TornBatchError(ChecksumError):
    """A batch contradicts its own count, checksum or column lengths; `reason` is its dead letter's."""

    def __init__(self, message: str, reason: DeadReason) -> None:
        super().__init__(message)
        self.reason = reason


class UnknownInstrumentError(QflibError, KeyError):
    """An instrument is not in the table."""

    def __str__(self) -> str:  # KeyError would show the repr
        return str(self.args[0]) if self.args else ""


class UnknownVenueError(InputError):
    """A venue is not in the table of venues."""


class SettingsError(QflibError):
    """A setting has a wrong value or names something that does not exist."""


class StateError(QflibError):
    """A state cannot be restored: another version, truncated, or not of this step."""


class MissingPartError(QflibError):
    """An optional part (a package, a data set) is needed and absent."""


class BrokerError(QflibError):
    """Kafka is out of reach, refuses, or a local broker does not start."""
