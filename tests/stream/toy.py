"""A stage whose state depends on the order of its inputs: each output is a hash of all inputs so far.

As a process: ``python toy.py BOOTSTRAP ORDINAL [SECONDS]`` runs a worker; its restore takes so many seconds longer.
"""

from __future__ import annotations

import hashlib
import sys
import time

import numpy as np

from qflib.errors import InputError, QflibError
from qflib.records import TICK, Batch, Partitions
from qflib.records.codec import MAX_BYTES
from qflib.records.topics import ANALYTICS_RESULTS, MARKET_NORMALIZED, ORDERS_INCOMING
from qflib.steps.step import Outbox
from qflib.stream.fold import Fold
from qflib.stream.stages import Stage

PARTITIONS = Partitions.spread(4, [f"k{i}" for i in range(16)])
STAGE = Stage("exchange", (MARKET_NORMALIZED, ORDERS_INCOMING), (ANALYTICS_RESULTS,))
VERSION = "toy-1"


class Toy:
    """Chains a hash over the inputs; time 666 is refused, and the output of 777 is too long to be sent."""

    name = "exchange"

    def __init__(self, partition: int, padding: int = 0) -> None:
        self.hash = b"\0" * 32
        self.padding = np.arange(padding)
        self.out = Outbox(f"toy/{partition}", PARTITIONS)

    def feed(self, batch: Batch) -> list[Batch]:
        time_ns = int(batch.tick.time_ns[0])
        if time_ns == 666:
            raise InputError("666 is refused; send another number")
        said = f"{batch.topic}|{batch.header.source}|{batch.header.seq}|{time_ns}".encode()
        self.hash = hashlib.sha256(self.hash + said).digest()
        rows = MAX_BYTES // 8 if time_ns == 777 else 1
        tick = TICK.make(time_ns=np.frombuffer(self.hash[:8], np.int64).repeat(rows))
        return [self.out.make(ANALYTICS_RESULTS, batch.key, "clock", tick=tick)]

    def state(self) -> dict:
        return {"hash": np.frombuffer(self.hash, np.uint8), "padding": self.padding, **self.out.state()}

    def load(self, state: dict) -> None:
        self.hash, self.padding = state["hash"].tobytes(), state["padding"]
        self.out.load(state)


def fold(partition: int, padding: int = 0) -> Fold:
    return Fold(STAGE, Toy(partition, padding), partition, PARTITIONS)


def main() -> None:
    from qflib.broker.clients import Connection
    from qflib.stream.application import StageApplication
    from qflib.stream.metrics import StageMetrics
    from qflib.stream.schedule import Schedule
    from qflib.stream.waiting import await_topics
    from qflib.stream.worker import run_to_end

    bootstrap, ordinal = sys.argv[1], int(sys.argv[2])
    slow = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    version = sys.argv[4] if len(sys.argv) > 4 else VERSION

    def make(partition: int) -> Fold:
        time.sleep(slow)  # a restore of many seconds
        return fold(partition)

    c = Connection(bootstrap)
    await_topics(c)
    application = StageApplication(
        c, STAGE, make, version, ordinal, StageMetrics("exchange", ordinal),
        schedule=Schedule(every_s=1.0, every_batches=499), transaction_timeout_ms=3_000,
    )  # fmt: skip
    run_to_end(application)


if __name__ == "__main__":
    try:
        main()
    except QflibError as e:
        print(e, file=sys.stderr)
        sys.exit(2)
