"""The quickstart's notebook: the page's own lines in the page's order, and it runs from the top."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from traitlets.config import Config

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "00_quickstart.ipynb"
SPAN = '"10min"'


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
def test_notebooks_are_kept_clean(file: Path) -> None:
    told = json.loads(file.read_text(encoding="utf-8"))
    assert all(not c["outputs"] and c["execution_count"] is None for c in told["cells"] if c["cell_type"] == "code")
    assert set(told["metadata"]) <= {"kernelspec", "language_info"}
    assert told["metadata"]["kernelspec"]["name"] == "python3"
    assert all(set(c["metadata"]) <= {"tags"} for c in told["cells"])
    kinds = [c["cell_type"] for c in told["cells"]]
    assert kinds[0] == "markdown"
    nbformat.validate(nbformat.reads(json.dumps(told), as_version=4))


@pytest.fixture(scope="module")
def executed() -> Any:
    """Two minutes of market, not ten: `test_quickstart` runs the page whole."""
    book = nbformat.read(NOTEBOOK, as_version=4)
    book.cells = [c for c in book.cells if "live" not in c.metadata.get("tags", [])]
    text = "".join(c.source for c in book.cells)
    assert text.count(SPAN) == 1
    for cell in book.cells:
        cell.source = cell.source.replace(SPAN, '"2min"')
    config = Config({"KernelManager": {"transport_encryption": "auto"}})
    NotebookClient(book, kernel_name="python3", timeout=300, config=config).execute()
    return book


def test_every_result_shows_itself(executed: Any) -> None:
    for cell in executed.cells:
        if cell.cell_type == "code" and isinstance(ast.parse(cell.source).body[-1], ast.Expr):
            shown = [o for o in cell.outputs if o.output_type == "execute_result"]
            assert shown, cell.source
            assert "text/html" in shown[0].data, cell.source
    streams = [o.text for c in executed.cells for o in c.get("outputs", []) if o.output_type == "stream"]
    assert "Warning" not in "".join(streams)


def test_long_calls_show_bars(executed: Any) -> None:
    told = "".join(o.text for c in executed.cells for o in c.get("outputs", []) if o.output_type == "stream")
    for name in ("book ACME.F", "books", "desk"):
        assert re.search(rf"{name}: +\d+%.*market s", told), name
