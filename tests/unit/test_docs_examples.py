"""Nothing in the pages is only words: each page's Python is run by a test, and each command has what is told of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from qflib.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [*(ROOT / f"{n}.md" for n in ("README", "CONTRIBUTING", "SECURITY")), *sorted((ROOT / "docs").glob("*.md"))]
TESTS = "".join(f.read_text(encoding="utf-8") for f in (ROOT / "tests").rglob("test_*.py"))
COMMAND = typer.main.get_command(app)


def commands(page: Path) -> list[str]:
    """What the page says one may type: inline, or a line of a block; its comment left out."""
    text = page.read_text(encoding="utf-8")
    inline = re.findall(r"`(?:\.venv/bin/)?(qflib [^`]+)`", text)
    blocks = re.findall(r"^(?:\.venv/bin/)?(qflib [^#\n]+)", text, re.MULTILINE)
    return [" ".join(c.replace("\\|", "|").split()) for c in inline + blocks]


EVERY = sorted({(page.name, c) for page in PAGES for c in commands(page)})


@pytest.mark.parametrize(
    "page", [p for p in PAGES if "```python" in p.read_text(encoding="utf-8")], ids=lambda p: p.name
)
def test_a_pages_python_is_run(page: Path) -> None:
    assert page.relative_to(ROOT).as_posix().removeprefix("docs/") in TESTS, "no test names this page"


@pytest.mark.parametrize(("page", "told"), EVERY, ids=[f"{p}: {c}" for p, c in EVERY])
def test_a_command_has_what_is_told_of_it(page: str, told: str) -> None:
    at: Any = COMMAND
    words = told.replace("[", " ").replace("]", " ").split()[1:]
    while words and hasattr(at, "commands") and not words[0].startswith("-"):
        name, *others = words.pop(0).split("|")
        for other in others:  # `broker start|stop`
            assert other in at.commands, f"{at.name} has no {other}"
        assert name in at.commands, f"{page}: qflib has no {name}"
        at = at.commands[name]
    flags = {o for p in at.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
    for flag in (w.split("=")[0] for w in words if w.startswith("--")):
        assert flag in flags, f"{page}: {at.name} has no {flag}"


def test_the_site_has_every_page_and_notebook() -> None:
    nav = set(re.findall(r": (\S+\.(?:md|ipynb))$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    pages = {f.name for f in (ROOT / "docs").glob("*.md")}
    notebooks = {f.relative_to(ROOT).as_posix() for f in (ROOT / "notebooks").rglob("*.ipynb")}
    assert pages | notebooks <= nav, "give these a place in the nav of mkdocs.yml"


def test_commands_are_found() -> None:
    assert ("README.md", "qflib up --source sim") in EVERY
    assert len(EVERY) > 40
