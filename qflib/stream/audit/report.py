"""What an audit says, as ``qflib audit`` prints it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from qflib.broker.reading import OffsetGoneError
from qflib.machine import processors
from qflib.stream.audit.archive import check_history
from qflib.stream.audit.check import check_topics
from qflib.stream.audit.records import KafkaRecords
from qflib.stream.audit.replay import Replay, replay_topics
from qflib.stream.audit.tally import Tally

if TYPE_CHECKING:
    from qflib.broker.clients import Connection
    from qflib.desk.deployment import Deployment
    from qflib.history.store import History

_TRIES = 4
_log = structlog.get_logger("qflib.audit")


@dataclass(frozen=True)
class Report:
    """The outcome.

    Parameters
    ----------
    tally
        Of the topics, and of the archive against them; None where the archive alone was asked.
    replay
        The recomputation, where it was asked for.
    """

    tally: Tally | None = None
    replay: Replay | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return (self.tally is None or self.tally.ok) and (self.replay is None or self.replay.ok)

    @property
    def document(self) -> dict[str, Any]:
        """As JSON holds it."""
        out: dict[str, Any] = {"ok": self.ok, "topics": {}, "findings": []}
        if self.tally is not None:
            out["topics"] = {topic: asdict(c) for topic, c in self.tally.counts.items()}
            out["findings"] = [f._asdict() for f in self.tally.findings]
        if self.replay is not None:
            out["replay"] = self.replay.document
        return out


def audit(
    connection: Connection,
    deployment: Deployment,
    *,
    history: History | None = None,
    replay: bool = False,
    jobs: int | None = None,
    told: Callable[[], None] | None = None,
) -> Report:
    """Audit a desk on its cluster; it may be running.

    Parameters
    ----------
    connection, deployment
        The cluster, and the desk.
    history
        Compare the archive with the topics too.
    replay
        Recompute every output byte and kept state.
    jobs
        Processes; default: one a processor, four at most.
    told
        Called after each part of the work; there are `parts_of(deployment, replay)`, and more where it begins again.

    Raises
    ------
    OffsetGoneError
        If retention takes what is to be read, again and again: the topics keep less than an audit takes.

    Notes
    -----
    Where retention takes something meanwhile, it begins again with what is left.
    """
    for attempt in Retrying(
        retry=retry_if_exception_type(OffsetGoneError),
        stop=stop_after_attempt(_TRIES),
        before_sleep=_again,
        reraise=True,
    ):
        with attempt:
            return _audited(connection, deployment, history, replay, jobs_here() if jobs is None else jobs, told)
    raise AssertionError  # the loop returns or raises


def _again(state: RetryCallState) -> None:
    why = None if state.outcome is None else state.outcome.exception()
    _log.info("retention took what was to be read; the audit begins again", reason=str(why))


def _audited(
    connection: Connection,
    deployment: Deployment,
    history: History | None,
    replay: bool,
    jobs: int,
    told: Callable[[], None] | None,
) -> Report:
    records = KafkaRecords(connection)
    tally = check_topics(records, deployment.stages, deployment.partitions, jobs=jobs, told=told)
    if history is not None:
        from qflib.broker.reading import cluster_id

        check_history(records, history, cluster_id(connection), deployment, tally)
    if not replay:
        return Report(tally)
    return Report(tally, replay_topics(records, deployment, jobs=jobs, told=told))


def parts_of(deployment: Deployment, replay: bool) -> int:
    """How many parts an audit has."""
    from qflib.stream.audit.replay import parts_of as parts_of_replay

    return deployment.partitions + (parts_of_replay(deployment) if replay else 0)


def jobs_here() -> int:
    """As many processes as there are processors for us, four at most."""
    return min(4, processors())
