"""The page of a run, for whoever serves it."""

from __future__ import annotations

from pathlib import Path

from qflib.errors import DataError
from qflib.jobs.history import run_of

_MOST_BYTES = 64 << 20
#: A report is a page with scripts of its own, and pages of others may be in its cells: it gets an origin of nobody,
#: and reaches nothing.
HEADERS = {
    "content-security-policy": (
        "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
    ),
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


def report_of(state: Path, job: str, run_id: str) -> bytes:
    """The page of a run; served with `HEADERS`.

    Parameters
    ----------
    state
        The setting's folder.
    job, run_id
        Which; whatever they are, no other file than a report is read.

    Raises
    ------
    InputError
        If there is no such run.
    DataError
        If it has no page, or one that is too large to be served.

    Examples
    --------
    >>> from pathlib import Path
    >>> from qflib.jobs.report import report_of
    >>> report_of(Path("runs", "none"), "daily_risk", "../../keys.json")
    Traceback (most recent call last):
    qflib.errors.InputError: job daily_risk has no run '../../keys.json'; `qflib jobs history` shows those there are
    """
    found = run_of(state, job, run_id)
    page = found.path if found.status == "done" else None
    try:
        if page is not None and page.stat().st_size <= _MOST_BYTES:
            return page.read_bytes()
    except OSError:
        pass
    raise DataError(f"run {run_id} of job {job} has no report that can be shown; its status is {found.status}")
