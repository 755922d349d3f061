"""The files a local broker is started with: server.properties and log4j2.properties."""

from __future__ import annotations

from pathlib import Path

from qflib.broker.clients import MAX_BYTES

HOST = "127.0.0.1"

_MB = 1 << 20
#: Settings that need no place or port. The compose file in deploy/ has the same; a test holds them together.
SERVER = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "auto.create.topics.enable": "false",
    # one node keeps one copy of everything
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # a worker is back within seconds
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # so is a broker: a restarted one waits until its former session is over
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "400",
    "num.recovery.threads.per.data.dir": "2",
    # what was not flushed is read again after a kill: at most a segment a partition
    "log.segment.bytes": str(32 * _MB),
    "offsets.topic.segment.bytes": str(16 * _MB),
    "transaction.state.log.segment.bytes": str(16 * _MB),
    "log.index.size.max.bytes": str(_MB),
    # an offset outlives any pause of its stage: an expired one would start it from the beginning
    "offsets.retention.minutes": "2147483647",
    "transactional.id.expiration.ms": "2147483647",
    "log.message.timestamp.type": "LogAppendTime",
    "message.max.bytes": str(MAX_BYTES),
    # bounds in bytes hold to within half a minute of writing
    "log.retention.check.interval.ms": "30000",
    "log.segment.delete.delay.ms": "5000",
    # the cleaner works on the offsets alone; its own 128 MB are for clusters
    "log.cleaner.dedupe.buffer.size": str(8 * _MB),
    # threads beyond the cores of a small machine only hand requests to each other
    "num.network.threads": "1",
    "num.io.threads": "2",
}

_LOG4J = """\
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {folder}/server.log
appender.file.filePattern = {folder}/server.%i.log
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{ISO8601}} %p %m (%c{{1}})%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
logger.config.name = org.apache.kafka.common.config.AbstractConfig
logger.config.level = warn
logger.values.name = kafka.server.KafkaConfig
logger.values.level = warn
logger.cleaner.name = org.apache.kafka.storage.internals.log
logger.cleaner.level = warn
logger.log.name = kafka.log
logger.log.level = warn
logger.controller.name = org.apache.kafka.controller.ReplicationControlManager
logger.controller.level = warn
logger.states.name = state.change.logger
logger.states.level = warn
"""


def server_properties(data: Path, port: int, controller_port: int, patience_s: float) -> str:
    """The file's text.

    Parameters
    ----------
    data
        Where the logs lie.
    port, controller_port
        Where clients and the controller's own are served.
    patience_s
        Until a silent broker loses its partitions, or a killed one may come back.
    """
    settings = SERVER | {
        "broker.session.timeout.ms": str(int(1e3 * patience_s)),
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "log.dirs": str(data),
    }
    return "".join(f"{name}={_escaped(value)}\n" for name, value in settings.items())


def log4j_properties(logs: Path) -> str:
    """The file's text: 10 MB a file, three kept."""
    return _LOG4J.format(folder=_escaped(str(logs)))


def jvm_options(heap: str, *, light: bool) -> list[str]:
    """The JVM's options; light: small, for tests; else for load.

    The first compiler alone: the second takes a third of a core for the first minute and a half of a desk that has two,
    and saves a tenth of one afterwards.
    """
    common = [
        "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true", "-Dfile.encoding=UTF-8",
        "-XX:+ExitOnOutOfMemoryError", "-Xshare:auto",
    ]  # fmt: skip
    if light:
        return ["-Xms128m", "-Xmx384m", *common]
    least = "256m" if heap.endswith("g") or int(heap[:-1]) >= 256 else heap
    return [f"-Xms{least}", f"-Xmx{heap}", *common]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\")
