"""`qflib broker start|stop|status|keep|...`: the local Apache Kafka, or an existing cluster made ready."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qflib.cli.output import emit

if TYPE_CHECKING:
    from qflib.broker.clients import Connection
    from qflib.broker.local import LocalBroker, Status
    from qflib.settings import Settings

EXAMPLE = "Example: qflib broker start"
EXAMPLE_STOP = "Example: qflib broker stop"
EXAMPLE_STATUS = "Example: qflib broker status --json"
EXAMPLE_RIGHTS = "Example: qflib broker rights --grant --bootstrap kafka:9093"
EXAMPLE_KEEP = "Example: qflib broker keep market.data.raw --for 3d"
EXAMPLE_CLEAR = "Example: qflib broker clear-journal exchange"
EXAMPLE_PREPARE = "Example: qflib broker prepare"

app = typer.Typer(help="The local Apache Kafka.", no_args_is_help=True, rich_markup_mode=None)

_Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
_Bootstrap = Annotated[str | None, typer.Option(help="An existing cluster, HOST:PORT; SASL and TLS by settings.")]


@app.callback()
def _group() -> None:
    """The local Apache Kafka."""


@app.command("start", epilog=EXAMPLE)
def start(
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw the broker's data away and begin anew.")] = False,
    bootstrap: _Bootstrap = None,
    json: _Json = False,
) -> None:
    """Start the broker where none runs, and create the topics that are missing."""
    from qflib.broker import topics
    from qflib.errors import InputError

    settings = _settings(bootstrap)
    if (cluster := _cluster(settings)) is not None:
        if fresh:
            raise InputError(
                f"--fresh would throw away the data of {cluster.bootstrap}, which is not this command's own; "
                "take out --fresh or --bootstrap"
            )
        topics.create(cluster, settings.broker.partitions, settings.broker.replication)
        _tell_cluster(cluster, json)
        return
    broker = local(settings)
    status = broker.start(fresh=fresh)
    topics.create(broker.connection, settings.broker.partitions)
    _tell(status, json)


@app.command("stop", epilog=EXAMPLE_STOP)
def stop(json: _Json = False) -> None:
    """Stop the broker; its data stays."""
    broker = local(_settings(None))
    broker.stop()
    _tell(broker.status(), json)


@app.command("status", epilog=EXAMPLE_STATUS)
def status(bootstrap: _Bootstrap = None, json: _Json = False) -> None:
    """Say whether the broker runs, where, and what it takes."""
    settings = _settings(bootstrap)
    if (cluster := _cluster(settings)) is not None:
        _tell_cluster(cluster, json)
    else:
        _tell(local(settings).status(), json)


@app.command("prepare", epilog=EXAMPLE_PREPARE)
def prepare() -> None:
    """Fetch Kafka's jars and ready them for a quick start; done once, 10 s and the download."""
    local(_settings(None)).prepare()


@app.command("rights", epilog=EXAMPLE_RIGHTS)
def rights(
    grant: Annotated[bool, typer.Option("--grant", help="Give them on the cluster, as one who may alter it.")] = False,
    prefix: Annotated[str, typer.Option(help="Before a process's name: its principal.")] = "User:qflib-",
    strimzi: Annotated[bool, typer.Option("--strimzi", help="Print the access lists of Strimzi's KafkaUsers.")] = False,
    bootstrap: _Bootstrap = None,
) -> None:
    """Print what each process of a desk may do on Kafka, as a script of Kafka's own tool; or give these rights."""
    from qflib.errors import InputError
    from qflib.stream import rights as given

    if grant and strimzi:
        raise InputError("--strimzi prints what Strimzi's operator gives; take out --grant")
    if not grant:
        print(given.users() if strimzi else given.commands(), end="")
        return
    if (cluster := _cluster(_settings(bootstrap))) is None:
        raise InputError("--grant is for a cluster that asks who one is; name it by --bootstrap HOST:PORT")
    print(f"{given.grant(cluster, prefix)} rights given on {cluster.bootstrap} to {prefix}PROCESS")


@app.command("keep", epilog=EXAMPLE_KEEP)
def keep(
    topic: Annotated[str, typer.Argument(help="As docs/stream.md has them.")],
    span: Annotated[str | None, typer.Option("--for", help="As 3d, whatever the bytes; default: without end.")] = None,
    usual: Annotated[bool, typer.Option("--usual", help="As long, and as many bytes, as it is used to.")] = False,
    bootstrap: _Bootstrap = None,
) -> None:
    """Have a topic kept for longer, at once and over restarts, until told otherwise."""
    from qflib.broker import topics
    from qflib.cli.durations import seconds
    from qflib.errors import InputError

    if usual and span is not None:
        raise InputError(f"--usual and --for {span} contradict each other; give one")
    settings = _settings(bootstrap)
    c = _cluster(settings) or local(settings).connection
    topics.keep(c, topic, None if span is None else round(seconds(span) * 1e3), usual=usual)
    how = "as usual" if usual else "without end" if span is None else f"for {span}"
    print(f"{topic} at {c.bootstrap} is kept {how}")


@app.command("clear-journal", epilog=EXAMPLE_CLEAR)
def clear_journal(
    stage: Annotated[str, typer.Argument(help="exchange, strategy, promoted, promoted_events or exposures.")],
    bootstrap: _Bootstrap = None,
) -> None:
    """Delete the journal of a stage that was stopped gracefully, where something else has written in it."""
    from qflib.broker import topics
    from qflib.errors import DataError, InputError
    from qflib.stream.clearing import clear_journal
    from qflib.stream.folder import DeskFolder

    settings = _settings(bootstrap)
    if DeskFolder(folder(settings).parent).running() is not None:
        raise InputError(f"a desk runs in {folder(settings).parent}; end it first, by Ctrl-C")
    c = _cluster(settings) or local(settings).connection
    if (count := topics.partitions_of(c)) is None:
        raise DataError(f"the cluster at {c.bootstrap} has no topics of a desk; there is nothing to delete")
    print(f"{clear_journal(c, stage, count):,} offsets of {stage}.journal deleted")


def local(settings: Settings) -> LocalBroker:
    """The local broker of the state folder."""
    from qflib.broker.local import LocalBroker

    return LocalBroker.of(settings.broker, folder(settings))


def folder(settings: Settings) -> Path:
    """Where the local broker keeps its data."""
    return settings.state / "up" / "broker"


def _settings(bootstrap: str | None) -> Settings:
    from qflib import settings

    return settings.load(broker={"bootstrap": bootstrap} if bootstrap else None)


def _cluster(settings: Settings) -> Connection | None:
    from qflib.broker.clients import Connection

    return Connection.of(settings.broker)


def _tell(status: Status, json: bool) -> None:
    if json:
        emit(asdict(status))
    elif not status.running:
        print(f"no broker runs in {status.folder}; `qflib broker start` starts one")
    else:
        since = f"ready in {status.started_in_s:.1f} s" if status.started_in_s else f"up {status.uptime_s or 0:,.0f} s"
        print(
            f"Apache Kafka {status.version} at {status.bootstrap}: process {status.pid}, "
            f"{(status.memory_bytes or 0) / 1e6:.0f} MB, {since}, data in {status.folder}"
        )


def _tell_cluster(cluster: Connection, json: bool) -> None:
    from qflib.broker.reading import cluster_id

    found: dict[str, Any] = {"running": True, "bootstrap": cluster.bootstrap, "cluster": cluster_id(cluster)}
    if json:
        emit(found)
    else:
        print(f"cluster {found['cluster']} at {cluster.bootstrap}")
