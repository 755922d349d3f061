"""The quickstart's notebook: the page's own lines in the page's order, and it runs from the top."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from docs.site.executed import execute, shortened
from tests.notebooks import streams

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "00_quickstart.ipynb"


def sources(tagged: bool) -> list[str]:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    return [c.source for c in cells if c.cell_type == "code" and ("live" in c.metadata.get("tags", [])) == tagged]


def statements(code: str) -> list[str]:
    """Each statement, each part of a tuple shown and each import by itself; without the bars that a notebook shows."""
    out: list[str] = []
    for node in ast.parse(code).body:
        parts: list[ast.AST] = [node]
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Tuple):
            parts = list(node.value.elts)
        elif isinstance(node, ast.Import):
            parts = [ast.Import([name]) for name in node.names]
        out += [ast.unparse(part).replace(", progress=True", "") for part in parts]
    return out


def test_it_goes_the_pages_way() -> None:
    page = "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / "docs/quickstart.md").read_text(), re.DOTALL))
    said = iter(statements("\n".join(sources(tagged=False))))
    missing = [wanted for wanted in statements(page) if wanted not in said]  # `in` goes on from the last one found
    assert not missing
    assert "qf.connect()" in "\n".join(sources(tagged=True))


@pytest.mark.parametrize("file", sorted((ROOT / "notebooks").rglob("*.ipynb")), ids=lambda f: f.stem)
def test_each_notebook_is_executed_by_a_test(file: Path) -> None:
    """Or it is a job's: tests run those."""
    tests = "".join(t.read_text() for t in (ROOT / "tests").rglob("test_*.py"))
    jobs = "".join(j.read_text() for j in (ROOT / "pipelines" / "jobs").glob("*.toml"))
    assert f"{file.stem}.ipynb" in tests + jobs


@pytest.mark.parametrize("file", sorted((ROOT / "notebooks").rglob("*.ipynb")), ids=lambda f: f.stem)
def test_notebooks_are_kept_clean(file: Path) -> None:
    """Without outputs, too: `make lint` holds that by nbstripout."""
    told = json.loads(file.read_text(encoding="utf-8"))
    assert set(told["metadata"]) <= {"kernelspec", "language_info"}
    assert told["metadata"]["kernelspec"]["name"] == "python3"
    assert all(set(c["metadata"]) <= {"tags"} for c in told["cells"])
    kinds = [c["cell_type"] for c in told["cells"]]
    assert kinds[0] == "markdown"
    nbformat.validate(nbformat.reads(json.dumps(told), as_version=4))


@pytest.fixture(scope="module")
def executed() -> Any:
    """Two minutes of market, not ten: `test_quickstart` runs the page whole."""
    assert shortened(NOTEBOOK)
    return execute(NOTEBOOK)


def test_every_result_shows_itself(executed: Any) -> None:
    for cell in executed.cells:
        if cell.cell_type == "code" and isinstance(ast.parse(cell.source).body[-1], ast.Expr):
            shown = [o for o in cell.outputs if o.output_type == "execute_result"]
            assert shown, cell.source
            assert "text/html" in shown[0].data, cell.source
    assert "Warning" not in streams(executed)


def test_long_calls_show_bars(executed: Any) -> None:
    for name in ("book ACME.F", "books", "desk"):
        assert re.search(rf"{name}: +\d+%.*market s", streams(executed)), name
