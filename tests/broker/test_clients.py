"""The clients' settings: librdkafka takes them, secrets stay out of sight, the compose file agrees."""

import json
from pathlib import Path

import pytest
from confluent_kafka import Consumer
from typer.testing import CliRunner

from qflib import settings
from qflib.broker.clients import MAX_BYTES, Connection, admin, consumer_config, producer, producer_config
from qflib.broker.local import LocalBroker
from qflib.broker.server import SERVER, jvm_options
from qflib.cli.main import app
from qflib.errors import SettingsError

NOBODY = Connection("127.0.0.1:1", (("log_level", "0"),))


def test_librdkafka_takes_them() -> None:
    producer(NOBODY, client_id="a")
    producer(NOBODY, client_id="a", transactional_id="b")
    admin(NOBODY)
    Consumer(consumer_config(NOBODY, group="g", instance="g.0")).close()


def test_what_must_not_change() -> None:
    made = producer_config(NOBODY, client_id="a", transactional_id="b", transaction_timeout_ms=5_000)
    assert (made["partitioner"], made["acks"], made["enable.idempotence"]) == ("murmur2", "all", True)
    assert (made["transactional.id"], made["transaction.timeout.ms"]) == ("b", 5_000)
    assert made["message.max.bytes"] == MAX_BYTES
    read = consumer_config(NOBODY, group="g", instance="g.0")
    assert (read["isolation.level"], read["enable.auto.commit"]) == ("read_committed", False)
    assert read["group.instance.id"] == "g.0"
    assert read["receive.message.max.bytes"] > read["fetch.max.bytes"] > MAX_BYTES
    for config in (made, read):
        assert config["reconnect.backoff.max.ms"] == config["retry.backoff.max.ms"] == 300
        assert config["log_level"] == "0"  # passed through


def test_options_pass_through_unseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "qflib.toml"
    file.write_text(
        '[broker]\nbootstrap = "desk:9093"\n[broker.options]\nsecurity.protocol = "SASL_SSL"\n'
        '"sasl.password" = "hush"\nsasl.username = "me"\nsocket.timeout.ms = 5000\n'
        "enable.ssl.certificate.verification = true\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("QFLIB_SETTINGS", str(file))
    loaded = settings.load()
    made = Connection.of(loaded.broker)
    assert made is not None
    assert dict(made.options) == {
        "security.protocol": "SASL_SSL", "sasl.password": "hush", "sasl.username": "me", "socket.timeout.ms": "5000",
        "enable.ssl.certificate.verification": "true",
    }  # fmt: skip
    assert producer_config(made, client_id="a")["sasl.password"] == "hush"
    assert "hush" not in repr(loaded) + repr(made) + str(made)


def test_how_records_are_packed_is_said_to_producers_alone() -> None:
    told = Connection("desk:9092", (("compression.type", "lz4"), ("linger.ms", "5"), ("partitioner", "random")))
    made, read = producer_config(told, client_id="a"), consumer_config(told, group="g")
    assert (made["compression.type"], made["linger.ms"], made["partitioner"]) == ("lz4", "5", "murmur2")
    assert not {"compression.type", "linger.ms"} & read.keys()


def test_a_wrong_option_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLIB_BROKER__OPTIONS", '["hush"]')
    with pytest.raises(SettingsError) as e:
        settings.load()
    assert "broker.options" in str(e.value)
    assert "hush" not in str(e.value)


@pytest.mark.parametrize("heap", ["1", "0g", "much"])
def test_a_wrong_heap(heap: str) -> None:
    with pytest.raises(SettingsError, match=r"broker\.heap"):
        settings.load(broker={"heap": heap})


def test_a_small_heap_starts_small() -> None:
    assert "-Xms64m" in jvm_options("64m", light=False)
    assert "-Xms256m" in jvm_options("1g", light=False)


def test_the_compose_file_has_the_same_settings() -> None:
    text = (Path(__file__).parents[2] / "deploy" / "compose.yaml").read_text(encoding="utf-8")
    for name, value in SERVER.items():
        assert f'KAFKA_{name.upper().replace(".", "_")}: "{value}"' in text
    from qflib.broker.jars import kafka_version

    assert f"image: apache/kafka:{kafka_version()}\n" in text


def _run(*args: str) -> dict[str, object]:
    done = CliRunner().invoke(app, ["broker", *args, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    return dict(json.loads(done.stdout))


def test_the_command(broker: LocalBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap = broker.connection.bootstrap
    monkeypatch.setenv("QFLIB_BROKER__PARTITIONS", "4")  # as the tests' broker has them
    assert _run("status", "--bootstrap", bootstrap)["cluster"] == broker.status().cluster
    assert _run("start", "--bootstrap", bootstrap)["running"] is True
    monkeypatch.setenv("QFLIB_STATE", str(tmp_path))
    assert _run("status")["running"] is False
    assert _run("stop")["running"] is False
    from qflib.errors import InputError

    with pytest.raises(InputError, match="--fresh would throw away the data of"):
        CliRunner().invoke(app, ["broker", "start", "--fresh", "--bootstrap", bootstrap], catch_exceptions=False)
