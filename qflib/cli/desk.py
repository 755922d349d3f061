"""`qflib desk`: the steps chained in one process on the simulator or a recording, with a live view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qflib.cli.hedgers import hedger_of
from qflib.cli.output import emit

if TYPE_CHECKING:
    import pandas as pd

    from qflib import Desk, Feed
    from qflib.settings import Settings

EXAMPLE = "Example: qflib desk --source sim --seed 7 --for 10min"

_SIMULATED = "10min"


def command(
    source: Annotated[str, typer.Option(help="sim, or a recording's file.")] = "sim",
    venue: Annotated[str | None, typer.Option(help="Whose format the recording has.")] = None,
    seed: Annotated[int | None, typer.Option(help="The simulator's seed; setting desk.seed.")] = None,
    duration: Annotated[
        str | None, typer.Option("--for", help="Market time, as 10min; default: 10min of sim, all of a recording.")
    ] = None,
    no_hedge: Annotated[bool, typer.Option("--no-hedge", help="Measure, never hedge.")] = False,
    rate: Annotated[float | None, typer.Option(help="The simulator's events a market second.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout at the end, no view.")] = False,
) -> None:
    """Run the desk: market data to books, executions, exposures, expected shortfall and hedges."""
    from qflib import settings
    from qflib.cli.durations import nanoseconds
    from qflib.cli.snapshots import snapshot
    from qflib.cli.view import live

    flags = {k: v for k, v in {"seed": seed, "rate": rate}.items() if v is not None}
    _belong(source, venue, list(flags))
    chosen = settings.load(desk=flags or None)
    span_ns = None if duration is None else nanoseconds(duration)  # a wrong one is named before the feed is made
    feed = _feed(source, venue, duration or _SIMULATED, chosen)
    desk = _desk(feed, chosen, hedge=not no_hedge)
    show, stop = live(json)
    try:
        run = desk.run(progress=False if json else lambda now: show(snapshot(now)), until=_until(feed, source, span_ns))
    finally:
        stop()
    figures = run.summary()
    if json:
        emit(figures)
    else:
        print(_summary(figures))


def _belong(source: str, venue: str | None, flags: list[str]) -> None:
    """Refuse flags that would change nothing."""
    from pathlib import Path

    from qflib.errors import DataError, InputError

    if source == "sim":
        if venue is not None:
            raise InputError(f"--venue {venue!r} is the format of a recording, and --source is sim; leave it out")
        return
    if not Path(source).exists():
        raise DataError(f"source {source!r} does not exist; give sim or the path of a recording")
    if flags:
        raise InputError(f"--{flags[0]} is the simulator's, and --source is the file {source!r}; leave it out")
    if venue is None:
        raise InputError(f"source {source!r} is a file, and --venue is missing; say whose format it has")


def _feed(source: str, venue: str | None, duration: str, settings: Settings) -> Feed:
    import qflib as qf

    if source == "sim":
        return qf.datasets.load("sim", seed=settings.desk.seed, duration=duration, rate=settings.desk.rate)
    return qf.read(source, venue or "file")


def _until(feed: Feed, source: str, span_ns: int | None) -> pd.Timestamp | None:
    """Where a recording is left off; the simulator ends by itself."""
    import pandas as pd

    return None if span_ns is None or source == "sim" else feed.start + pd.Timedelta(span_ns, "ns")


def _desk(feed: Feed, settings: Settings, *, hedge: bool) -> Desk:
    import qflib as qf
    from qflib.cli.durations import nanoseconds

    chosen, limits = settings.desk, settings.limits
    bounds = {"max_order_qty": float(limits.order_qty), "price_band": limits.price_band}
    if limits.es is not None:
        bounds["max_es"] = limits.es
    loaded = _loaded(feed)
    scenarios = None
    if feed.history is not None:
        scenarios = qf.scenarios.default(
            feed.history,
            horizon=chosen.horizon,
            n_historical=chosen.n_historical,
            n_simulated=chosen.n_simulated,
            seed=chosen.seed,
        )
    return qf.Desk(
        feed,
        portfolio=None if loaded is None else qf.Portfolio.from_frame(loaded, name="DESK1", currency="USD"),
        hedger=hedger_of(settings) if hedge else None,
        scenarios=scenarios,
        config=qf.DeskConfig(
            period_ns=nanoseconds(chosen.period),
            levels=chosen.levels,
            limits=bounds,
            stale_ns=nanoseconds(limits.stale_market),
            maker_fee=chosen.maker_fee,
            taker_fee=chosen.taker_fee,
            fee_tiers=chosen.fee_tiers,
        ),
    )


def _loaded(feed: Feed) -> pd.DataFrame | None:
    """Loaded positions, where the feed has what they need."""
    from qflib.cli import positions
    from qflib.errors import InputError

    frame, file = positions.loaded(), positions.positions_file()
    if frame is None:
        return None
    mend = "take them out with `qflib positions clear`, or load others"
    positions.check(file, frame, feed.instruments, "the feed", mend)
    if feed.history is None:
        raise InputError(f"positions are loaded ({file}), and the feed has no history to make scenarios from; {mend}")
    return frame


def _summary(r: dict[str, Any]) -> str:
    es, hedge = r["es"], r["hedge"]
    lines = [
        f"{r['events']:,} events of {r['market_seconds']:,.0f} market seconds in {r['seconds']:.1f} s "
        f"({r['events_per_s']:,.0f} a second)"
    ]
    if es["level"] is not None:
        lines += [
            f"hedges: {hedge['orders']:,} orders, {hedge['fills']:,} fills, {hedge['rejects']:,} rejects, "
            f"cost {hedge['cost']:,.2f}",
            f"expected shortfall {es['level']:.1%}, {es['horizon']}, medians: unhedged {es['unhedged_median']:,.0f}, "
            f"current {es['current_median']:,.0f}, target {es['target_median']:,.0f}",
        ]
    return "\n".join([*lines, f"digest {r['digest']}"])
