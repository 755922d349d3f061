"""`qflib promote` from end to end: kernel, Kafka, files, locks, drift."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from qflib.cli.main import app
from qflib.errors import DataError, InputError, StateError
from qflib.project import STEPS, project
from qflib.promote import lock
from qflib.promote.candidate import Candidate
from qflib.promote.registry import one, registered

ROOT = Path(__file__).parents[2]
BOOKS = sorted((ROOT / "notebooks" / "promotion").glob("*.ipynb"))
RUNGS = ["whole", "random_cuts", "one_by_one", "restore", "apart", "bounds", "notebook", "kafka"]


def run(*argv: str) -> tuple[int, Any]:
    made = CliRunner().invoke(app, ["promote", *argv, "--json"])
    return made.exit_code, json.loads(made.stdout) if made.stdout.startswith("{") else made


def alike(name: str) -> bool:
    """Whether this is a machine as the lock was made on: another processor's market has other last bits."""
    return lock.libraries() == dict(one(name, ROOT).told["libraries"])


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A project of one's own with a copy of the steps that ship."""
    shutil.copytree(ROOT / "notebooks" / "promotion", tmp_path / "notebooks" / "promotion")
    shutil.copytree(ROOT / STEPS, tmp_path / STEPS)
    return tmp_path


def edited(book: Path, old: str, new: str) -> Path:
    text = book.read_text()
    assert text.count(old) == 1
    book.write_text(text.replace(old, new))
    return book


@pytest.mark.parametrize("book", BOOKS, ids=lambda b: b.stem)
def test_what_ships_holds_on_every_rung(book: Path) -> None:
    code, told = run(str(book), "--check")
    assert told["violations"] == []
    if alike(book.stem):
        assert told["drift"] == []
    [step] = told["steps"]
    assert step == {"name": book.stem, "rungs": dict.fromkeys(RUNGS, True), "first_difference": None}
    assert code == (1 if told["drift"] else 0)


def test_a_notebook_becomes_a_step_of_its_project(own: Path) -> None:
    shutil.rmtree(own / "pipelines")
    (own / "pipelines").mkdir()
    book = own / "notebooks" / "promotion" / "realised_vol.ipynb"
    assert project(book.parent) == own
    code, told = run(str(book), "--name", "vol_again")
    assert (code, told["ok"]) == (0, True)
    found = one("vol_again", own)
    assert found.definition().figures == ("vol", "jump")
    assert found.told["source"]["notebook"] == "notebooks/promotion/realised_vol.ipynb"
    if alike("realised_vol"):
        assert found.told["outputs"] == one("realised_vol", ROOT).told["outputs"]
    assert sorted(p.name for p in (own / STEPS).iterdir()) == ["vol_again.lock.toml", "vol_again.py"]


def test_a_violation_ends_it_before_anything_runs(own: Path) -> None:
    book = edited(own / "notebooks" / "promotion" / "realised_vol.ipynb", "import numpy as np", "import pandas as np")
    code, told = run(str(book))
    assert (code, told["ok"], told["steps"]) == (1, False, [])
    [first, *_] = told["violations"]
    assert (first["rule"], first["cell"], first["line"]) == ("import", 4, 1)
    assert "pandas may not be imported" in first["message"]


def test_drift_is_told_either_way(own: Path) -> None:
    book = own / "notebooks" / "promotion" / "realised_vol.ipynb"
    before = Candidate.of(book, own)
    definition = one("realised_vol", own).definition()
    sha = before.former.told["fixture"]["sha256"]  # type: ignore[union-attr]
    made = type("Made", (), {})()
    made.out, outputs = [None] * before.former.told["outputs"]["rows"], before.former.told["outputs"]  # type: ignore[union-attr]
    made.digest, made.state_digest = outputs["out_sha256"], outputs["state_sha256"]
    assert before.drift(definition, sha, made) == []
    made.digest = "0" * 64
    assert "outputs or state have other bytes" in before.drift(definition, sha, made)[0]
    made.digest = outputs["out_sha256"]
    assert "stream it was tried on" in before.drift(definition, "0" * 64, made)[0]
    edited(book, 'half_life_s\\": 10.0', 'half_life_s\\": 11.0')
    assert "the notebook's cell is not the one promoted" in Candidate.of(book, own).drift(definition, sha, made)[0]
    assert "+PARAMS" in Candidate.of(book, own).diff()
    file = own / STEPS / "realised_vol.py"
    file.write_text(file.read_text() + "# by hand\n")
    with pytest.raises(DataError, match="was changed by hand"):
        one("realised_vol", own).definition()
    assert any("changed by hand" in d for d in Candidate.of(book, own).drift(definition, sha, made))


def test_a_changed_state_asks_for_a_version(own: Path) -> None:
    book = edited(
        own / "notebooks" / "promotion" / "realised_vol.ipynb",
        '(\\"rows\\", \\"i8\\"),',
        '(\\"rows\\", \\"i8\\"), (\\"more\\", \\"f8\\"),',
    )
    scope: dict[str, Any] = {}
    candidate = Candidate.of(book, own)
    exec(compile(candidate.cells.source, "cell", "exec"), scope)
    from qflib.steps.promoted.definition import Definition

    with pytest.raises(InputError, match="set VERSION = 2 and define migrate"):
        candidate.check_version(Definition.of(scope, name="realised_vol"))
    with pytest.raises(InputError, match=r"define migrate\(old\)"):
        candidate.check_version(Definition.of(scope | {"VERSION": 2}, name="realised_vol"))
    with pytest.raises(StateError, match="laid out as"):
        candidate.check_version(Definition.of(scope | {"VERSION": 2, "migrate": lambda old: old}, name="realised_vol"))

    def migrate(old: Any) -> Any:
        return np.zeros(len(old), scope["State"])

    candidate.check_version(Definition.of(scope | {"VERSION": 2, "migrate": migrate}, name="realised_vol"))


def test_names_and_topics_are_checked(own: Path) -> None:
    book = own / "notebooks" / "promotion" / "realised_vol.ipynb"
    with pytest.raises(InputError, match=r"--topic-in 'risk\.metrics' is none a step reads"):
        Candidate.of(book, own, topic_in="risk.metrics")
    with pytest.raises(InputError, match=r"--topic-out 'market\.data\.raw' is none a step writes"):
        Candidate.of(book, own, topic_out="market.data.raw")
    with pytest.raises(InputError, match="give this one another --name"):
        Candidate.of(book, own, name="flow_strategy").named(one("flow_strategy", own).definition())
    with pytest.raises(InputError, match="is not promoted; there are flow_strategy, realised_vol"):
        one("other", own)


def test_a_lock_that_is_none_says_so(own: Path) -> None:
    path = own / STEPS / "realised_vol.lock.toml"
    told, whole = lock.read(path), path.read_text()
    assert told["libraries"]["numba"]
    path.write_text("format = 2\n")
    with pytest.raises(DataError, match="has format 2"):
        registered(own)
    for torn in (
        "format = 1\n",
        whole.replace("[source]", "[sources]"),
        whole.replace("cell_sha256", "cell"),
        whole.replace("version = 1", 'version = "one"'),
        whole[: whole.index("[source]")] + "source = 3\n" + whole[whole.index("[layout]") :],
    ):
        path.write_text(torn)
        with pytest.raises(DataError, match="is no lock"):
            registered(own)
    path.unlink()
    assert list(registered(own)) == ["flow_strategy"]
