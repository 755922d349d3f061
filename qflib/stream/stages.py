"""The table of stages: what each step reads and writes on Kafka."""

from __future__ import annotations

from dataclasses import dataclass

from qflib.records.topics import (
    ANALYTICS_RESULTS,
    EXCHANGE_MARKS,
    MARKET_NORMALIZED,
    MARKET_RAW,
    ORDERS_EXECUTED,
    ORDERS_INCOMING,
    RISK_EXPOSURES,
    RISK_METRICS,
    dead_letters,
    journal,
    snapshots,
)

GROUP_PREFIX = "qflib."
#: The archive's consumer group; what lies below its offsets is stored.
ARCHIVE_GROUP = f"{GROUP_PREFIX}archive"


@dataclass(frozen=True, slots=True)
class Stage:
    """A row: the stage's name, the topics it reads, and those it writes."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def journalled(self) -> bool:
        """Whether the order of its inputs has to be written down; of one input it is the order of offsets."""
        return len(self.inputs) > 1

    @property
    def letters(self) -> tuple[str, ...]:
        """Where its dead letters go: inputs that it cannot use, outputs too long to be sent."""
        return tuple(dict.fromkeys(map(dead_letters, (*self.inputs, *self.outputs))))

    @property
    def topics(self) -> tuple[str, ...]:
        """All it touches: inputs, outputs, letters, its journal and its snapshots."""
        own = (*([journal(self.name)] if self.journalled else []), snapshots(self.name))
        return (*self.inputs, *self.outputs, *self.letters, *own)

    @property
    def group(self) -> str:
        """Its consumer group."""
        return f"{GROUP_PREFIX}{self.name}"

    @property
    def transaction_timeout_ms(self) -> int:
        """After which the broker gives up on a transaction of it: sooner where people's orders wait behind it."""
        return 5_000 if ORDERS_INCOMING in self.outputs else 10_000

    def instance(self, ordinal: int) -> str:
        """A worker's transactional id and group instance id: the same after every restart."""
        return f"{self.group}.{ordinal}"


_NORMALIZE = Stage("normalize", (MARKET_RAW,), (MARKET_NORMALIZED, dead_letters(MARKET_RAW)))
_EXCHANGE = Stage(
    "exchange", (MARKET_NORMALIZED, ORDERS_INCOMING), (ORDERS_EXECUTED, EXCHANGE_MARKS, ANALYTICS_RESULTS)
)
_STRATEGY = Stage("strategy", (MARKET_NORMALIZED, ORDERS_EXECUTED, EXCHANGE_MARKS), (ORDERS_INCOMING,))
# What is promoted reads every event only where it asks for them: decoding them costs as much as normalizing.
_PROMOTED = Stage("promoted", (ORDERS_EXECUTED, EXCHANGE_MARKS), (ANALYTICS_RESULTS, ORDERS_INCOMING))
_PROMOTED_EVENTS = Stage("promoted_events", (MARKET_NORMALIZED, *_PROMOTED.inputs), _PROMOTED.outputs)
_EXPOSURES = Stage("exposures", (ORDERS_EXECUTED, EXCHANGE_MARKS), (RISK_EXPOSURES,))
_PORTFOLIO = Stage("portfolio", (RISK_EXPOSURES,), (RISK_METRICS, ANALYTICS_RESULTS, ORDERS_INCOMING))

#: In the order of the flow. Each also writes dead letters, its journal and its snapshots.
STAGES: dict[str, Stage] = {
    s.name: s for s in (_NORMALIZE, _EXCHANGE, _STRATEGY, _PROMOTED, _PROMOTED_EVENTS, _EXPOSURES, _PORTFOLIO)
}
