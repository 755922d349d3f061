"""Where the simulated market was left, so that a start need not make all of it again.

Two files by turns, each with the market's state after a period and the number of each source's last record. They only
save time: a start takes up the newest whose records all stand in Kafka, and makes each source's last record again from
there, which must be the one that was sent. Without such a file the market is made from its beginning.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from numpy.typing import NDArray

from qflib.stream.ingest.positions import Position
from qflib.stream.version import ROOMS, code_version

if TYPE_CHECKING:
    from qflib.desk.deployment import Deployment

#: Between two files; a start takes up one of the last two.
EVERY_S = 10.0
_STATE = "state."
#: Of the feed's settings, those that decide its records; the pace does not.
_DECIDES = ("seed", "rate", "duration", "cut_ns", "clock_ns")

_log = structlog.get_logger("qflib.ingest")


class LeftMarket:
    """Keeps where a simulated market stands, and finds it again.

    Parameters
    ----------
    folder
        Where the files lie.
    deployment
        The desk: files of another market, or of other code, are passed over.
    every_s
        Between two files.
    """

    def __init__(self, folder: Path, deployment: Deployment, every_s: float = EVERY_S) -> None:
        self._folder, self._every_s = folder, every_s
        told = [code_version((*ROOMS, "market")), len(deployment.instruments.underlyings)]
        told += [deployment.feed.get(name) for name in _DECIDES]
        self._identity = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        self._files = [folder / f"market-{i}.npz" for i in (0, 1)]
        self._turn, self._due = 0, time.monotonic()

    def find(self, at: Mapping[str, Position]) -> tuple[dict[str, NDArray[Any]], dict[str, int]] | None:
        """The newest state whose records were all sent, and each source's last number before it.

        Parameters
        ----------
        at
            Where each source stands in Kafka.

        Returns
        -------
        state, numbers
            As they were offered; None: there is no such file.
        """
        found = []
        for i, file in enumerate(self._files):
            try:
                with file.open("rb") as bytes_, np.load(bytes_, allow_pickle=False) as kept:
                    content = {name: kept[name] for name in kept.files}
                numbers = dict(zip(content["sources"].tolist(), content["numbers"].tolist(), strict=True))
                same = str(content["identity"]) == self._identity
                state = {k.removeprefix(_STATE): v for k, v in content.items() if k.startswith(_STATE)}
                time_ns = int(state["time_ns"])
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as e:
                _log.warning("a file of the simulated market is not readable", file=file.name, why=str(e))
                continue
            # below: the last record is made again, and compared with the one that was sent
            if same and numbers and all(s in at and (0, n) < (at[s].epoch, at[s].seq) for s, n in numbers.items()):
                found.append((time_ns, i, state, numbers))
        if not found:
            return None
        _, i, state, numbers = max(found, key=lambda f: f[0])
        self._turn = 1 - i
        return state, numbers

    def offer(self, state: Callable[[], Mapping[str, NDArray[Any]]], numbers: Mapping[str, int]) -> None:
        """Keep a state where it is time; a disk that does not take it costs the next start time, and is told.

        Parameters
        ----------
        state
            Gives it.
        numbers
            Each source's last number before it; all of them are with the producer.
        """
        if time.monotonic() < self._due:
            return
        content = {_STATE + name: a for name, a in state().items()}
        content["identity"] = np.array(self._identity)
        content["sources"], content["numbers"] = np.array(list(numbers)), np.array(list(numbers.values()))
        file = self._files[self._turn]
        half = file.with_suffix(".part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with half.open("wb") as out:
                np.savez(out, **content)  # type: ignore[arg-type]
            os.replace(half, file)
        except OSError as e:
            _log.warning("where the simulated market stands cannot be kept", file=file.name, why=str(e))
        else:
            self._turn = 1 - self._turn
        self._due = time.monotonic() + self._every_s
