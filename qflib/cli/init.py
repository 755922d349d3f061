"""`qflib init`: a project of one's own, in the toolkit's own layout."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: qflib init desk"
#: What a project begins with beside the template: a job that ships, as it ships.
JOB = (Path("pipelines", "jobs", "daily_risk.toml"), Path("notebooks", "reports", "daily_risk.ipynb"))
NEXT = (
    "qflib promote notebooks/promotion/first_step.ipynb",
    "qflib up",
    "qflib jobs run daily_risk --as-of 2026-01-05",
)
_VERSION = "QFLIB_VERSION"


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The project's folder; new, or empty.")],
) -> None:
    """Make a project of your own: notebooks, steps, jobs, dashboard pages, instruments, settings, CI."""
    made(folder)
    steps = "\n".join(f"  {line}" for line in (*([f"cd {folder}"] if folder.resolve() != Path.cwd() else []), *NEXT))
    print(f"{folder} is a project; README.md tells what is where. Next:\n{steps}")


def made(folder: Path) -> None:
    """Write a project.

    Raises
    ------
    InputError
        If the folder holds anything, or cannot be made.
    MissingPartError
        If the installation lacks the template.
    """
    from qflib import __version__
    from qflib.errors import InputError, MissingPartError
    from qflib.project import toolkit

    root = toolkit()
    if not (root / "template" / "qflib.toml").is_file():
        raise MissingPartError(f"{root / 'template'} is missing, what a project is made of; install qflib again")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty, and nothing is written over; give a new folder or an empty one")
    try:
        shutil.copytree(
            root / "template", folder, dirs_exist_ok=True, copy_function=shutil.copyfile,
            ignore=shutil.ignore_patterns("__pycache__"),
        )  # fmt: skip
        for part in JOB:
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / part, folder / part)
        needs = folder / "requirements.txt"
        needs.write_text(needs.read_text(encoding="utf-8").replace(_VERSION, __version__), encoding="utf-8")
    except OSError as e:
        raise InputError(f"{folder} cannot be written ({e.strerror or e}); give a folder that can") from e
