"""The page of threats: each line names what is done, and is shown by a test that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "security.md"


def threats() -> list[list[str]]:
    text = PAGE.read_text(encoding="utf-8").partition("## What could happen")[2].partition("\n## ")[0]
    rows = [
        [c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines() if line.startswith("| ")
    ]
    return rows[1:]


@pytest.mark.parametrize("row", threats(), ids=lambda r: r[0])
def test_each_threat_is_met_and_shown(row: list[str]) -> None:
    _, done, shown, _ = row
    assert done
    files = re.findall(r"\]\(([^)]+)\)", shown)
    assert files
    assert all((PAGE.parent / f).exists() for f in files)
    by_hand = "by hand" in shown or "make chart" in shown
    assert by_hand or any("/tests/" in f for f in files)


def test_there_are_threats() -> None:
    assert len(threats()) > 15
