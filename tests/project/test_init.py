"""What a project is made of, and that nothing is written over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from traitlets.config import Config
from typer.testing import CliRunner

from qflib import __version__, settings
from qflib.cli.init import JOB, command, made
from qflib.cli.main import app
from qflib.errors import InputError
from qflib.jobs import load_job
from qflib.project import STEPS, own_project, project, toolkit
from qflib.promote.cells import read_cells
from qflib.promote.registry import registered
from qflib.promote.rules import check
from qflib.records import Instruments
from tests.notebooks import every_result_shows_itself
from tests.project.conftest import ROOT


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made(tmp_path / "desk")
    monkeypatch.chdir(tmp_path / "desk" / "notebooks")
    return tmp_path / "desk"


def test_what_it_is_made_of_is_right(desk: Path) -> None:
    assert settings.load().model_copy(update={"state": Path("runs")}) == settings.Settings.model_construct()
    assert (desk / "requirements.txt").read_text() == f"qflib=={__version__}\n"
    assert load_job("daily_risk").notebook == desk / JOB[1]
    assert all((desk / part).read_bytes() == (ROOT / part).read_bytes() for part in JOB)
    assert registered() == {}
    assert check(read_cells(desk / "notebooks" / "promotion" / "first_step.ipynb")) == []
    [told] = Instruments.from_toml(desk / "instruments.toml").rows
    assert (told.venue, told.underlying, told.levels) == ("kraken", "XBT", True)
    assert not list(desk.rglob("__pycache__"))


def test_its_settings_are_the_ones_there_are(desk: Path) -> None:
    """What stands in comments is a setting, with its default where it tells one."""
    file = desk / "qflib.toml"
    lines = [line.removeprefix("# ") for line in file.read_text().splitlines()[3:]]
    file.write_text("\n".join(lines))
    told, usual = settings.load(), settings.Settings.model_construct()
    assert told.broker.bootstrap == "kafka-1:9093"
    assert (told.desk, told.stream, told.api, told.dash) == (usual.desk, usual.stream, usual.api, usual.dash)
    assert (told.limits.order_qty, told.limits.price_band) == (usual.limits.order_qty, usual.limits.price_band)
    assert (told.state, told.instruments) == (desk / "runs", desk / "instruments.toml")


def test_what_its_file_names_lies_below_it(desk: Path) -> None:
    fields = [(n, f.annotation, f.default) for n, f in settings.Settings.model_fields.items()]
    inner = [(f"{n}.{m}", f.annotation) for n, _, d in fields for m, f in getattr(type(d), "model_fields", {}).items()]
    named = {n for n, a in (*inner, *((n, a) for n, a, _ in fields)) if a in (Path, Path | None)}
    assert named == {*settings.PLACES, "data"}
    (desk / "qflib.toml").write_text(
        'instruments = "a/b.toml"\n[api]\ntls_certificate = "c.pem"\ntls_key = "/etc/k.pem"\n[broker]\ncache = "jars"\n'
    )
    told = settings.load()
    assert (told.state, told.instruments, told.broker.cache) == (desk / "runs", desk / "a/b.toml", desk / "jars")
    assert (told.api.tls_certificate, told.api.tls_key) == (desk / "c.pem", Path("/etc/k.pem"))


def test_the_project_is_the_nearest_above(desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_project() == desk
    assert settings.settings_file() == desk / "qflib.toml"
    assert settings.load().state == desk / "runs"
    monkeypatch.setenv("QFLIB_STATE", "elsewhere")
    assert settings.load().state == Path("elsewhere")  # said here, it is meant from here
    monkeypatch.delenv("QFLIB_STATE")
    (desk / "pipelines" / "qflib.toml").write_text("")
    monkeypatch.chdir(desk / "pipelines" / "jobs")
    assert own_project() == desk / "pipelines"  # the nearer one
    (desk / "pipelines" / "qflib.toml").unlink()
    (desk / "qflib.toml").rename(desk / "other.toml")
    assert own_project() == desk
    assert settings.load().state == Path("runs")  # a folder called pipelines says nothing of where things are kept
    monkeypatch.setenv("QFLIB_SETTINGS", str(desk / "other.toml"))
    assert settings.load().state == Path("runs")
    monkeypatch.delenv("QFLIB_SETTINGS")
    (desk / "other.toml").rename(desk / "qflib.toml")
    monkeypatch.chdir(desk)
    assert (settings.settings_file(), settings.load().state) == (Path("qflib.toml"), Path("runs"))
    monkeypatch.chdir(tmp_path)
    assert own_project() is None
    assert project() == toolkit() == ROOT
    assert "realised_vol" in registered()


@pytest.mark.parametrize("there", ["a file in it", "a file"])
def test_nothing_is_written_over(tmp_path: Path, there: str) -> None:
    folder = tmp_path / "desk"
    if there == "a file":
        folder.write_text("mine")
    else:
        folder.mkdir()
        (folder / "mine.txt").write_text("mine")
    before = {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()}
    with pytest.raises(InputError, match="is not empty, and nothing is written over"):
        command(folder)
    assert {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()} == before


def test_an_empty_folder_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, ["init", "."])
    assert shown.exit_code == 0
    assert "cd " not in shown.output
    assert (tmp_path / "qflib.toml").is_file()
    assert (tmp_path / STEPS).is_dir()


def test_a_notebook_outside_of_any_project_is_not_promoted(desk: Path, tmp_path: Path) -> None:
    book = tmp_path / "alone.ipynb"
    book.write_bytes((desk / "notebooks" / "promotion" / "first_step.ipynb").read_bytes())
    refused = CliRunner().invoke(app, ["promote", str(book)])
    assert isinstance(refused.exception, InputError)
    assert "lies in no project" in str(refused.exception)


def test_its_notebook_tells_its_story(desk: Path) -> None:
    book: Any = nbformat.read(desk / "notebooks" / "promotion" / "first_step.ipynb", as_version=4)
    config = Config({"KernelManager": {"transport_encryption": "auto"}})
    NotebookClient(book, kernel_name="python3", timeout=120, config=config).execute(cwd=str(desk / "notebooks"))
    every_result_shows_itself(book)
