"""A promoted step as a desk takes it along: which file it must be, how it runs, and whether it goes on from another."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from qflib.errors import DataError, StateError
from qflib.promote import lock
from qflib.promote.registry import Registered
from qflib.records.instruments import Instruments
from qflib.records.topics import MARKET_NORMALIZED
from qflib.steps.promoted.running import Working
from qflib.steps.promoted.step import Placed

PROMOTED = ("promoted", "promoted_events")  # the stages of promoted steps: without and with every event


@dataclass(frozen=True)
class TakenAlong:
    """A promoted step of a desk: where its file lies, which content it must have, and how it runs.

    Parameters
    ----------
    name, path, cell_sha256
        Of the step, of the registry.
    version
        Of the step.
    events
        Whether it takes every event of the market.
    orders, live, beside
        As of `Placed`.
    figures
        The fields it tells.
    topic_in
        Of whose main table its `columns` are; the same cell may be promoted for another. Empty: of before it was told.
    """

    name: str
    path: str
    cell_sha256: str
    version: int = 1
    events: bool = False
    orders: bool = False
    live: bool = False
    beside: bool = False
    figures: tuple[str, ...] = ()
    topic_in: str = ""

    @property
    def label(self) -> str:
        """What its figures are told under."""
        return f"{self.name}@{self.version}" if self.beside else self.name

    @property
    def stage(self) -> str:
        """Where it runs."""
        return PROMOTED[self.events]

    @cached_property
    def placed(self) -> Placed:
        """The step itself.

        Raises
        ------
        DataError
            If its file is gone or another one than when the desk began.
        """
        found = self.registered
        topic_in = str(found.told.get("topic_in", ""))
        if found.told["source"]["cell_sha256"] != self.cell_sha256 or self.topic_in not in ("", topic_in):
            raise DataError(f"{self.path} was promoted anew since this desk began; start the desk again")
        return Placed(found.definition(), self.orders, self.live, self.beside)

    @property
    def registered(self) -> Registered:
        """Its file and lock as they lie there."""
        path = Path(self.path)
        return Registered(self.name, path, lock.read(path.with_name(f"{path.stem}.lock.toml")))

    @classmethod
    def of(cls, found: Registered, *, live: bool = False, beside: bool = False) -> TakenAlong:
        """A step of the registry."""
        sha = str(found.told["source"]["cell_sha256"])
        events = MARKET_NORMALIZED in found.told["topics"]
        figures = tuple(found.told.get("figures", ()))
        path, topic_in = str(found.path.resolve()), str(found.told.get("topic_in", ""))
        return cls(found.name, path, sha, found.version, events, found.orders, live, beside, figures, topic_in)

    def check_goes_on(self, former: TakenAlong, instruments: Instruments) -> None:
        """Try whether the state of a former version can be gone on from: in its stage it is too late to refuse it.

        Raises
        ------
        StateError
            If it cannot.
        """
        if former.stage != self.stage:
            reads = [f"{'' if p.events else 'no '}events of the market" for p in (former, self)]
            raise StateError(
                f"step {self.name!r} took {reads[0]} and now takes {reads[1]}: it would run in another stage and begin "
                "anew there, a strategy with orders numbered as before; promote it with another --name"
            )
        kept = Working(former.placed.definition, instruments)
        Working(self.placed.definition, instruments).load(kept.state(), former.version)

    def kept_in(self, folder: Path) -> TakenAlong:
        """The same, of copies of its file and lock: the project's own may be promoted anew while it runs.

        Raises
        ------
        DataError
            If they cannot be copied.
        """
        source = Path(self.path)
        files = (source.with_name(f"{source.stem}.lock.toml"), source)
        try:
            sha = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()  # a lock changes alone, too
            to = folder / f"{self.name}-{sha[:16]}" / source.name
            if not to.exists():
                to.parent.mkdir(parents=True, exist_ok=True)
                for file in files:
                    shutil.copyfile(file, half := to.with_name(f"{file.name}.part"))
                    half.replace(to.with_name(file.name))
        except OSError as e:
            raise DataError(f"step file {source} cannot be copied into {folder} ({e.strerror})") from None
        return replace(self, path=str(to.resolve()))

    def content(self) -> dict[str, Any]:
        """What `save` writes of it."""
        return asdict(self)

    @classmethod
    def from_content(cls, told: Mapping[str, Any]) -> TakenAlong:
        """What `content` gave."""
        return cls(**{**told, "figures": tuple(told["figures"])})
