"""Where things are: the project one stands in, and what the toolkit brings along for every project."""

from __future__ import annotations

from pathlib import Path

#: The file of settings, which marks a project.
FILE = "qflib.toml"
#: Below a project.
STEPS, JOBS = Path("pipelines", "steps"), Path("pipelines", "jobs")


def own_project(start: Path | None = None) -> Path | None:
    """The nearest folder upwards that has `qflib.toml` or `pipelines`; None where there is none.

    Parameters
    ----------
    start
        Where to look from; default: the working folder.

    Examples
    --------
    >>> from qflib.project import own_project, toolkit
    >>> own_project(toolkit() / "pipelines" / "steps") == toolkit()
    True
    """
    here = (start or Path.cwd()).resolve()
    return next((f for f in (here, *here.parents) if (f / FILE).is_file() or (f / "pipelines").is_dir()), None)


def project(start: Path | None = None) -> Path:
    """The project one stands in; outside of any the toolkit's own, whose steps and jobs are those that ship.

    Parameters
    ----------
    start
        Where to look from; default: the working folder.

    Examples
    --------
    >>> from qflib.project import project
    >>> (project() / "pipelines").is_dir()
    True
    """
    return own_project(start) or toolkit()


def toolkit() -> Path:
    """The folder with the toolkit's `pipelines`, `dashboards`, `notebooks` and `template`.

    The checkout; of an installed wheel a folder of the package, where these lie as they do in the checkout.
    """
    installed = Path(__file__).parent / "toolkit"
    return installed if installed.is_dir() else Path(__file__).parents[1]
