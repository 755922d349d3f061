"""What every executed notebook must show."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from docs.site.executed import NOTEBOOKS, execute

_DATA = Path(__file__).parents[1] / os.environ.get("QFLIB_TEST_DATA", "../shared/data")
#: With the recordings, and without any: where there are recordings, the latter is left to `make faults`.
MODES = [
    pytest.param("simulated", marks=[pytest.mark.faults] if _DATA.is_dir() else []),
    pytest.param("recorded", marks=pytest.mark.data),
]


def executed_as(name: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A notebook executed with the recordings, or with an empty folder in their place; `recorded` says which."""
    recorded = request.param == "recorded"
    folder = request.getfixturevalue("test_data") if recorded else tmp_path_factory.mktemp("none")
    book = execute(NOTEBOOKS / name, Path(folder))
    book.recorded = recorded
    return book


def every_result_shows_itself(book: Any) -> None:
    """A cell that ends in an expression shows HTML, and nothing warns."""
    for cell in book.cells:
        if cell.cell_type == "code" and isinstance(ast.parse(cell.source).body[-1], ast.Expr):
            shown = [o for o in cell.outputs if o.output_type in ("execute_result", "display_data")]
            assert any("text/html" in o.data for o in shown), cell.source
    assert "Warning" not in streams(book)


def streams(book: Any) -> str:
    """What was written, not shown."""
    return "".join(o.text for c in book.cells for o in c.get("outputs", []) if o.output_type == "stream")


def told(book: Any, kind: str) -> str:
    """What results show, as "text/html" or "text/plain"."""
    outputs = [o for c in book.cells for o in c.get("outputs", []) if o.output_type == "execute_result"]
    return "".join(str(o.data.get(kind, "")) for o in outputs)


def table(book: Any, words: str) -> pd.DataFrame:
    """The frame that the one cell with these words shows: numbers as such, the rest as text."""
    (cell,) = [c for c in book.cells if c.cell_type == "code" and words in c.source]
    (shown,) = [o.data["text/html"] for o in cell.outputs if o.output_type == "execute_result"]
    rows = BeautifulSoup(shown, "html.parser").find_all("tr")
    cells = [[c.get_text() for c in row.find_all(["th", "td"])] for row in rows]
    body = [row for row in cells[1:] if any(row[1:])]  # a named index has a row of its own
    made = pd.DataFrame([row[1:] for row in body], [row[0] for row in body], cells[0][1:])
    for name in made:
        numbers = pd.to_numeric(made[name].replace("NaN", "nan"), errors="coerce")
        if (numbers.notna() | made[name].eq("NaN")).all():
            made[name] = numbers
    return made
