"""A desk on a Kafka that asks who one is: every process does its work with the rights of the table, and no more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from qflib.broker import jars, topics
from qflib.broker.clients import Connection, admin, producer
from qflib.broker.java import find
from qflib.broker.reading import ends, read
from qflib.errors import BrokerError, DataError
from qflib.records.topics import ANALYTICS_RESULTS, MARKET_RAW, ORDERS_INCOMING, RISK_METRICS
from qflib.settings import Settings
from qflib.stream.rights import Right, commands, grant, rights, users
from qflib.stream.stages import STAGES
from tests.broker.secured import secured
from tests.stream.test_application import wait_for

DEPLOY = Path(__file__).parents[2] / "deploy"
ACLS, USERS = DEPLOY / "kafka" / "acls.sh", DEPLOY / "helm" / "qflib" / "files" / "rights.yaml"
#: What the broker itself has no need of.
TOOLS = jars.Jar(
    "org.apache.kafka:kafka-tools:4.1.1", 615926, "8a6939f310a61119cedaffc144119e9b2a374e32a7ec18f78e49ce5aeb71d6b0"
)


def test_the_file_of_rights_is_that_of_the_code() -> None:
    assert ACLS.read_text() == commands(), "write it anew: qflib broker rights > deploy/kafka/acls.sh"
    writers = {t: {r.process for r in rights() if (r.kind, r.name, r.operation) == ("topic", t, "Write")}
               for t in (ORDERS_INCOMING, RISK_METRICS)}  # fmt: skip
    sends = {s.name for s in STAGES.values() if ORDERS_INCOMING in s.outputs}
    assert writers == {ORDERS_INCOMING: {*sends, "api", "opening", "desk"}, RISK_METRICS: {"portfolio"}}


def test_the_charts_users_have_the_rights_of_the_code() -> None:
    assert USERS.read_text() == users(), (
        "write it anew: qflib broker rights --strimzi > deploy/helm/qflib/files/rights.yaml"
    )
    told = [
        Right(process, {"transactionalId": "transactional_id"}.get(r["type"], r["type"]), r["name"], o,
              r["patternType"] == "prefix")
        for process, acls in yaml.safe_load(USERS.read_text()).items() for a in acls for r in [a["resource"]]
        for o in a["operations"]
    ]  # fmt: skip
    assert sorted(told) == list(rights())


def refused(c: Connection, topic: str) -> KafkaError:
    """What the broker says to a record."""
    said: list[KafkaError] = []
    client = producer(c, client_id="test", overrides={"message.timeout.ms": 10_000})
    client.produce(topic, b"x", b"x", on_delivery=lambda e, _: said.append(e))
    client.flush(20)
    return said[0]


def by_kafkas_own_tool(c: Connection, folder: Path) -> None:
    """Run the file of rights as it is, with what Kafka's kafka-acls.sh starts."""
    cache = jars.cache_folder(None)
    own = [*jars.fetch(cache, Settings().broker.repository, progress=False)]
    own += jars.fetch(cache, Settings().broker.repository, [TOOLS], progress=False)
    tool, config = folder / "bin" / "kafka-acls.sh", folder / "admin.properties"
    tool.parent.mkdir()
    java = f"{find().executable} -XX:TieredStopAtLevel=1 -cp {':'.join(map(str, own))}"
    tool.write_text(f'#!/bin/sh\nexec {java} org.apache.kafka.tools.AclCommand "$@"\n')
    tool.chmod(0o755)
    config.write_text("security.protocol=PLAINTEXT\n")
    told = {"PATH": f"{tool.parent}:{os.environ['PATH']}", "BOOTSTRAP": c.bootstrap, "CONFIG": str(config)}
    done = subprocess.run(["sh", ACLS], env=os.environ | told, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def lists(c: Connection) -> set[tuple[str, ...]]:
    """Every right the cluster knows of."""
    anything = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    found = admin(c, client_id="test").describe_acls(anything).result(30)
    return {(a.principal, a.restype.name, a.name, a.resource_pattern_type.name, a.operation.name, a.host,
             a.permission_type.name) for a in found}  # fmt: skip


@pytest.mark.faults
def test_a_desk_with_the_least_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with secured(tmp_path / "kafka", monkeypatch) as broker:
        topics.create(broker.administered, 2)
        by_kafkas_own_tool(broker.administered, tmp_path)
        given = lists(broker.administered)
        assert grant(broker.administered) == len(rights()) == len(given)
        assert lists(broker.administered) == given
        options = json.dumps(broker.settings.options)
        environment = os.environ | {"QFLIB_STATE": str(tmp_path / "runs"), "QFLIB_BROKER__OPTIONS": options}
        environment |= {"QFLIB_BROKER__BOOTSTRAP": str(broker.settings.bootstrap), "QFLIB_STREAM__METRICS_PORT": "0"}

        flags = ("--source", "sim", "--rate", "500", "--steps", "none", "--no-faces", "--json")
        asked = [sys.executable, "-m", "qflib.cli.main", "up", *flags]
        up = subprocess.Popen(asked, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        places = [(RISK_METRICS, p) for p in range(2)]
        wait_for(lambda: up.poll() is not None or sum(ends(broker.administered, places).values()) > 20, 200)
        up.send_signal(signal.SIGINT)
        out, err = up.communicate(timeout=120)
        assert up.returncode == 0, out + err + "\n".join(broker.denied[:20])
        told = json.loads(out)
        audit = [sys.executable, "-m", "qflib.cli.main", "audit", "--replay", "--json"]
        found = subprocess.run(audit, env=environment, capture_output=True, text=True, timeout=200, check=False)
        assert json.loads(found.stdout)["ok"], found.stdout + found.stderr
        assert not any(s["dead_letters"] for s in told["stages"].values())
        assert broker.denied == []
        logs = "".join(f.read_text() for f in (tmp_path / "runs" / "up" / "logs").iterdir())
        assert "-secret" not in out + err + logs

        # and no more
        exchange = broker.of("exchange")
        assert refused(exchange, ORDERS_INCOMING).code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
        assert refused(broker.of("stranger"), MARKET_RAW).code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
        assert ends(broker.of("portfolio"), [(ANALYTICS_RESULTS, 0)])
        with pytest.raises((BrokerError, DataError)):
            next(iter(read(exchange, MARKET_RAW, 0, 0, patience_s=5.0)))
        wrong = Connection(exchange.bootstrap, tuple((dict(exchange.options) | {"sasl.password": "x"}).items()))
        with pytest.raises(BrokerError, match="mend address or options"):
            ends(wrong, [(ANALYTICS_RESULTS, 0)], timeout_s=5.0)
        client = producer(broker.of("stranger"), client_id="t", transactional_id="qflib.exchange.0")
        with pytest.raises(KafkaException, match=r"(?i)authoriz"):
            client.init_transactions(10)

        # by certificate, as in the chart's own cluster, the same
        settings = broker.certificate("exchange")
        exchange = Connection.of(settings, "exchange") or exchange
        assert ends(exchange, [(ANALYTICS_RESULTS, 0)])
        assert refused(exchange, ORDERS_INCOMING).code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
        nameless = settings.model_copy(update={"options": {k: v for k, v in settings.options.items() if "key" not in k
                                                           and "certificate" not in k}})  # fmt: skip
        with pytest.raises(BrokerError):
            ends(Connection.at(broker.certified, nameless), [(ANALYTICS_RESULTS, 0)], timeout_s=5.0)
