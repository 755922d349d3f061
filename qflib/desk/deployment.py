"""What a running desk is, in one file that every one of its processes reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from qflib.desk.config import DeskConfig
from qflib.desk.taken_along import PROMOTED, TakenAlong
from qflib.errors import DataError, InputError
from qflib.hedging.hedgers import Band, LimitMarket
from qflib.records.instrument import session_ns
from qflib.records.instruments import Instruments
from qflib.records.partitions import Partitions
from qflib.steps.exchange import Exchange, ExchangeConfig
from qflib.steps.exposures import Exposures, ExposuresConfig
from qflib.steps.normalize import Normalize
from qflib.steps.portfolio import Portfolio, PortfolioConfig
from qflib.steps.promoted.step import Promoted, account_name
from qflib.steps.step import Step
from qflib.steps.strategy import Strategy, StrategyConfig

FORMAT = 1
SIGNALS = "signals:0"  # the connection of a file of signals


@dataclass(frozen=True)
class Deployment:
    """The steps of a desk and their settings, the instrument table, and where names lie.

    Parameters
    ----------
    instruments
        The instrument table.
    config
        Settings of the steps.
    hedger
        The no-trade band; None: no hedging.
    strategy
        Settings of the signal-following strategy; None: none runs.
    risk
        Whether exposures and portfolio run: there are positions that can be valued.
    portfolio
        The portfolio that is hedged.
    partitions
        Of every topic.
    source
        Where market data come from: "sim", "replay" or a venue.
    feed
        What ingest needs to know of it: seed, rate, file, symbols, ...
    promoted
        The steps promoted from notebooks that run along.
    ran
        By a stage's version, which is on each of its marks, the promoted steps it ran: what recomputes it needs them.

    Raises
    ------
    InputError
        If there is no instrument, `partitions` is below 1, or a promoted strategy would trade for another's portfolio.

    Examples
    --------
    >>> from qflib.desk.deployment import Deployment
    >>> from qflib.records import Instrument, Instruments
    >>> desk = Deployment(Instruments((Instrument("ACME.F", underlying="ACME", source="sim:ACME"),)), partitions=4)
    >>> desk.stages, desk.table.place("ACME")
    (('normalize', 'exchange'), 0)
    """

    instruments: Instruments
    config: DeskConfig = field(default_factory=DeskConfig)
    hedger: Band | None = None
    strategy: StrategyConfig | None = None
    risk: bool = False
    portfolio: str = "DESK1"
    partitions: int = 1
    source: str = "sim"
    feed: Mapping[str, Any] = field(default_factory=dict)
    promoted: tuple[TakenAlong, ...] = ()
    ran: Mapping[str, tuple[TakenAlong, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.instruments):
            raise InputError("a desk without instruments; give an instrument table with one row at least")
        if self.partitions < 1:
            raise InputError(f"{self.partitions} partitions; a topic has one at least")
        others = {self.portfolio} | ({self.strategy.account, self.strategy.portfolio} if self.strategy else set())
        for p in self.promoted:
            if p.orders and (mine := account_name(p.name)) in others:
                raise InputError(
                    f"strategy {p.name!r} would trade for {mine}, which is another's portfolio or account here; "
                    "promote it with another --name"
                )

    @cached_property
    def table(self) -> Partitions:
        """Where names lie: underlyings spread over the partitions, and connections."""
        return Partitions.spread(self.partitions, self.instruments.underlyings, self.sources)

    @property
    def sources(self) -> tuple[str, ...]:
        """The connections that ingest writes: the instruments', and that of the signals where there are any."""
        return (*self.instruments.sources, *([SIGNALS] if self.feed.get("signals") else []))

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the steps that run, in the order of the flow."""
        made = ["normalize", "exchange"]
        made += ["strategy"] if self.strategy is not None else []
        made += [stage for stage in PROMOTED if any(p.stage == stage for p in self.promoted)]
        made += ["exposures", "portfolio"] if self.risk else []
        return tuple(made)

    def step(self, name: str, partition: int = 0) -> Step:
        """The step of one partition, in its first state.

        Raises
        ------
        InputError
            If this desk has no such step.
        """
        if name not in self.stages:
            raise InputError(f"this desk has no step {name!r}; it has {', '.join(self.stages)}")
        made: Step = getattr(self, f"_{name}")(partition)
        return made

    def _normalize(self, partition: int) -> Step:
        return Normalize(self.instruments, self.table)

    def _exchange(self, partition: int) -> Step:
        c = self.config
        config = ExchangeConfig(
            period_ns=c.period_ns,
            stale_ns=c.stale_ns,
            maker_fee=c.maker_fee,
            taker_fee=c.taker_fee,
            fee_tiers=c.fee_tiers,
        )
        return Exchange(self.instruments, config, self.table, partition)

    def _strategy(self, partition: int) -> Step:
        return Strategy(self.instruments, self.strategy, self.table, partition)

    def _promoted(self, partition: int, stage: str = "promoted") -> Step:
        mine = [p.placed for p in self.promoted if p.stage == stage]
        return Promoted(mine, self.instruments, self.table, partition, stage)

    def _promoted_events(self, partition: int) -> Step:
        return self._promoted(partition, "promoted_events")

    def _exposures(self, partition: int) -> Step:
        c = self.config
        config = ExposuresConfig(
            period_ns=c.period_ns,
            rate=c.rate,
            fx=dict(c.fx),
            currency=c.currency,
            outcome_ns=c.outcome_ns,
            session_ns=min(session_ns(r.calendar) for r in self.instruments),
        )
        return Exposures(self.instruments, config, self.table, partition)

    def _portfolio(self, partition: int) -> Step:
        c = self.config
        config = PortfolioConfig(
            levels=c.levels,
            hedging=self.hedger is not None,
            hedged=(self.portfolio,),
            period_ns=c.period_ns,
            outcome_ns=c.outcome_ns,
            rate=c.rate,
            fx=dict(c.fx),
            currency=c.currency,
        )
        if self.hedger is not None:
            config = replace(config, band=self.hedger)
        return Portfolio(self.instruments, config, self.table, partition)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what decides the desk's bytes: all but the feed, and promoted steps, which decide theirs alone."""
        content = {k: v for k, v in self._content().items() if k not in ("feed", "promoted", "ran")}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def taking(self, step: TakenAlong) -> Deployment:
        """With a step along, in the place of one of its label; one in force ends those that ran beside."""
        others = [p for p in self.promoted if p.label != step.label and (step.beside or p.name != step.name)]
        return replace(self, promoted=(*others, step))

    def of_version(self, version: str) -> Deployment | None:
        """The desk with the promoted steps of one version of their stage; None where that is not known."""
        return replace(self, promoted=self.ran[version]) if version in self.ran else None

    def digest_of(self, stage: str) -> str:
        """SHA-256 of what decides a stage's bytes."""
        if stage not in PROMOTED:
            return self.digest
        told = json.dumps([p.content() | {"path": ""} for p in self.promoted if p.stage == stage], sort_keys=True)
        return hashlib.sha256(f"{self.digest} {told}".encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write the file; a reader never sees half of it.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        half = path.with_suffix(".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            half.write_text(json.dumps(self._content(), indent=1), encoding="utf-8")
            half.replace(path)
        except OSError as e:
            raise DataError(f"desk file {path} cannot be written ({e.strerror}); make its folder writable") from None

    @classmethod
    def load(cls, path: Path) -> Deployment:
        """What `save` wrote.

        Raises
        ------
        DataError
            If the file is missing or was not written by `save`.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError(f"desk file {path} does not exist; `qflib up` writes it") from None
        except (OSError, ValueError) as e:
            raise DataError(f"desk file {path} is not readable ({e}); start with `qflib up --fresh`") from None
        return cls.from_content(content, str(path))

    @classmethod
    def from_content(cls, content: Any, where: str) -> Deployment:
        """A desk from what `save` writes, already parsed; `where` begins the sentence of an error."""
        try:
            if content["format"] != FORMAT:
                raise DataError(
                    f"{where} has format {content['format']!r}, not {FORMAT}; start with `qflib up --fresh`"
                )
            told = content["config"]
            tiers = tuple(map(tuple, told.get("fee_tiers", ())))
            config: dict[str, Any] = told | {"levels": tuple(told["levels"]), "fee_tiers": tiers}
            return cls(
                Instruments.parse(content["instruments"], where),
                DeskConfig(**config),
                _hedger(content["hedger"]),
                None if content["strategy"] is None else StrategyConfig(**content["strategy"]),
                content["risk"],
                content["portfolio"],
                content["partitions"],
                content["source"],
                content["feed"],
                tuple(TakenAlong.from_content(p) for p in content.get("promoted", ())),
                {v: tuple(map(TakenAlong.from_content, steps)) for v, steps in content.get("ran", {}).items()},
            )
        except (KeyError, TypeError, AttributeError) as e:
            raise DataError(f"{where} is no desk file ({e!r}); start with `qflib up --fresh`") from None

    def _content(self) -> dict[str, Any]:
        config = asdict(replace(self.config, fx=dict(self.config.fx), limits=dict(self.config.limits)))
        del config["report_latency_ns"]  # of a desk in one process alone
        if not config["fee_tiers"]:  # a desk without keeps the digest it had before there were any
            del config["fee_tiers"]
        return {
            "format": FORMAT,
            "instruments": self.instruments.to_toml(),
            "config": config,
            "hedger": None if self.hedger is None else asdict(self.hedger),
            "strategy": None if self.strategy is None else asdict(self.strategy),
            "risk": self.risk,
            "portfolio": self.portfolio,
            "partitions": self.partitions,
            "source": self.source,
            "feed": dict(self.feed),
        } | self._steps_told()

    def _steps_told(self) -> dict[str, Any]:
        """Nothing of a desk that has none: its digest is that of before there were any."""
        ran = {v: [p.content() for p in steps] for v, steps in self.ran.items()}
        return {k: v for k, v in {"promoted": [p.content() for p in self.promoted], "ran": ran}.items() if v}


def _hedger(told: Any) -> Band | None:
    """A band, or one that rests, by the parameters told."""
    if told is None:
        return None
    return LimitMarket(**told) if "rest_from" in told else Band(**told)
