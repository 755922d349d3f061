"""The page of what the system must have: links lead somewhere, every line is shown by a test or waits for an issue."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*(ROOT / f"{n}.md" for n in ("README", "CONTRIBUTING", "SECURITY")), *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def rows() -> list[list[str]]:
    lines = (ROOT / "docs/coverage.md").read_text(encoding="utf-8").splitlines()
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [c for c in cells if c[2] != "shown by"]


@pytest.mark.parametrize("row", rows(), ids=lambda r: r[0])
def test_each_line_has_a_test_or_an_issue(row: list[str]) -> None:
    _, where, shown = row
    waits = re.search(r"issue (4|5|6|7|8|9|10)\b", shown)
    assert waits or ("](../tests/" in shown and where)


@pytest.mark.parametrize(
    "topic",
    ["market.data.raw", "market.data.normalized", "orders.incoming", "orders.executed", "risk.metrics",
     "analytics.results"],
)  # fmt: skip
def test_every_topic_has_its_line(topic: str) -> None:
    assert any(row[0] == f"`{topic}`" for row in rows())
