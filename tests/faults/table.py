"""The table of faults: what each fault test found, a row a fault; what `make faults` ends with.

Tests add rows by the fixture `told`. As a program, ``python -m tests.faults.table STATUS`` prints the table that
the rows of the last run make, with pytest's exit status, and ends with 0 only where every fault of the notes has a row
and every row is clean.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qflib.stream.audit.report import Report

FOLDER = Path(__file__).parents[2] / "runs"
#: A line a row, as the tests of the last run have told them; and all of them as one document.
ROWS, DOCUMENT = FOLDER / "faults.jsonl", FOLDER / "faults.json"
#: The faults that a desk on one machine has to survive, by their numbers; those of `FIFTEEN` must all have been seen.
FIFTEEN = {
    1: "a worker is killed",
    2: "the broker is killed",
    3: "a worker is stopped past its session",
    4: "the broker stands still",
    5: "workers from 1 to 3 to 1",
    6: "a poison record",
    7: "the database's backend or server is killed",
    8: "the disk is full",
    9: "snapshots are wiped",
    10: "retention overtakes an offset",
    11: "the producer's queue is full",
    12: "an oversized record",
    13: "a stop that must drain",
    14: "connections are cut in a commit",
    15: "a replay gives the same bytes",
}
FURTHER = {16: "a snapshot or a journal is corrupt", 17: "the wall clock steps back"}
FAULTS = FIFTEEN | FURTHER
#: The alerts that tell of them, where they last: each is raised and ended for real by a test in tests/deploy.
ALERTS = {
    1: ["QflibWorkerRestarted", "QflibWorkerFlapping"],
    2: ["QflibBrokerSilent"],
    3: ["QflibProcessDown", "QflibStageBehind", "QflibStageStalled"],
    4: ["QflibBrokerSilent", "QflibCommitSlow", "QflibLatencyHigh"],
    6: ["QflibDeadLetters"],
    7: ["QflibArchiveBehind"],
    8: ["QflibDiskFilling", "QflibDiskFull"],
    9: ["QflibDeskAway"],
    10: ["QflibRetentionNear", "QflibRecordsGone"],
    11: ["QflibBackPressure"],
    12: ["QflibRecordTooLong"],
    14: ["QflibCommitSlow"],
    16: ["QflibErrorsLogged"],
    17: ["QflibClockStepped"],
}
#: What an audit counts.
COUNTS = ("lost", "duplicated", "reordered", "torn", "unequal")
#: Seconds to recover that are aimed at.
GOALS = {"stateless": 2.0, "stateful": 5.0, "broker": 6.0, "stop": 5.0, "": float("inf")}


@dataclass
class Row:
    """What came of one fault, in one test."""

    fault: int
    what: str  # in which way
    times: int
    counts: dict[str, int]
    seconds: list[float] = field(default_factory=list)  # to recover, each time
    goal: str = ""  # of `GOALS`
    seen: list[str] = field(default_factory=list)  # log events and metrics that the test has found
    ended: str = "goes on"  # or refused, with what mends it

    def took(self, seconds: float, what: str = "") -> None:
        """Once more, and how long it took; told at once to who watches."""
        self.times += 1
        self.seconds.append(round(seconds, 2))
        print(f"{FAULTS[self.fault]}, {what or self.what}: {seconds:.1f} s", flush=True)

    @property
    def in_time(self) -> bool:
        """Whether each recovery took no longer than is aimed at."""
        return all(s <= GOALS[self.goal] for s in self.seconds)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled, reordered or torn, and every byte was equal."""
        return not any(self.counts.values())


#: By topic what a test has put there itself, by what an audit counts.
Known = Mapping[str, Mapping[str, int]]


def counts_of(report: Report | None, known: Known | None = None) -> dict[str, int]:
    """Over all topics, but for what is known; None: of a test that recomputes by itself, and would have failed."""
    made = dict.fromkeys(COUNTS, 0)
    if report is None:
        return made
    for topic, of in report.document["topics"].items():
        for name in COUNTS[:-1]:
            made[name] += abs(of[name] - (known or {}).get(topic, {}).get(name, 0))
    if report.replay is not None:
        made["unequal"] = report.replay.unequal + sum(p.states_unequal for p in report.replay.parts)
    return made


class Told:
    """Takes the rows of a test; they are on file once the test ends, or before its assertion fails."""

    def __init__(self, file: Path = ROWS) -> None:
        self._file = file
        self._due: list[Row] = []

    def row(self, fault: int, what: str = "", *, goal: str = "", ended: str = "goes on") -> Row:
        """A row to be filled while the fault is made; it counts once a judge has spoken."""
        assert fault in FAULTS
        made = Row(fault, what, 0, {}, goal=goal, ended=ended)
        self._due.append(made)
        return made

    def judged(self, report: Report | None, known: Known | None = None) -> None:
        """Write down the rows since the last judgement."""
        counts = counts_of(report, known)
        if report is not None and report.replay is not None:
            row = self.row(15, "book, positions, ES and every other output")
            row.times, row.seen = report.replay.records, ["`qflib audit --replay`"]
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as out:
            for row in (r for r in self._due if r.times):
                row.counts = counts
                out.write(json.dumps(asdict(row)) + "\n")
        self._due.clear()


def read(file: Path = ROWS) -> list[Row]:
    """The rows on file, by fault; those of the same fault, done the same way, as one."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    made: dict[tuple[int, str, str], Row] = {}
    for row in (Row(**json.loads(line)) for line in lines):
        place = row.fault, row.what, row.ended
        if (known := made.get(place)) is None:
            made[place] = row
            continue
        known.times += row.times
        known.seconds += row.seconds
        known.seen = list(dict.fromkeys(known.seen + row.seen))
        known.counts = {name: known.counts[name] + row.counts[name] for name in COUNTS}
    return sorted(made.values(), key=lambda row: row.fault)


def markdown(rows: Sequence[Row]) -> str:
    """As the docs have it."""
    head = ("fault", "times", "lost", "doubled", "reordered", "torn", "unequal", "seconds: median", "worst", "aim",
            "then", "seen by", "alert where it lasts")  # fmt: skip
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for row in rows:
        name = FAULTS[row.fault] + (f": {row.what}" if row.what else "")
        median, worst = (f"{f(row.seconds):.1f}" if row.seconds else "" for f in (statistics.median, max))
        aim = f"{GOALS[row.goal]:g}{'' if row.in_time else ': missed'}" if row.goal else ""
        zeros = (str(row.counts[c]) for c in COUNTS)
        told = "; ".join(row.seen), ", ".join(f"`{alert}`" for alert in ALERTS.get(row.fault, []))
        lines.append(" | ".join((name, f"{row.times:,}", *zeros, median, worst, aim, row.ended, *told)))
    return "\n".join(f"| {line} |" for line in lines)


def missing(rows: Sequence[Row]) -> list[str]:
    """Faults that must be seen and have no row."""
    seen = {row.fault for row in rows}
    return [name for number, name in FIFTEEN.items() if number not in seen]


def sentence(rows: Sequence[Row]) -> str:
    """The last line."""
    made = [row for row in rows if row.fault != 15]  # the replays are no injections
    n = len({row.fault for row in made}) + any(row.fault == 15 for row in rows)
    total: Mapping[str, int] = {c: sum(row.counts[c] for row in rows) for c in COUNTS}
    found = ", ".join(f"{total[c]} {'doubled' if c == 'duplicated' else c}" for c in COUNTS)
    timed = [(max(row.seconds), FAULTS[row.fault]) for row in made if row.seconds]
    slowest = "; slowest recovery {:.1f} s ({})".format(*max(timed)) if timed else ""
    return f"{n} faults, {sum(row.times for row in made):,} injections: {found}{slowest}"


def main(status: int) -> int:
    """Print the table; the exit status."""
    rows = read()
    DOCUMENT.parent.mkdir(parents=True, exist_ok=True)
    DOCUMENT.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    print(markdown(rows))
    if lacking := missing(rows):
        print(f"no row: {', '.join(lacking)}")
    if status:
        print(f"pytest ended with {status}")
    print(sentence(rows))
    return int(status != 0 or bool(lacking) or not all(row.clean for row in rows))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
