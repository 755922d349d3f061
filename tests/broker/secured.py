"""Apache Kafka that asks who one is: SASL over TLS of a private authority, or a certificate; access control lists."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from qflib.broker import local
from qflib.broker.clients import Connection
from qflib.broker.data_folder import free_port
from qflib.settings import BrokerSettings

PROCESSES = ("ingest", "normalize", "exchange", "exposures", "portfolio", "archive", "api", "dash", "desk", "stranger")


class Secured(NamedTuple):
    """The broker: its open door, for who administers it, and secured ones, with the settings to go through the first.

    `certified` is the address of the second, as the chart's cluster has it: it asks for a certificate.
    """

    administered: Connection
    settings: BrokerSettings
    folder: Path
    certified: str
    authority: trustme.CA

    def certificate(self, process: str) -> BrokerSettings:
        """The settings of a pod of the chart, which finds authority, certificate and key as files."""
        made, folder = self.authority.issue_cert("client", common_name=f"qflib-{process}"), self.folder / process
        folder.mkdir()
        self.authority.cert_pem.write_to_path(folder / "ca.crt")
        made.cert_chain_pems[0].write_to_path(folder / "user.crt")
        made.private_key_pem.write_to_path(folder / "user.key")
        places = {"ca": "ca.crt", "certificate": "user.crt", "key": "user.key"}
        options = {f"ssl.{name}.location": str(folder / file) for name, file in places.items()}
        return BrokerSettings(bootstrap=self.certified, options={"security.protocol": "SSL"} | options)

    def of(self, process: str) -> Connection:
        """A process's connection."""
        made = Connection.of(self.settings, process)
        assert made is not None
        return made

    @property
    def denied(self) -> list[str]:
        """What the broker has refused for want of a right."""
        log = (self.folder / "authorizer.log").read_text()
        return [line for line in log.splitlines() if "Denied" in line]


@contextmanager
def secured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secured]:
    folder.mkdir(parents=True, exist_ok=True)
    authority, port = trustme.CA(), free_port()
    certified = free_port(port)
    issued = authority.issue_cert("127.0.0.1")
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # Java reads no other form
    (folder / "broker.pem").write_bytes(pem + b"".join(b.bytes() for b in issued.cert_chain_pems))
    authority.cert_pem.write_to_path(folder / "authority.pem")
    plain, log4j = local.server_properties, local.log4j_properties

    def properties(data: Path, at: int, controller: int, patience_s: float) -> str:
        doors = f"PLAINTEXT://127.0.0.1:{at},SECURED://127.0.0.1:{port},CERTIFIED://127.0.0.1:{certified}"
        users = " ".join(f'user_qflib-{p}="{p}-secret"' for p in PROCESSES)
        login = f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
        more = {
            "listeners": f"CONTROLLER://127.0.0.1:{controller},{doors}",
            "advertised.listeners": doors,
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURED:SASL_SSL,CERTIFIED:SSL",
            "listener.name.certified.ssl.client.auth": "required",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(folder / "authority.pem"),
            "ssl.principal.mapping.rules": "RULE:^CN=([^,]*),.*$/$1/,DEFAULT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.secured.plain.sasl.jaas.config": login,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(folder / "broker.pem"),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        return plain(data, at, controller, patience_s) + "".join(f"{k}={v}\n" for k, v in more.items())

    def logged(logs: Path) -> str:
        return log4j(logs) + (
            "appender.rights.type = File\nappender.rights.name = rights\n"
            f"appender.rights.fileName = {folder / 'authorizer.log'}\n"
            "appender.rights.layout.type = PatternLayout\nappender.rights.layout.pattern = %m%n\n"
            "logger.rights.name = kafka.authorizer.logger\nlogger.rights.level = info\n"
            "logger.rights.appenderRef.rights.ref = rights\n"
        )

    monkeypatch.setattr(local, "server_properties", properties)
    monkeypatch.setattr(local, "log4j_properties", logged)
    broker = local.LocalBroker(folder / "broker", port=free_port(port, certified), light=True)
    broker.start()
    options = {
        "security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "qflib-{process}",
        "sasl.password": "{process}-secret", "ssl.ca.location": str(folder / "authority.pem"),
    }  # fmt: skip
    try:
        settings = BrokerSettings(bootstrap=f"127.0.0.1:{port}", options=options)
        yield Secured(broker.connection, settings, folder, f"127.0.0.1:{certified}", authority)
    finally:
        broker.stop()
