"""What a job is: one TOML file, and the notebook that it names."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qflib.errors import DataError, InputError
from qflib.jobs.cron import check_cron
from qflib.jobs.parameters import Parameter, checked
from qflib.project import JOBS, project
from qflib.records.instrument import CALENDARS
from qflib.settings import DeskSettings, LimitSettings, StrategySettings

AS_OF = "as_of"
#: Parts of the settings that decide figures; they are written down, and hold no secrets.
_SETTINGS: dict[str, type[BaseModel]] = {"desk": DeskSettings, "limits": LimitSettings, "strategy": StrategySettings}
Missed = Literal["run", "latest", "skip"]
Publish = Literal["report", "scenario_set"]
_NAME = r"[a-z][a-z0-9_]*"
#: A record of every run is kept, with its parameters: a secret would lie on the disk, and in the page.
_SECRET = re.compile(
    r"passw|passphrase|pwd|(^|_)pass($|_)|secret|token|credential|bearer|(^|_)(auth|dsn)($|_)|(api|private|access)_?key",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(r"://[^/\s:@]+:[^/\s@]+@")  # a user's password in an address


class _Told(BaseModel):
    """The file's fields, as TOML gives them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    notebook: Path
    description: str = Field(min_length=1)
    cron: str | None = None
    time_zone: str = "UTC"
    calendar: str = "24/7"
    missed: Missed = "latest"
    timeout_s: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    retries: int = Field(default=2, ge=0, le=10)
    publish: Publish = "report"
    history: bool = False
    settings: tuple[str, ...] = ()
    parameters: dict[str, Parameter] = Field(default_factory=dict)


class Job(BaseModel):
    """A job: which notebook, with which parameters, and when.

    Parameters
    ----------
    name
        The file's.
    notebook
        Its path.
    description
        A sentence.
    cron, time_zone, calendar
        When it is due, for a scheduler: five fields, an IANA zone, a trading calendar of the instrument table. A job
        without a cron is run by hand.
    missed
        What a scheduler does with the times at which none ran: "run" all, in order; the "latest" alone; or "skip".
    timeout_s
        Seconds that a cell may take, and that another runner of the same key waits.
    retries
        How often a run is tried again after what passes by itself: a kernel that dies, a connection that breaks.
    publish
        "report": its page. "scenario_set": a scenario set beside it, which comes into force when it is approved.
    history
        Whether it reads the desk's history: a run is another when more of its date has been archived.
    settings
        Those that its figures depend on, as "limits.es": a run with other values is another.
    parameters
        By name; ``as_of`` is every job's own.

    Examples
    --------
    >>> from qflib.jobs import load_job
    >>> job = load_job("daily_risk")
    >>> job.notebook.name, job.parameters["seed"].default
    ('daily_risk.ipynb', 7)
    """

    model_config = ConfigDict(frozen=True)

    name: str
    notebook: Path
    description: str
    cron: str | None
    time_zone: str
    calendar: str
    missed: Missed
    timeout_s: float
    retries: int
    publish: Publish
    history: bool
    settings: tuple[str, ...]
    parameters: dict[str, Parameter]


def jobs_folder() -> Path:
    """The definitions of the project that the command runs in."""
    return project() / JOBS


def job_names(folder: Path | None = None) -> list[str]:
    """Names of the jobs there are.

    Examples
    --------
    >>> from qflib.jobs import job_names
    >>> "daily_risk" in job_names()
    True
    """
    return sorted(f.stem for f in (folder or jobs_folder()).glob("*.toml"))


def load_job(name: str, folder: Path | None = None) -> Job:
    """A job by its name.

    Parameters
    ----------
    name
        The file's, without its ending.
    folder
        Where definitions lie; a notebook's path is relative to the project, two folders above.

    Raises
    ------
    InputError
        If there is no such job.
    DataError
        If the file is unreadable or says what it may not, or its notebook is missing.

    Examples
    --------
    >>> from qflib.jobs import load_job
    >>> load_job("daily_risks")
    Traceback (most recent call last):
    qflib.errors.InputError: there is no job 'daily_risks'; did you mean daily_risk?
    """
    place = folder or jobs_folder()
    file = place / f"{name}.toml"
    known = job_names(place)
    if name in known and not re.fullmatch(_NAME, name):
        raise DataError(f"job file {file}: {name!r} cannot be a job's name; give small letters, digits and _")
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        mend = f"did you mean {near[0]}?" if near else f"{place} has {', '.join(known) or 'none'}"
        raise InputError(f"there is no job {name!r}; {mend}")
    try:
        told = _Told.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except ValidationError as e:
        raise DataError(f"job file {file}: {_sentence(e)}") from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise DataError(f"job file {file} is not readable TOML: {e}") from None
    notebook = place.resolve().parents[1] / told.notebook
    try:
        _check(name, told)
    except InputError as e:
        raise DataError(f"job file {file}: {e}") from None
    if not notebook.is_file():
        raise DataError(f"job file {file} names the notebook {told.notebook}, which does not exist; mend its path")
    fields = {f: getattr(told, f) for f in _Told.model_fields}
    return Job(**fields | {"name": name, "notebook": notebook})


def _check(name: str, told: _Told) -> None:
    if told.cron is not None:
        check_cron(told.cron)
    try:
        ZoneInfo(told.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(f"time_zone {told.time_zone!r} is unknown; give one as America/New_York or UTC") from None
    if told.calendar not in CALENDARS:
        raise InputError(f"calendar {told.calendar!r} is unknown; give one of {', '.join(CALENDARS)}")
    for setting in told.settings:
        part, _, field = setting.partition(".")
        if part not in _SETTINGS or field not in _SETTINGS[part].model_fields:
            raise InputError(f"setting {setting!r} is none of {', '.join(_SETTINGS)}; give one as limits.es")
    for parameter, p in told.parameters.items():
        if not re.fullmatch(_NAME, parameter) or parameter == AS_OF:
            raise InputError(f"parameter {parameter!r} cannot have this name; give small letters, and not {AS_OF}")
        if _SECRET.search(parameter):
            raise InputError(
                f"parameter {parameter!r} sounds like a secret, and parameters are written down; give it by the "
                "environment, as a setting"
            )
        for value in (*p.choices, p.default):
            if isinstance(value, str) and _SECRET_VALUE.search(value):
                raise InputError(
                    f"parameter {parameter!r} has a password in its address, and parameters are written down; give it "
                    "by the environment, as a setting"
                )
            checked(name, parameter, p, value)


def _sentence(e: ValidationError) -> str:
    first: Any = e.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{name!r} is no field of a job; take it out"
    if first["type"] == "missing":
        return f"{name!r} is missing; give it"
    return f"{name!r} is wrong ({first['msg'].lower()}); mend it"
