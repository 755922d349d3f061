"""`qflib up`: the desk on Kafka, all of it, with a live view; ends clean."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from qflib.cli.output import emit, is_read
from qflib.errors import InputError

if TYPE_CHECKING:
    from qflib.cli.faces import Faces
    from qflib.cli.view import Snapshot
    from qflib.settings import Settings
    from qflib.stream.monitor.monitor import Monitor
    from qflib.stream.nursery import Nursery
    from qflib.stream.running import RunningDesk

EXAMPLE = "Example: qflib up --source sim --rate 100000 --for 60s"

_SHOWN_S = 0.25
_STOP_S = 5.0
_DRAIN_S = 60.0  # after the sources have ended
_OWN = 0o077  # what a desk keeps is for its user alone


class _Asked(BaseException):
    """Ctrl-C or SIGTERM."""


def command(
    context: typer.Context,
    source: Annotated[
        str, typer.Option(help="sim, replay, or a live venue: kraken, binance, binance_futures, coinbase, deribit.")
    ] = "sim",
    file: Annotated[Path | None, typer.Option(help="The recording to replay.")] = None,
    venue: Annotated[str | None, typer.Option(help="Whose format the recording has.")] = None,
    speed: Annotated[
        str | None, typer.Option(help="Market seconds a second, or max; default: 1 of sim, max of a recording.")
    ] = None,
    burst: Annotated[
        str | None, typer.Option(help="10x30s@60s: ten times the speed for 30 s after 60 s, to see what a desk bears.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="The simulator's events a market second.")] = None,
    workers: Annotated[list[str] | None, typer.Option(help="STAGE=N, as exchange=2; may be given again.")] = None,
    duration: Annotated[str | None, typer.Option("--for", help="Wall time, as 60s; default: until Ctrl-C.")] = None,
    until_drained: Annotated[
        bool, typer.Option("--until-drained", help="End when the recording is over and all of it is through.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw away what is kept of former runs.")] = False,
    signals: Annotated[Path | None, typer.Option(help="A file of trading signals for the strategy to follow.")] = None,
    strategy: Annotated[
        bool, typer.Option("--strategy", help="Follow the API's trading signals; --signals does so too.")
    ] = False,
    steps: Annotated[
        list[str] | None, typer.Option(help="A promoted step to take along; default: all, none: none of them.")
    ] = None,
    live_steps: Annotated[
        list[str] | None, typer.Option("--live", help="A strategy whose orders go to the exchange; needs an admin key.")
    ] = None,
    no_hedge: Annotated[bool, typer.Option("--no-hedge", help="Measure, never hedge.")] = False,
    seed: Annotated[int | None, typer.Option(help="The simulator's seed; setting desk.seed.")] = None,
    bootstrap: Annotated[str | None, typer.Option(help="An existing cluster: host:9092.")] = None,
    instrument_file: Annotated[Path | None, typer.Option(help="Instrument table (TOML), or the venue's own.")] = None,
    symbol: Annotated[list[str] | None, typer.Option(help="A live venue's own; may be given again.")] = None,
    url: Annotated[str | None, typer.Option(help="A live venue's websocket, where it is another.")] = None,
    rest: Annotated[str | None, typer.Option(help="A live venue's REST address, where it is another.")] = None,
    delivery: Annotated[
        Literal["exactly-once", "at-least-once"] | None, typer.Option(help="Setting stream.delivery.")
    ] = None,
    store: Annotated[
        Literal["delta", "postgres"] | None,
        typer.Option(help="Where a new desk's history is kept; setting store.kind."),
    ] = None,
    with_faces: Annotated[
        bool | None,
        typer.Option("--faces/--no-faces", help="API and dashboard too; default: where no end is told and no --json."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout at the end, no view.")] = False,
) -> None:
    """Run the desk on Kafka: broker, ingest, every stage, archive, API and dashboard; Ctrl-C ends it clean."""
    from qflib.stream.nursery import Nursery

    before = os.umask(_OWN)  # of its processes too, and so before the first of them
    context.call_on_close(lambda: os.umask(before))
    nursery = Nursery()
    nursery.begin()  # it imports beside this process's own imports

    from qflib import settings
    from qflib.cli.deploying import Wanted
    from qflib.cli.durations import seconds
    from qflib.cli.faces import Faces
    from qflib.cli.snapshots import snapshot
    from qflib.cli.view import live
    from qflib.stream.metrics import LogEvents, serve
    from qflib.stream.monitor.monitor import Monitor

    wanted = Wanted(
        source,
        file,
        venue,
        speed,
        rate,
        seed,
        instrument_file,
        tuple(symbol or ()),
        url,
        not no_hedge,
        signals,
        strategy,
        rest,
        None if steps is None else tuple(s for s in steps if s != "none"),
        tuple(live_steps or ()),
        burst,
    )
    wanted.check()
    span = None if duration is None else seconds(duration)
    if until_drained and source not in ("sim", "replay"):
        raise InputError(f"--until-drained waits for the source's end, and {source} has none; give --for")
    if until_drained and source == "sim" and span is None:
        raise InputError("--until-drained waits for the source's end, and sim has none; give --for")
    chosen = settings.load(
        desk=_given(seed=seed, rate=rate),
        broker=_given(bootstrap=bootstrap),
        stream=_given(delivery=delivery),
        store=_given(kind=store),
    )
    if with_faces is None:
        with_faces = span is None and not until_drained and not json
    with _signals() as ignore:
        faces = Faces(chosen) if with_faces else None
        desk = _desk(wanted, chosen, _counts(workers or []), fresh=fresh, faces=faces, nursery=nursery)
        if fresh and desk.folder.deployment.exists():
            print(f"throwing away what former runs left in {desk.folder.path}", file=sys.stderr)
        result: dict[str, Any] | None = None
        budget: list[float] = []  # until when an interrupted desk has to be gone
        try:
            desk.start()
            way_in: Snapshot = (
                {} if faces is None else {"address": f"dashboard {faces.open(desk.folder.path, shown=is_read(json))}"}
            )
            if not (fresh or until_drained):  # what is left of a market that is over can be worked off
                desk.check_sources()
            LogEvents()
            # the desk goes on without its monitor, and what is served would lie: who scrapes it is not answered then
            lost = serve(desk.ports.take(("up", 0)), address=chosen.stream.metrics_host)
            folder = desk.folder.path
            monitor = Monitor(desk.connection, desk.desk, desk.processes, whole=desk.new, folder=folder, lost=lost)
            monitor.start()
            desk.tell(**({} if faces is None else faces.addresses))
            _say(desk, faces, way_in, json)
            show, stop_view = live(json)
            begun = time.monotonic()
            try:
                _run(desk, lambda: show(snapshot(monitor.progressed()) | way_in), span, until_drained)
                result = _ended(desk, monitor, begun)
            except _Asked:
                budget.append(time.monotonic() + _STOP_S)
                monitor.look()
                result = _figures(desk, monitor, desk.stop_stages(0.6 * _STOP_S), begun, 0.1 * _STOP_S)
            finally:
                stop_view()
        except _Asked:  # before there was anything to tell
            pass
        finally:
            ignore()
            desk.stop(max(0.5, budget[0] - time.monotonic()) if budget else _STOP_S)
    if result is not None:
        _report(result, json)
        if result["drained"] and not json:
            print("its sources have ended; the next run begins anew, with --fresh")
    audited = None if result is None else result["audit"]
    if audited is None and (span is not None or until_drained):
        raise typer.Exit(130)
    if audited is not None and not (audited["ok"] and result and result["drained"]):
        raise typer.Exit(1)


def _desk(
    wanted: Any, chosen: Settings, workers: dict[str, int], *, fresh: bool, faces: Faces | None, nursery: Nursery
) -> RunningDesk:
    from qflib.cli import deploying
    from qflib.history.opening import check_reachable
    from qflib.stream.folder import DeskFolder
    from qflib.stream.opening import booking_ids, opening
    from qflib.stream.running import RunningDesk

    folder, store = DeskFolder(chosen.state / "up"), chosen.store
    if fresh:
        check_reachable(store.kind, store.dsn, store.namespace, store.url)
    kept = None if fresh else folder.kept()
    market = deploying.with_loaded(deploying.market(wanted, chosen, kept))
    made = deploying.deployment(wanted, chosen, market, deploying.partitions(chosen, kept, workers), kept)

    def batches() -> list[Any]:
        return opening(made, market.positions, deploying.scenario_set(market, chosen))

    if not fresh and made.risk:
        from qflib.desk.opening import bookings

        assert market.positions is not None
        folder.check_bookings(booking_ids(bookings(made.instruments, made.portfolio, market.positions)))
    return RunningDesk(made, folder, chosen, batches, workers, fresh, () if faces is None else faces.processes, nursery)


def _run(desk: RunningDesk, show: Callable[[], None], span: float | None, until_drained: bool) -> None:
    """Run to the end that was asked for, and until all of it went through every stage."""
    shown = 0.0

    def view() -> None:
        nonlocal shown
        if time.monotonic() - shown >= _SHOWN_S:
            shown = time.monotonic()
            show()

    def over() -> bool:
        return desk.supervisor.ended("ingest") and (until_drained or span is not None)

    if not desk.wait(over, float("inf") if span is None else span, view):
        desk.end_sources()
    # what a recording holds takes the time it takes; after a span of time it should soon be through
    if not desk.wait_drained(float("inf") if span is None else _DRAIN_S, view):
        behind = ", ".join(f"{group} by {lag:,} records" for group, lag in desk.lag().items() if lag)
        print(f"qflib: not all was worked off within {_DRAIN_S:g} s: {behind or 'ingest'}", file=sys.stderr)
    show()


def _ended(desk: RunningDesk, monitor: Monitor, begun: float) -> dict[str, Any]:
    """Stop the stages, and see whether what they left is right, while the broker still runs."""
    drained = not any(desk.lag().values())
    monitor.look()
    result = _figures(desk, monitor, desk.stop_stages(), begun)
    return result | {"drained": drained} | _judged(desk)


def _judged(desk: RunningDesk) -> dict[str, Any]:
    """The audit, and the books' digest; where it cannot be done, why, and the run's figures are told all the same."""
    from qflib.cli.audit import audit_bar
    from qflib.errors import QflibError
    from qflib.history.opening import desk_history
    from qflib.stream.audit import audit, final_books
    from qflib.stream.audit.report import parts_of

    try:
        with audit_bar(parts_of(desk.desk, replay=False)) as told:
            history = desk_history(desk.folder.history, desk.settings.store)
            found = audit(desk.connection, desk.desk, history=history, told=told).document
        return {"digest": final_books(desk.connection, desk.desk), "audit": found}
    except QflibError as e:
        print(f"qflib: the audit could not be done: {e}", file=sys.stderr)
        return {"audit": {"ok": False, "topics": {}, "findings": [], "failed": str(e)}}


def _figures(
    desk: RunningDesk, monitor: Monitor, killed: list[str], begun: float, patience_s: float | None = None
) -> dict[str, Any]:
    stopping = Thread(target=monitor.stop, name="monitor-stop", daemon=True)  # it reads what is left, which may be much
    stopping.start()
    stopping.join(patience_s)
    status = desk.broker.first
    broker = {
        "version": None if status is None else status.version,
        "memory_mb": desk.broker.peak_memory / 2**20,
        "start_s": None if status is None else status.started_in_s,
    }
    own = {"seconds": time.monotonic() - begun, "delivery": desk.settings.stream.delivery, "broker": broker}
    return monitor.figures() | own | {"killed": killed, "drained": False, "digest": None, "audit": None}


@contextmanager
def _signals() -> Iterator[Callable[[], None]]:
    """Ctrl-C and SIGTERM interrupt the block once; what is yielded makes them do nothing any more."""
    numbers = (signal.SIGINT, signal.SIGTERM)

    def ignore() -> None:
        for n in numbers:
            signal.signal(n, signal.SIG_IGN)

    def asked(*_: object) -> None:
        ignore()  # the stop that follows is not interrupted half-way
        raise _Asked

    before = {n: signal.signal(n, asked) for n in numbers}

    try:
        yield ignore
    except _Asked:  # before there was anything to stop
        raise KeyboardInterrupt from None
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)


def _given(**flags: Any) -> dict[str, Any] | None:
    return {k: v for k, v in flags.items() if v is not None} or None


def _counts(told: list[str]) -> dict[str, int]:
    made = {}
    for text in told:
        stage, _, n = text.partition("=")
        if not n.isdigit() or not stage:
            raise InputError(f"--workers {text!r} is no STAGE=N; write exchange=2")
        made[stage] = int(n)
    return made


def _say(desk: RunningDesk, faces: Faces | None, way_in: Snapshot, json: bool) -> None:
    """Where everything is."""
    from qflib.history.opening import desk_history

    history = desk_history(desk.folder.history, desk.settings.store)
    out = sys.stderr if json else sys.stdout
    version = "broker" if desk.broker.first is None else f"Apache Kafka {desk.broker.first.version}"
    print(f"{version} at {desk.connection.bootstrap}, topics in {desk.desk.partitions} partitions", file=out)
    print("metrics  " + "  ".join(f"{name} :{port}" for name, port in desk.metrics.items()), file=out)
    print(f"logs     {desk.folder.logs}\nhistory  {history.name}", file=out, flush=True)
    if faces is not None:
        print(f"API      {faces.api_url}  documented at {faces.api_url}/schema\nkey      {faces.key}", file=out)
        print(way_in["address"], file=out, flush=True)


def _report(figures: dict[str, Any], json: bool) -> None:
    if json:
        emit(figures)
        return
    from qflib.cli.up_summary import summary

    print(summary(figures))
