"""A journal that nobody needs: deleted where the stage's last snapshot holds all that its group has committed."""

from __future__ import annotations

from qflib.broker.clients import Connection, admin
from qflib.broker.reading import committed, ends, read, starts
from qflib.errors import BrokerError, InputError, StateError
from qflib.records.topics import journal, snapshots
from qflib.stream import snapshots as snapshot_records
from qflib.stream.stages import STAGES, Stage


def clear_journal(c: Connection, name: str, partitions: int) -> int:
    """Delete a stage's journal, in which somebody else has written; how many offsets it had.

    Parameters
    ----------
    c
        The cluster.
    name
        Of the stage, which does not run.
    partitions
        Of every topic.

    Raises
    ------
    InputError
        If no stage of that name keeps a journal.
    StateError
        If a partition's state is not whole without it: the stage did not end gracefully. Nothing is deleted then.
    BrokerError
        If the cluster keeps silent, or refuses.

    Notes
    -----
    O(snapshots). What is gone with it is the order of the inputs before the snapshot: `qflib audit --replay`
    recomputes from the snapshot on.
    """
    from confluent_kafka import KafkaException, TopicPartition

    kept = [s.name for s in STAGES.values() if s.journalled]
    if name not in kept:
        raise InputError(f"stage {name!r} keeps no journal; expected one of {', '.join(kept)}")
    stage = STAGES[name]
    for p in range(partitions):
        _check_whole(c, stage, p)
    places = [(journal(name), p) for p in range(partitions)]
    low, high = starts(c, places), ends(c, places, committed=False)
    wanted = [TopicPartition(t, p, high[t, p]) for t, p in places if high[t, p] > low[t, p]]
    try:
        for future in (admin(c).delete_records(wanted) if wanted else {}).values():
            future.result()
    except KafkaException as e:
        raise BrokerError(f"deleting {journal(name)} at {c.bootstrap} failed: {e.args[0].str()}; try again") from None
    return sum(high[place] - low[place] for place in places)


def _check_whole(c: Connection, stage: Stage, partition: int) -> None:
    """Refuse where a snapshot of what the group has committed is not the last one."""
    asked = committed(c, stage.group, [(t, partition) for t in stage.inputs])
    want = {t: max(o, 0) for (t, _), o in asked.items()}
    topic = snapshots(stage.name)
    low = starts(c, [(topic, partition)])[topic, partition]
    values = ((m.offset(), m.value() or b"") for m in read(c, topic, partition, low))
    held = [s.next for s in snapshot_records.read(f"{topic}[{partition}]", values, lambda *_: None)]
    if any(want.values()) and not any({t: n.get(t, 0) for t in want} == want for n in held):
        raise StateError(
            f"{stage.name}[{partition}] was not stopped gracefully: its group has committed {want}, its last snapshot "
            f"holds {held[-1] if held else 'nothing'}, and the journal alone knows the order of what is between; keep "
            "it, and begin anew in another folder (QFLIB_STATE)"
        )
