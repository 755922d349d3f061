"""Prometheus by its address."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from typing import Any


def queried(address: str, expression: str) -> list[dict[str, Any]]:
    """What Prometheus gives for an expression now."""
    asked = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"http://{address}/api/v1/query?{asked}", timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found
