"""Writes the schemas beside it anew, from the modules that hold them: `python deploy/helm/schemas/vendor.py`, with Go.

Descriptions are left out, and unknown fields closed. Strimzi's, which no registry has, were made by hand (README.md).
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
_OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
_CRDS = "example/prometheus-operator-crd/monitoring.coreos.com_{}.yaml"
#: Go modules at their versions, and the file of each custom resource in them.
SOURCES = {
    "ScaledObject": ("github.com/kedacore/keda/v2@v2.21.0", "config/crd/bases/keda.sh_scaledobjects.yaml"),
    "ServiceMonitor": (_OPERATOR, _CRDS.format("servicemonitors")),
    "PrometheusRule": (_OPERATOR, _CRDS.format("prometheusrules")),
}
COMPOSE = ("github.com/compose-spec/compose-go/v2@v2.16.2", "schema/compose-spec.json")


def module(name: str) -> Path:
    """Where a Go module lies, fetched where it is not yet, and held to its sum."""
    told = subprocess.run(["go", "mod", "download", "-json", name], check=True, capture_output=True, cwd="/")
    return Path(json.loads(told.stdout)["Dir"])


def strict(schema: Any) -> Any:
    """A structural schema under which an unknown field is a fault, as `kubectl` has it."""
    if isinstance(schema, list):
        return [strict(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    made = {k: strict(v) for k, v in schema.items() if k != "description" or not isinstance(v, str)}
    closed = made.get("type") == "object" and not made.get("x-kubernetes-preserve-unknown-fields")
    if closed and "additionalProperties" not in made and "metadata" not in made.get("properties", {"metadata": 0}):
        made["additionalProperties"] = False
    if isinstance(made.get("pattern"), str):  # Go allows flags after the beginning
        made["pattern"] = made["pattern"].replace("^(?i)", "(?i)^")
    if made.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
    return made


def main() -> None:
    """Write them all."""
    for kind, (name, path) in SOURCES.items():
        crd = yaml.safe_load((module(name) / path).read_text(encoding="utf-8"))["spec"]
        schema = strict(crd["versions"][0]["schema"]["openAPIV3Schema"])
        schema["properties"].pop("status", None)
        (HERE / f"{kind}.json").write_text(json.dumps(schema, separators=(",", ":")) + "\n", encoding="utf-8")
    text = (module(COMPOSE[0]) / COMPOSE[1]).read_text(encoding="utf-8")
    made = without_words(json.loads(text))
    (HERE / "compose.json").write_text(json.dumps(made, separators=(",", ":")) + "\n", encoding="utf-8")


def without_words(schema: Any) -> Any:
    """A schema without its descriptions."""
    if isinstance(schema, list):
        return [without_words(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    return {k: without_words(v) for k, v in schema.items() if k != "description" or not isinstance(v, str)}


if __name__ == "__main__":
    main()
