"""The venues' books at the end of a desk's run, whichever partition keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from qflib.errors import DataError
from qflib.orderbook.books import digest_of_rows
from qflib.steps.exchange import Exchange
from qflib.stream.audit.records import KafkaRecords, Records
from qflib.stream.audit.refold import Extent, Refold, inputs, states

if TYPE_CHECKING:
    from qflib.broker.clients import Connection
    from qflib.desk.deployment import Deployment


def books_digest(parts: Iterable[Mapping[int, str]]) -> str:
    """The digest of all books from what each partition's exchange says of its own: that of ``qflib replay``.

    Parameters
    ----------
    parts
        `Exchange.own_book_digests` of each partition.

    Raises
    ------
    DataError
        If a row of the table is kept nowhere or twice.
    """
    given = list(parts)
    rows = {i: d for part in given for i, d in part.items()}
    if len(rows) != sum(map(len, given)) or sorted(rows) != list(range(len(rows))):
        raise DataError(f"{len(rows)} books in {len(given)} partitions are not a table's; give each partition once")
    return digest_of_rows(rows[i] for i in range(len(rows)))


def final_books(source: Connection | Records, deployment: Deployment) -> str:
    """The digest of the venues' books as the exchange has left them.

    Parameters
    ----------
    source
        The cluster, or records read elsewhere.
    deployment
        The desk.

    Raises
    ------
    DataError
        If an input that the exchange has taken in since its last snapshot is gone.

    Notes
    -----
    O(state + inputs since the last snapshot); after a graceful stop there are none.
    """
    from qflib.broker.clients import Connection

    records = KafkaRecords(source) if isinstance(source, Connection) else source
    return books_digest(_books(records, deployment, p) for p in range(deployment.partitions))


def _books(records: Records, deployment: Deployment, partition: int) -> Mapping[int, str]:
    extent = Extent.of(records, "exchange", partition)
    refold, last = Refold(deployment, extent), None
    for state in states(records, extent):
        last = state
    if last is not None:
        refold.begin(last)
    elif not extent.whole:
        raise DataError(
            f"exchange[{partition}] has no snapshot, and the beginning of its inputs is gone; "
            "its books are in the archive: `qflib audit --replay --from-archive DATE`"
        )
    for given in inputs(records, extent, dict(refold.fold.next)):
        taken, wrong = refold.take(given)
        if taken is None:
            raise DataError(f"exchange[{partition}] cannot be recomputed: {wrong}; `qflib audit` says more")
    step = refold.fold.step
    assert isinstance(step, Exchange)
    return step.own_book_digests
