"""Holds a bill of materials against CycloneDX's own schema, which its Python library carries.

uv run --frozen --no-sync --with cyclonedx-python-lib==VERSION python deploy/check_sbom.py FILE
"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any


def wrong(document: dict[str, Any]) -> list[str]:
    """What the schema of the document's version says against it."""
    import jsonschema_rs

    folder = files("cyclonedx.schema._res")

    def schema(uri: str) -> Any:
        return json.loads((folder / uri.rpartition("/")[2]).read_text(encoding="utf-8"))

    whole = schema(f"bom-{document['specVersion']}.SNAPSHOT.schema.json")
    return [
        str(e).partition("\n")[0] for e in jsonschema_rs.validator_for(whole, retriever=schema).iter_errors(document)
    ]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python deploy/check_sbom.py FILE")
    found = wrong(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print(f"{sys.argv[1]}: {len(found)} against the schema of CycloneDX", *found[:5], sep="\n  ")
    sys.exit(int(bool(found)))
