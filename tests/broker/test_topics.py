"""The table of topics, on a broker."""

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import ConfigResource, NewTopic, OffsetSpec, ResourceType
from typer.testing import CliRunner

from qflib.broker import topics
from qflib.broker.clients import MAX_BYTES, Connection, admin
from qflib.broker.server import SERVER
from qflib.cli.main import app
from qflib.errors import BrokerError, DataError, InputError
from qflib.records import codec
from qflib.records import topics as names


def test_every_topic_is_in_the_table_once() -> None:
    listed = [spec.name for spec in topics.TOPIC_TABLE]
    assert len(listed) == len(set(listed)) == 8 + 8 + 5 + 7
    assert {*names.TOPICS, *map(names.dead_letters, names.TOPICS)} < set(listed)
    assert {names.journal("exchange"), names.snapshots("portfolio")} < set(listed)
    assert all(spec.key and spec.doc for spec in topics.TOPIC_TABLE)
    kept = {spec.name: spec.retention_ms for spec in topics.TOPIC_TABLE}
    assert kept["exchange.journal"] == kept["exchange.snapshots"] == -1


def test_a_record_fits_everywhere() -> None:
    assert codec.MAX_BYTES < MAX_BYTES == int(SERVER["message.max.bytes"])
    assert all(spec.segment_bytes > MAX_BYTES for spec in topics.TOPIC_TABLE)


def test_created_as_the_table_says(kafka: Connection) -> None:
    topics.create(kafka, 4)  # a second time: nothing changes
    topics.create(kafka, None)  # as they are
    client = admin(kafka)
    there = client.list_topics(timeout=10).topics
    assert {spec.name: len(there[spec.name].partitions) for spec in topics.TOPIC_TABLE} == dict.fromkeys(
        [spec.name for spec in topics.TOPIC_TABLE], 4
    )
    specs = {spec.name: spec for spec in topics.topic_specs(4)}
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in specs]
    for resource, future in client.describe_configs(asked).items():
        found = future.result()
        assert {name: found[name].value for name in specs[resource.name].config} == specs[resource.name].config


def test_every_partition_answers_once_topics_are_made(own_kafka: Connection) -> None:
    """One without its leader yet refuses a producer's first request and takes the next: what is sent again is lost."""
    assert topics.partitions_of(own_kafka) is None
    topics.create(own_kafka, 4)
    client = admin(own_kafka)
    every = {TopicPartition(spec.name, p): OffsetSpec.latest() for spec in topics.TOPIC_TABLE for p in range(4)}
    assert {future.result().offset for future in client.list_offsets(every).values()} == {0}
    assert topics.partitions_of(own_kafka) == 4


def test_another_count_of_partitions_is_refused(kafka: Connection) -> None:
    with pytest.raises(DataError, match=r"has 4 partitions, 3 are set; set QFLIB_BROKER__PARTITIONS to 4"):
        topics.create(kafka, 3)


def test_what_another_cluster_may_have(own_kafka: Connection) -> None:
    with pytest.raises(BrokerError, match=r"creating the topics at .* failed: "):
        topics.create(own_kafka, 1, replication=3)  # more copies than brokers
    client = admin(own_kafka)
    wrong = {"message.timestamp.type": "CreateTime"}
    client.create_topics([NewTopic(names.MARKET_RAW, 2, 1, config=wrong)])[names.MARKET_RAW].result()
    with pytest.raises(DataError, match=r"message\.timestamp\.type=CreateTime, LogAppendTime is needed"):
        topics.create(own_kafka, 2)


def test_a_topic_is_kept_for_longer_and_as_usual_again(own_kafka: Connection) -> None:
    topics.create(own_kafka, 1)

    def kept(*arguments: str) -> dict[str, str]:
        told = CliRunner().invoke(
            app, ["broker", "keep", names.MARKET_RAW, "--bootstrap", own_kafka.bootstrap, *arguments]
        )
        assert told.exit_code == 0, told.exception
        [future] = admin(own_kafka).describe_configs([ConfigResource(ResourceType.TOPIC, names.MARKET_RAW)]).values()
        return {k: future.result()[k].value for k in spec.config}

    spec = topics.topic_specs(1)[0]
    assert kept() == spec.config | {"retention.ms": "-1", "retention.bytes": "-1"}
    assert kept("--for", "3d") == spec.config | {"retention.ms": "259200000", "retention.bytes": "-1"}
    topics.create(own_kafka, 1)  # a start of the desk lets it be
    assert kept("--usual") == spec.config
    with pytest.raises(InputError, match=r"topic 'market\.data' is none of the desk's"):
        topics.keep(own_kafka, "market.data")


def test_nobody_there() -> None:
    with pytest.raises(BrokerError, match=r"creating the topics at 127\.0\.0\.1:1 failed"):
        topics.create(Connection("127.0.0.1:1"), 1, timeout_s=0.5)
    with pytest.raises(BrokerError, match=r"altering orders\.incoming at 127\.0\.0\.1:1 failed"):
        topics.keep(Connection("127.0.0.1:1"), names.ORDERS_INCOMING, timeout_s=0.5)
