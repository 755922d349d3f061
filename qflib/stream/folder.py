"""The folder of a running desk: what it was started as, what it has booked, and who runs it now."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import structlog

from qflib.desk.deployment import Deployment
from qflib.desk.taken_along import PROMOTED, TakenAlong
from qflib.errors import DataError, InputError
from qflib.history import opening
from qflib.stream.version import step_version

#: What of the feed decides what is read, and where it goes on: the rest may differ from start to start.
_SAME_FEED = ("seed", "rate", "file", "venue")
_CUT = ("cut_ns", "clock_ns")
#: Others may pass through the folder, not list it, and read where Prometheus finds the processes.
_PASSED, _READ = 0o711, 0o644
_log = structlog.get_logger(__name__)


class DeskFolder:
    """deployment.json, broker/, history/, logs/, market/, targets.json for Prometheus, and files of its own.

    Parameters
    ----------
    path
        The folder; it need not exist.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     DeskFolder(Path(folder)).running() is None
    True
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.deployment = path / "deployment.json"
        self.broker, self.history, self.logs = path / "broker", path / "history", path / "logs"
        self._steps = path / "steps"
        self._booked, self._owner, self._asked = path / "booked.json", path / "up.json", path / "take_along.json"
        self.targets = path / "targets.json"
        self._held: IO[str] | None = None

    def hold(self) -> None:
        """Be the one who runs this desk, until `release` or the end of this process.

        Raises
        ------
        InputError
            If another process is.
        DataError
            If the folder cannot be written.
        """
        try:
            new = not self.path.is_dir()
            self.path.mkdir(parents=True, exist_ok=True)
            if new:  # orders and positions are their user's; Prometheus, another one, finds its file by its name
                self.path.chmod(_PASSED)
            held = self._owner.open("a+", encoding="utf-8")
        except OSError as e:
            raise DataError(
                f"folder {self.path} cannot be written ({e.strerror}); set QFLIB_STATE to another"
            ) from None
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            held.close()
            pid = (self.running() or {}).get("pid", "?")
            raise InputError(
                f"a desk runs in {self.path} already (process {pid}); stop it, or set QFLIB_STATE to another folder"
            ) from None
        self._held = held
        self.tell({})

    @property
    def held(self) -> bool:
        """Whether this process runs the desk."""
        return self._held is not None

    def tell(self, what: dict[str, Any]) -> None:
        """Let others know how to reach the desk: its broker, its ports."""
        if self._held is not None:
            self._held.seek(0)
            self._held.truncate()
            self._held.write(json.dumps({"pid": os.getpid()} | what))
            self._held.flush()
            self._tell_prometheus(what.get("ports", {}))

    def release(self) -> None:
        """Run it no more."""
        if self._held is not None:
            try:
                self._held.truncate(0)
                self._tell_prometheus({})
            except OSError as e:  # a full disk: targets that are gone are scraped in vain
                _log.warning("it stays told that the desk runs", folder=str(self.path), why=e.strerror)
            self._held.close()
            self._held = None

    def _tell_prometheus(self, ports: dict[str, int]) -> None:
        """Where each process is scraped, as Prometheus' `file_sd_configs` reads it."""
        told = [{"targets": [f"127.0.0.1:{p}"], "labels": {"process": name}} for name, p in ports.items() if p]
        half = self.targets.with_suffix(".part")
        half.write_text(json.dumps(told, indent=1), encoding="utf-8")
        half.chmod(_READ)
        half.replace(self.targets)

    def running(self) -> dict[str, Any] | None:
        """What the process that runs this desk tells; None where none does."""
        try:
            with self._owner.open("r", encoding="utf-8") as f:
                try:
                    fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:  # held: it runs
                    return dict(json.loads(f.read() or "{}"))
                return None
        except (OSError, ValueError):
            return None

    def kept(self) -> Deployment | None:
        """The desk whose data are kept here.

        Raises
        ------
        DataError
            If it is not readable.
        """
        return Deployment.load(self.deployment) if self.deployment.exists() else None

    def keep(self, desk: Deployment) -> Deployment:
        """Write down what the desk is; what it is where data of a former start go on.

        A feed is cut as it was at first, whatever its pace now: its records are numbered by it.

        Raises
        ------
        DataError
            If the data kept here are another desk's.
        StateError
            If a promoted step would run in another stage now, where it would begin anew.
        """
        desk = replace(desk, promoted=tuple(p.kept_in(self._steps) for p in desk.promoted))
        former = self.kept()
        ran = () if former is None else former.promoted
        for step in desk.promoted:
            if moved := [p for p in ran if p.name == step.name and not p.beside and p.stage != step.stage]:
                step.check_goes_on(moved[0], desk.instruments)
        if former is not None:
            desk = replace(desk, promoted=_as_they_ran(former, desk))
            if other := _difference(former, desk):
                raise DataError(
                    f"the data kept in {self.path} are of a desk with {other}; give the same, or start with --fresh"
                )
            desk = replace(desk, feed={**desk.feed, **{k: former.feed[k] for k in _CUT if k in former.feed}})
            desk = replace(desk, ran=former.ran)
        return self.write(desk)

    def write(self, desk: Deployment) -> Deployment:
        """Write down what the desk is, and which promoted steps the versions of their stages are; the desk with these.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        now = {
            step_version(stage, desk.digest_of(stage)): tuple(p for p in desk.promoted if p.stage == stage)
            for stage in desk.stages
            if stage in PROMOTED
        }
        desk = replace(desk, ran={**desk.ran, **now})
        desk.save(self.deployment)
        return desk

    def ask(self, step: TakenAlong) -> TakenAlong:
        """Ask who runs this desk to take a promoted step along; the step as the desk will tell it.

        Raises
        ------
        InputError
            If nobody runs it.
        DataError
            If the step's file cannot be copied into the folder.
        """
        if self.running() is None:
            raise InputError(f"no desk runs in {self.path}; `qflib up` takes promoted steps along")
        step, half = step.kept_in(self._steps), self._asked.with_suffix(".part")
        half.write_text(json.dumps(step.content()), encoding="utf-8")
        half.replace(self._asked)
        return step

    def asked(self) -> TakenAlong | None:
        """The step that was asked for, once; None where none is."""
        try:
            told = self._asked.read_text(encoding="utf-8")
            self._asked.unlink()
            return TakenAlong.from_content(json.loads(told))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as e:
            _log.warning("what a step was asked for with is not readable", reason=repr(e)[:200])
            return None

    def wipe(self) -> None:
        """Throw away all but the broker's data, which the broker itself does, and the hold."""
        for file in (self.deployment, self._booked):
            file.unlink(missing_ok=True)
        opening.remove(self.history)
        for folder in (self.history, self.logs, self._steps, self.path / "market"):
            shutil.rmtree(folder, ignore_errors=True)

    def check_bookings(self, ids: set[str]) -> None:
        """Hold bookings to come against those made.

        Raises
        ------
        DataError
            If some were changed: the old rows would stay booked beside the new ones.
        """
        booked = self.booked
        if booked and ids - booked and booked - ids:
            raise DataError(
                f"opening positions differ from those booked in {self.path}, and would add up with them; load the "
                "former ones, or start with --fresh"
            )

    @property
    def booked(self) -> set[str]:
        """Ids of the bookings that were published."""
        try:
            return set(json.loads(self._booked.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return set()
        except (OSError, ValueError) as e:
            raise DataError(f"{self._booked} is not readable ({e}); begin anew with --fresh") from None

    def book(self, ids: Iterable[str]) -> None:
        """Note bookings as published."""
        half = self._booked.with_suffix(".part")
        half.write_text(json.dumps(sorted(self.booked | set(ids))), encoding="utf-8")
        half.replace(self._booked)


def _as_they_ran(former: Deployment, now: Deployment) -> tuple[TakenAlong, ...]:
    """The steps of a desk; what ran beside the one in force before goes on to do so, and is not put in force."""
    made = []
    for step in now.promoted:
        versions = [p for p in former.promoted if p.name == step.name]
        beside = [p for p in versions if p.beside and p.cell_sha256 == step.cell_sha256]
        force = [replace(p, live=step.live) for p in versions if not p.beside]
        made += [*force, *beside] if force and beside else [step]
    return tuple(made)


def _difference(former: Deployment, now: Deployment) -> str:
    """What of the former desk this one does not have, in words; empty where none."""
    if former.source != now.source:
        return f"source {former.source!r} (now {now.source!r})"
    for name in _SAME_FEED:
        if former.feed.get(name) != now.feed.get(name):
            return f"{name} {former.feed.get(name)!r} (now {now.feed.get(name)!r})"
    if former.instruments.to_toml() != now.instruments.to_toml():
        return "another instrument table"
    if former.partitions != now.partitions:
        return f"{former.partitions} partitions (now {now.partitions})"
    return "other settings" if former.digest != now.digest else ""
