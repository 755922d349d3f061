"""The first rung: the tagged cells in a fresh kernel, as the notebook's user has them."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from qflib.errors import MissingPartError
from qflib.promote.cells import Cells
from qflib.promote.fixture import Fixture
from qflib.promote.ladder import Computed, Rung

_TIMEOUT_S = 300


def notebook_rung(cells: Cells, fixture: Fixture, reference: Computed, name: str, topic_in: str) -> Rung:
    """Execute the cells in a kernel of their own, hand the fixture over whole there, compare the digests.

    Raises
    ------
    MissingPartError
        If no kernel can be started.
    """
    try:
        import nbclient
        import nbformat
        from traitlets.config import Config
    except ImportError:
        raise MissingPartError("a notebook's kernel needs nbclient; install it with `pip install nbclient`") from None
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="qflib-promote-") as folder:
        fixture.save(Path(folder))
        book = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
            cells=[nbformat.v4.new_code_cell(text) for text in (cells.source, _compare(folder, name, topic_in))],  # type: ignore[no-untyped-call]
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        try:
            nbclient.NotebookClient(
                book, kernel_name="python3", timeout=_TIMEOUT_S, resources={"metadata": {"path": folder}},
                config=Config({"KernelManager": {"transport_encryption": "auto"}}),
            ).execute()  # fmt: skip
        except nbclient.exceptions.CellExecutionError as e:
            return Rung(
                "notebook", False, f"the cell fails in a kernel: {e.ename}: {e.evalue}", time.perf_counter() - begun
            )
        told = json.loads(Path(folder, "told.json").read_text(encoding="utf-8"))
    first = ""
    if told != {"out": reference.digest, "state": reference.state_digest}:
        what = "outputs" if told["out"] != reference.digest else "the final state"
        first = f"{what} of the notebook's function have other bytes than those of the promoted file's"
    return Rung("notebook", not first, first, time.perf_counter() - begun)


def _compare(folder: str, name: str, topic_in: str) -> str:
    return f"""
import json as _json
from pathlib import Path as _Path
from qflib.promote.fixture import Fixture as _Fixture
from qflib.promote.ladder import compute as _compute, inputs_of as _inputs_of, whole as _whole
from qflib.steps.promoted.definition import Definition as _Definition
_fixture = _Fixture.load(_Path({folder!r}))
_step = _Definition.of(dict(globals()), name={name!r}, topic_in={topic_in!r})
_made = _compute(_step, _fixture.instruments, _whole(_inputs_of(_step, _fixture.batches)))
_Path({folder!r}, "told.json").write_text(_json.dumps({{"out": _made.digest, "state": _made.state_digest}}))
"""
