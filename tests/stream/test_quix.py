"""What is changed of Quix Streams' application, held against the version that is installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from structlog.testing import capture_logs

from qflib.broker.clients import Connection
from qflib.broker.data_folder import free_port
from qflib.records.topics import MARKET_RAW
from qflib.stream.quix import Application, PatientAdmin


def test_no_folder_is_made_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The root of a container is read-only, and its working directory is the image's."""
    monkeypatch.chdir(tmp_path)
    told = Application(broker_address="127.0.0.1:1", consumer_group="group", broker_availability_timeout=0)
    with told._state_manager:  # as its run does
        assert list(tmp_path.iterdir()) == []


def test_a_client_that_finds_nobody_is_no_longer_asked(kafka: Connection) -> None:
    """Nor is one that found no controller while the broker was not quite back: it looks for none again."""
    asked = PatientAdmin(kafka.bootstrap)
    asked._inner_admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{free_port()}"})
    with capture_logs() as said:
        told = asked.inspect_topics([MARKET_RAW, "no.such.topic"])
    assert told[MARKET_RAW].num_partitions == 4
    assert told["no.such.topic"] is None
    assert [line["event"] for line in said] == ["waits for the broker"]
    assert isinstance(Application(broker_address=kafka.bootstrap)._topic_manager._admin, PatientAdmin)
