"""The audit of the topics by what their records say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qflib.records.topics import TOPICS, dead_letters, journal
from qflib.stream.audit.fanout import Fanouts
from qflib.stream.audit.pool import run
from qflib.stream.audit.records import Records
from qflib.stream.audit.scan import Plan, Scan, next_offsets, scan
from qflib.stream.audit.tally import Tally
from qflib.stream.stages import STAGES


def check_topics(
    records: Records, stages: tuple[str, ...], partitions: int, *, jobs: int = 1, told: Callable[[], None] | None = None
) -> Tally:
    """Count on every topic what is lost, duplicated, reordered or torn.

    Parameters
    ----------
    records
        Where the topics are.
    stages
        Of the desk: those whose journals, groups and snapshots are looked at.
    partitions
        Of every topic.
    jobs
        Processes; `records` must be picklable for more than one.
    told
        Called when a partition is done.

    Returns
    -------
    Tally
        Counts and first findings.

    Notes
    -----
    *Lost*: a number missing in a stream (topic, partition, source, epoch), or an input below a group's committed
    offset that stands in no mark. Of stages with one input, normalize and portfolio, this knows only the clocks that
    normalize passes on and the count of inputs in the snapshots: whether every frame became the rows it should is for
    `replay_topics`, which decodes. *Duplicated*: a number or mark twice. *Reordered*: a lower one after a higher.
    *Torn*: checksum or count wrong and not answered by a dead letter of every stage that has read it, a part of a
    fan-out missing, a mark with another checksum than its input.

    The desk may be running: only what lay there when the audit began is asked for. O(bytes).
    """
    plan = Plan.of(records, stages, partitions)
    tasks = [(records, plan, p) for p in range(partitions)]
    scans = sorted(run(scan, tasks, jobs, told), key=lambda s: s.partition)
    # a desk that runs has gone on meanwhile: what it had not committed at first it may have by now
    reached = next_offsets(records, stages, partitions) if any(s.ahead for s in scans) else {}
    return settle(plan, scans, reached)


def settle(plan: Plan, all_scans: Sequence[Scan], reached: Mapping[tuple[str, str, int], int]) -> Tally:
    """Join the partitions, and count what only all of them together show; `reached`: committed at the end."""
    tally, fanouts = Tally(), Fanouts()
    tally.add(s.tally for s in all_scans)
    fanouts.add(s.fanouts for s in all_scans)
    fanouts.finish(tally, plan.cut)
    letters = {letter for s in all_scans for letter in s.letters}
    for s in all_scans:
        for topic, offset, what in s.torn:
            readers = [r for r in plan.stages if topic in STAGES[r].inputs]
            if not readers or not all(_refused(plan, letters, r, topic, s.partition, offset) for r in readers):
                tally.found(topic, s.partition, offset, "torn", what)
        for stage, topic, offset in sorted(s.ahead):
            if offset >= reached[stage, topic, s.partition]:
                what = f"the mark of {topic} offset {offset}, which {STAGES[stage].group} has not committed"
                tally.found(journal(stage), s.partition, -1, "torn", what)
        for topic, stage, offset in sorted(s.dead_marks - letters):
            if dead_letters(topic) not in plan.cut:
                what = f"the dead letter of {stage} for {topic} offset {offset}"
                tally.found(dead_letters(topic), s.partition, -1, "lost", what)
    for topic in (*TOPICS, *map(dead_letters, TOPICS)):
        tally.of(topic)
    return tally


def _refused(
    plan: Plan, letters: set[tuple[str, str, int]], stage: str, topic: str, partition: int, offset: int
) -> bool:
    """Whether a stage has sent an input to the dead letters, or has not come to it."""
    return (topic, f"{stage}/{partition}", offset) in letters or offset >= plan.committed[stage, topic, partition]
