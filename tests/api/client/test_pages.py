"""Lines of the pages that ask a running desk, run against one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import qflib as qf
from qflib.api.client import ApiError
from tests.api.stream.playing import Playing, playing

ROOT = Path(__file__).parents[3]
#: A desk that is played keeps no history: what asks for it is refused, and for nothing else.
OF_HISTORY = (
    "live.history(", "live.hedges(", "live.outcomes(", "live.components(", "live.evidence(", "live.forecasts(", "last=",
)  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playing]:
    with playing(tmp_path_factory.mktemp("api"), n=10**9) as made:
        yield made


@pytest.mark.parametrize("page", ["README.md", "docs/faces.md", "docs/paper_trading.md"])
def test_lines_that_ask_a_desk(desk: Playing, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    asking = [b for b in blocks if "live = qf.connect()" in b]
    assert asking
    monkeypatch.setenv("QFLIB_API_URL", desk.url)
    monkeypatch.setenv("QFLIB_API_KEY", desk.key)
    scope: dict[str, Any] = {"qf": qf}
    for block in asking:
        for statement in ast.parse(block).body:
            shown = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Tuple)
            for part in statement.value.elts if shown else [statement]:  # type: ignore[attr-defined]
                run(ast.unparse(part), scope)
        scope.pop("live").close()


def run(said: str, scope: dict[str, Any]) -> None:
    try:
        exec(f"made = {said}" if said.startswith(("live.", "next(")) else said, scope)
    except ApiError as e:
        if e.code != "no_history" or not any(word in said for word in OF_HISTORY):
            raise
    else:
        if hasattr(scope.get("made"), "stop"):
            scope["made"].stop()
