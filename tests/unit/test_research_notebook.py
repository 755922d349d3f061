"""The research notebook on hedging runs from the top, with the recordings and without, and every cell shows itself."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from traitlets.config import Config

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "research" / "hedging.ipynb"


@pytest.fixture(scope="module", params=["simulated", pytest.param("recorded", marks=pytest.mark.data)])
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    recorded = request.param == "recorded"
    folder = request.getfixturevalue("test_data") if recorded else tmp_path_factory.mktemp("none")
    book = nbformat.read(NOTEBOOK, as_version=4)
    config = Config({"KernelManager": {"transport_encryption": "auto"}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QFLIB_DATA", str(Path(folder).resolve()))
        NotebookClient(book, kernel_name="python3", timeout=300, config=config).execute()
    book.recorded = recorded
    return book


def told(book: Any, kind: str) -> str:
    outputs = [o for c in book.cells for o in c.get("outputs", []) if o.output_type == "execute_result"]
    return "".join(str(o.data.get(kind, "")) for o in outputs)


def test_every_result_shows_itself(executed: Any) -> None:
    for cell in executed.cells:
        if cell.cell_type == "code" and isinstance(ast.parse(cell.source).body[-1], ast.Expr):
            shown = [o for o in cell.outputs if o.output_type in ("execute_result", "display_data")]
            assert any("text/html" in o.data for o in shown), cell.source
    streams = [o.text for c in executed.cells for o in c.get("outputs", []) if o.output_type == "stream"]
    assert "Warning" not in "".join(streams)
    assert ("recorded: Deribit" in told(executed, "text/html")) == executed.recorded
    assert ("recorded: SPXW" in told(executed, "text/html")) == executed.recorded


def test_its_pictures_are_there(executed: Any) -> None:
    assert told(executed, "text/plain").count("Scatter") >= 6
    for name in ("Curve.Current", "Curve.Target", "Rectangles.Unexplained", "Bars.Coins"):
        assert name in told(executed, "text/plain"), name
