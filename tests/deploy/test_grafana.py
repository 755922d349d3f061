"""Grafana's dashboards are what their table makes, and no picture lies on another."""

from __future__ import annotations

import json
from itertools import combinations

from tests.deploy.boards import boards


def test_the_files_are_the_table_s() -> None:
    for path, text in boards().files().items():
        assert path.read_text(encoding="utf-8") == text, f"python deploy/grafana/dashboards.py writes {path.name}"


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    for text in boards().files().values():
        panels = json.loads(text)["panels"]
        assert len({p["id"] for p in panels}) == len(panels)
        for a, b in combinations((p["gridPos"] for p in panels), 2):
            apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
            assert apart or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
