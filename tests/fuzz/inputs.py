"""A fuzzer's input as a venue's frames or as one of its files, and what is done with it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

#: Between frames: bytes that no seed has.
_CUT = b"\xf5|\xf5"
_WORD = re.compile(rb'"([A-Za-z_][A-Za-z_0-9-]{0,30})"')


def reference(name: str) -> Any:
    """A module of `tests/reference`: "venue_bytes" has the seeds and the oracle."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "reference" / f"{name}.py")
    module: Any = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


class Inputs:
    """One venue's inputs: a byte that says what the rest is, frames (0) or the file of that number.

    Parameters
    ----------
    oracle
        The module `venue_bytes`.
    name
        The venue.
    folder
        Where files lie while they are read.
    """

    def __init__(self, oracle: Any, name: str, folder: Path) -> None:
        self._oracle, self.name = oracle, name
        good = oracle.good(name)
        self._frames: list[bytes] = good.frames
        self._files: list[tuple[str, bytes]] = sorted(good.files.items())
        self._folder = folder

    def seeds(self) -> list[bytes]:
        """All frames, each by itself, and each file."""
        frames = [b"\0" + _CUT.join(self._frames), *(b"\0" + f for f in self._frames)]
        return frames + [bytes([k + 1]) + data for k, (_, data) in enumerate(self._files)]

    def words(self) -> list[bytes]:
        """What the seeds have between quotes, for a dictionary."""
        return sorted({w for seed in self.seeds() for w in _WORD.findall(seed)})

    def take(self, data: bytes) -> None:
        """Decode or read an input.

        Raises
        ------
        Exception
            If the venue's code has a fault: what it tells of bad bytes is none.
        """
        kind, told = (data[0] % (len(self._files) + 1), data[1:]) if data else (0, b"")
        if kind:
            self._oracle.read(self.name, self._files[kind - 1][0], told, self._folder)
        else:
            self._oracle.decode(self.name, told.split(_CUT))
