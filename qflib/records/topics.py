"""The names of the topics."""

from __future__ import annotations

MARKET_RAW = "market.data.raw"
MARKET_NORMALIZED = "market.data.normalized"
ORDERS_INCOMING = "orders.incoming"
ORDERS_EXECUTED = "orders.executed"
RISK_METRICS = "risk.metrics"
ANALYTICS_RESULTS = "analytics.results"
EXCHANGE_MARKS = "exchange.marks"  # internal
RISK_EXPOSURES = "risk.exposures"  # internal

PUBLIC_TOPICS = (MARKET_RAW, MARKET_NORMALIZED, ORDERS_INCOMING, ORDERS_EXECUTED, RISK_METRICS, ANALYTICS_RESULTS)
TOPICS = (*PUBLIC_TOPICS, EXCHANGE_MARKS, RISK_EXPOSURES)


def dead_letters(topic: str) -> str:
    """The topic of a topic's dead letters; one of dead letters is its own."""
    return topic if topic.endswith(".dead") else f"{topic}.dead"


def journal(stage: str) -> str:
    """The topic in which a stage notes the order of its inputs."""
    return f"{stage}.journal"


def snapshots(stage: str) -> str:
    """The topic of a stage's states."""
    return f"{stage}.snapshots"
