"""From `qflib up`'s flags and settings to the desk that is run, and what it opens with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qflib.cli.durations import seconds
from qflib.cli.hedgers import hedger_of
from qflib.errors import DataError, InputError

if TYPE_CHECKING:
    import pandas as pd

    from qflib.desk.deployment import Deployment
    from qflib.desk.taken_along import TakenAlong
    from qflib.records import Instruments
    from qflib.settings import Settings
    from qflib.shortfall import ScenarioSet

_ANSWER_S = 8.0  # of a cluster that is named
PORTFOLIO = "DESK1"
#: The simulated desk's limit of ES, 97.5 % over a day: its opening positions have some 90,000 before they are hedged.
SIM_ES = 125_000.0
#: Workers of a stage that `--workers` makes partitions for; more need the setting.
MOST_WORKERS = 16


@dataclass(frozen=True)
class Wanted:
    """What the flags ask for.

    Parameters
    ----------
    source
        "sim", "replay" or a live venue.
    file, venue
        A recording and whose format it has.
    speed
        Market seconds a wall second, or "max"; None: 1 of the simulator, "max" of a recording.
    instrument_file
        TOML, or the venue's own definitions.
    symbols, url, rest
        The venue's own, of a live one without an instrument file; and its websocket and REST, where they are others.
    hedge
        Whether to hedge.
    signals
        A file of trading signals, for the strategy to follow.
    strategy
        Whether a strategy follows signals, the API's among them, also without a file.
    steps
        Promoted steps that run along; None: all of the project.
    live
        Those of them whose orders go to the exchange.
    burst
        "10x30s@60s": ten times the speed for 30 s of the wall, from the 60th on (where no @ is, from the first).
    """

    source: str
    file: Path | None = None
    venue: str | None = None
    speed: str | None = None
    rate: float | None = None
    seed: int | None = None
    instrument_file: Path | None = None
    symbols: tuple[str, ...] = ()
    url: str | None = None
    hedge: bool = True
    signals: Path | None = None
    strategy: bool = False
    rest: str | None = None
    steps: tuple[str, ...] | None = None
    live: tuple[str, ...] = ()
    burst: str | None = None

    def check(self) -> None:
        """Refuse what does not exist, and flags that would change nothing.

        Raises
        ------
        InputError
            If a flag is wrong, missing, or another source's.
        """
        live = live_venues()
        if self.source not in ("sim", "replay", *live):
            raise InputError(f"--source {self.source!r} is unknown; expected sim, replay or {', '.join(live)}")
        theirs = {
            "--file": (self.file, ("replay",)),
            "--venue": (self.venue, ("replay",)),
            "--speed": (self.speed, ("sim", "replay")),
            "--burst": (self.burst, ("sim", "replay")),
            "--signals": (self.signals, ("sim", "replay")),
            "--rate": (self.rate, ("sim",)),
            "--seed": (self.seed, ("sim",)),
            "--instrument-file": (self.instrument_file, ("replay", *live)),
            "--symbol": (self.symbols or None, tuple(live)),
            "--url": (self.url, tuple(live)),
            "--rest": (self.rest, tuple(live)),
        }
        for flag, (value, sources) in theirs.items():
            if value is not None and self.source not in sources:
                raise InputError(f"{flag} is of --source {' or '.join(sources)}, not of {self.source}; leave it out")
        if self.source == "replay" and (self.file is None or self.venue is None):
            missing = "--file, the recording" if self.file is None else "--venue, whose format the file has"
            raise InputError(f"--source replay needs {missing}")
        self.pace()
        self.burst_of_feed()

    def burst_of_feed(self) -> dict[str, Any]:
        """The burst, as the feed's settings have it: factor, seconds of the wall, and seconds before it."""
        if self.burst is None:
            return {}
        m = re.fullmatch(r"(\d+(?:\.\d+)?)x([^@]+)(?:@(.+))?", self.burst.strip())
        if m is None or not float(m[1]) > 0:
            raise InputError(
                f"--burst {self.burst!r} is none; write 10x30s@60s: ten times the speed for 30 s after 60 s"
            )
        if self.pace() == "max":
            raise InputError("--burst needs a pace, and --speed is max; give a number of market seconds a second")
        return {"burst": [float(m[1]), seconds(m[2]), seconds(m[3]) if m[3] else 0.0]}

    def pace(self) -> float | str:
        """Market seconds a wall second, or "max"."""
        if self.speed is None:
            return "max" if self.source == "replay" else 1.0
        if self.speed == "max":
            return "max"
        try:
            pace = float(self.speed)
        except ValueError:
            pace = 0.0
        if not 0 < pace < float("inf"):
            raise InputError(f"--speed {self.speed!r} is no pace; give a positive number, or max")
        return pace


@dataclass(frozen=True)
class Market:
    """What a source tells before it starts."""

    instruments: Instruments
    history: pd.DataFrame | None = None
    positions: pd.DataFrame | None = None


def market(wanted: Wanted, settings: Settings, kept: Deployment | None = None) -> Market:
    """The source's instruments, and the history and positions it comes with.

    A live venue is asked for its instruments once: a desk that goes on has them.

    Raises
    ------
    QflibError
        If the recording or the instrument table cannot be read, or the venue not be reached.
    """
    import qflib as qf

    if wanted.source == "sim":
        from qflib.desk.sim_feed import SimFeed
        from qflib.market.simulator import SimulatedMarket

        feed: qf.Feed = SimFeed(SimulatedMarket(seed=settings.desk.seed, rate=settings.desk.rate))
        return Market(feed.instruments, feed.history, feed.positions)
    told = _table(wanted, settings)
    if wanted.source == "replay":
        feed = qf.read(wanted.file or "", wanted.venue or "", told)
        return Market(feed.instruments, feed.history, feed.positions)
    if told is not None:
        from qflib.desk.read import table_from

        table = table_from(told, wanted.source)
        if table is None:
            raise DataError(f"{wanted.instrument_file} tells no instruments; give a TOML instrument table")
        return Market(table)
    if kept is not None and kept.source == wanted.source and not wanted.symbols:
        return Market(kept.instruments)
    from qflib.venues.discovery import instruments
    from qflib.venues.table import venue

    symbols = wanted.symbols or venue(wanted.source).live().usual
    return Market(instruments(wanted.source, symbols, url=wanted.url, rest=wanted.rest))


def _table(wanted: Wanted, settings: Settings) -> Instruments | Path | None:
    """The flag's table; else, where no symbols are asked for, the venue's rows of the setting's, if it has any."""
    from qflib.records import Instruments

    if wanted.instrument_file is not None or wanted.symbols or settings.instruments is None:
        return wanted.instrument_file
    venue = wanted.venue if wanted.source == "replay" else wanted.source
    rows = tuple(r for r in Instruments.from_toml(settings.instruments).rows if r.venue == venue)
    return Instruments(rows) if rows else None


def deployment(
    wanted: Wanted, settings: Settings, told: Market, partitions: int, kept: Deployment | None = None
) -> Deployment:
    """The desk: its steps' settings from the settings tree, as `qflib desk` has them.

    The simulated desk has a limit of its own where none is set; one that goes on has the one it began with.
    """
    import qflib as qf
    from qflib.cli.durations import nanoseconds
    from qflib.desk.deployment import Deployment
    from qflib.stream.ingest.feeds import cut_of

    chosen, limits = settings.desk, settings.limits
    bounds = {"max_order_qty": float(limits.order_qty), "price_band": limits.price_band}
    es = limits.es
    if es is None and wanted.source == "sim":
        es = SIM_ES if kept is None or kept.source != "sim" else kept.config.limits.get("max_es")
    if es is not None:
        bounds["max_es"] = es
    config = qf.DeskConfig(
        period_ns=nanoseconds(chosen.period),
        levels=chosen.levels,
        limits=bounds,
        stale_ns=nanoseconds(limits.stale_market),
        maker_fee=chosen.maker_fee,
        taker_fee=chosen.taker_fee,
        fee_tiers=chosen.fee_tiers,
    )
    feed = _feed(wanted, settings)
    if "speed" in feed:
        pace = None if feed["speed"] == "max" else float(feed["speed"])
        feed |= cut_of(config.period_ns, pace, feed.get("rate"), len(told.instruments.sources))
    return Deployment(
        told.instruments,
        config,
        hedger_of(settings) if wanted.hedge else None,
        _strategy(wanted, settings),
        risk=told.positions is not None and told.history is not None,
        portfolio=PORTFOLIO,
        partitions=partitions,
        source=wanted.source,
        feed=feed,
        promoted=_along(wanted, settings),
    )


def partitions(chosen: Settings, kept: Deployment | None, workers: dict[str, int]) -> int:
    """What is set; else what the desk kept here, or an existing cluster, has; else as many as are needed.

    Needed is one for two processors, and one for each worker asked for, up to `MOST_WORKERS`.

    Raises
    ------
    BrokerError
        If the existing cluster cannot be reached.
    """
    from qflib.broker import topics
    from qflib.broker.clients import Connection

    if chosen.broker.partitions is not None:
        return chosen.broker.partitions
    if kept is not None:
        return kept.partitions
    existing = Connection.of(chosen.broker)
    found = None if existing is None else topics.partitions_of(existing, timeout_s=_ANSWER_S)
    return found or max([topics.default_partitions(), *(min(n, MOST_WORKERS) for n in workers.values())])


def scenario_set(told: Market, settings: Settings) -> ScenarioSet | None:
    """The default scenario set, made from the source's history."""
    import qflib as qf

    if told.history is None or told.positions is None:
        return None
    chosen = settings.desk
    return qf.scenarios.default(
        told.history,
        horizon=chosen.horizon,
        n_historical=chosen.n_historical,
        n_simulated=chosen.n_simulated,
        seed=chosen.seed,
    )


def with_loaded(told: Market) -> Market:
    """Loaded positions instead of the source's own.

    Raises
    ------
    DataError
        If they name what the source does not have.
    InputError
        If the source has no history to value them by.
    """
    from dataclasses import replace

    from qflib.cli import positions

    frame, file = positions.loaded(), positions.positions_file()
    if frame is None:
        return told
    mend = "take them out with `qflib positions clear`, or load others"
    positions.check(file, frame, told.instruments, "the source", mend)
    if told.history is None:
        raise InputError(f"positions are loaded ({file}), and the source has no history to make scenarios from; {mend}")
    return replace(told, positions=frame)


def _strategy(wanted: Wanted, settings: Settings) -> Any:
    """Settings of the strategy; None where none is wanted."""
    from qflib.steps.strategy import StrategyConfig

    follows = wanted.strategy or wanted.signals is not None
    return StrategyConfig(**settings.strategy.model_dump()) if follows else None


def _along(wanted: Wanted, settings: Settings) -> tuple[TakenAlong, ...]:
    """The project's promoted steps that run along; strategies in shadow, but for those that an admin key lets live."""
    from qflib.desk.taken_along import TakenAlong
    from qflib.promote.registry import registered

    there = registered()
    for name in (*(wanted.steps or ()), *wanted.live):
        if name not in there:
            raise InputError(f"step {name!r} is not promoted; there are {', '.join(there) or 'none yet'}")
    for name in wanted.live:
        if not there[name].orders:
            raise InputError(f"--live {name}: its rows are no orders; promote it with --topic-out orders.incoming")
    if wanted.live:
        need_admin(settings)
    names = there if wanted.steps is None else wanted.steps
    return tuple(TakenAlong.of(there[n], live=n in wanted.live) for n in there if n in names or n in wanted.live)


def need_admin(settings: Settings) -> None:
    """Refuse who may not let a strategy trade.

    Raises
    ------
    InputError
        If the environment holds no key of this desk with the scope admin.
    """
    import os

    from qflib.api.keys import store_of

    key = store_of(settings.state / "up").verify(os.environ.get("QFLIB_API_KEY", ""))
    if key is None or "admin" not in key.scopes:
        raise InputError(
            "--live needs a key of scope admin in QFLIB_API_KEY; `qflib keys create --name me --scope admin` makes one"
        )


def _feed(wanted: Wanted, settings: Settings) -> dict[str, Any]:
    """What ingest needs to know."""
    held: dict[str, Any] = {"in_flight": settings.stream.max_lag_batches}
    if wanted.signals is not None:
        held["signals"] = str(wanted.signals.resolve())
    if wanted.source == "sim":
        return (
            held
            | {"seed": settings.desk.seed, "rate": settings.desk.rate, "speed": wanted.pace()}
            | wanted.burst_of_feed()
        )
    if wanted.source == "replay":
        file = str(wanted.file and wanted.file.resolve())
        return held | {"file": file, "venue": wanted.venue, "speed": wanted.pace()} | wanted.burst_of_feed()
    places = {"url": wanted.url, "rest": wanted.rest}
    return {"venue": wanted.source} | {name: place for name, place in places.items() if place}


def live_venues() -> list[str]:
    """Venues that can be listened to."""
    from qflib.venues.table import live_names

    return live_names()
