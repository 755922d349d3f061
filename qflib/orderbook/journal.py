"""The matching engine's journal: what came in and under which rules, enough to make book and fills again anywhere."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from qflib.errors import DataError, InputError
from qflib.kernels.engine_state import COMMAND
from qflib.orderbook.engine_rules import Rules
from qflib.records import Instruments

_FORMAT = 1
_START = "start."


@dataclass(frozen=True, eq=False)
class EngineJournal:
    """All that an engine was given: `MatchingEngine.replay` makes the same engine, events, fills and fees of it.

    Parameters
    ----------
    instruments
        The engine's table.
    rules
        An instrument each, fees in.
    session
        In which all began.
    commands
        (n,) of the kernels' COMMAND, in the order they came.
    start
        The state that the engine was loaded with before them; None: it began empty.
    digest
        The engine's after the last command; empty: not told. A replay is compared with it.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from qflib.orderbook import EngineJournal, MatchingEngine, Rules
    >>> engine = MatchingEngine("ACME.F", {"ACME.F": Rules(taker_fee=0.25)})
    >>> told = engine.submit("ACME.F", "sell", 5, 100.02), engine.submit("ACME.F", "buy", 3)
    >>> file = engine.journal.save(pathlib.Path(tempfile.mkdtemp()) / "acme.npz")
    >>> again, events = MatchingEngine.replay(EngineJournal.load(file))
    >>> again.digest == engine.digest, float(events.fills()["fee"].sum())
    (True, 0.75)
    """

    instruments: Instruments
    rules: tuple[Rules, ...]
    session: str
    commands: NDArray[Any]
    start: Mapping[str, NDArray[Any]] | None = None
    digest: str = field(default="", repr=False)

    def __len__(self) -> int:
        return len(self.commands)

    def upto(self, n: int) -> EngineJournal:
        """The first n commands."""
        return EngineJournal(self.instruments, self.rules, self.session, self.commands[:n], self.start)

    def save(self, path: str | Path) -> Path:
        """Write it into a file, whole or not at all: NumPy's .npz, compressed, without pickles; the file's path.

        Raises
        ------
        InputError
            If the name does not end with .npz.
        """
        file = Path(path)
        if file.suffix != ".npz":
            raise InputError(f"journal file {file} must have a name that ends with .npz")
        about = {"format": _FORMAT, "session": self.session, "digest": self.digest, "loaded": self.start is not None}
        content: dict[str, Any] = {_START + name: rows for name, rows in (self.start or {}).items()}
        content["about"] = np.array(json.dumps(about))
        content["rules"] = np.array(json.dumps([asdict(r) for r in self.rules]))
        content["instruments"] = np.array(self.instruments.to_toml())
        content["commands"] = self.commands
        half = file.with_name(f"{file.name}.{secrets.token_hex(4)}.part")  # its own: another may write beside it
        try:
            with half.open("xb") as out:
                np.savez_compressed(out, allow_pickle=False, **content)
            os.replace(half, file)
        except BaseException:
            half.unlink(missing_ok=True)
            raise
        return file

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If the file is missing, cut off, or no journal of this version.
        """
        try:
            with Path(path).open("rb") as bytes_, np.load(bytes_, allow_pickle=False) as kept:
                content = {name: kept[name] for name in kept.files}
            about = json.loads(str(content["about"]))
            rules = tuple(_rules(r) for r in json.loads(str(content["rules"])))
            table, commands = Instruments.parse(str(content["instruments"]), f"journal {path}"), content["commands"]
            told = about["format"], about["session"], about["digest"], about["loaded"]
        except FileNotFoundError:
            raise DataError(f"journal file {path} does not exist; give one that EngineJournal.save wrote") from None
        except Exception as e:  # flipped bits end in what not: NumPy reads headers as code, zip takes any method
            why = str(e) or type(e).__name__
            raise DataError(f"{path} is no readable journal: {why}; give one that EngineJournal.save wrote") from None
        if told[0] != _FORMAT or commands.dtype != COMMAND or commands.ndim != 1:
            raise DataError(
                f"journal {path} is of format {told[0]} with commands of {commands.dtype}, this version reads format "
                f"{_FORMAT}; replay it with the version that wrote it"
            )
        if len(rules) != len(table):
            raise DataError(f"journal {path} has rules of {len(rules)} instruments and a table of {len(table)}")
        start = {name.removeprefix(_START): rows for name, rows in content.items() if name.startswith(_START)}
        return cls(table, rules, told[1], commands, start if told[3] else None, told[2])

    def _repr_html_(self) -> str:
        return f"<p>{repr(self)[1:-1]}</p>"

    def __repr__(self) -> str:
        begun = "empty" if self.start is None else "from a state"
        return f"<EngineJournal: {len(self):,} commands, {len(self.instruments)} instruments, begun {begun}>"


def _rules(told: dict[str, Any]) -> Rules:
    band = told.pop("band")
    return Rules(**told, band=None if band is None else (band[0], band[1]))
