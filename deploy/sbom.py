"""The bill of materials: what the lock installs and Kafka's jars, as CycloneDX 1.5; the same lock gives the same bytes.

    uv export --frozen --format cyclonedx1.5 --output-file IN
    python deploy/sbom.py IN OUT

Of each package stands the sum of the file that this Python takes, and the licence that the installed one tells.
"""

from __future__ import annotations

import json
import sys
import tomllib
import uuid
from importlib import metadata
from pathlib import Path
from typing import Any

from audit import licences  # beside this file
from packaging.tags import sys_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

JARS = Path(__file__).parents[1] / "qflib" / "broker" / "jars.toml"


def sbom(exported: dict[str, Any], jars: dict[str, Any]) -> dict[str, Any]:
    """The document: uv's, one file a package, with the jars, without the time and chance of its making."""
    order = {tag: k for k, tag in enumerate(sys_tags())}
    made = exported | {"components": [*(_package(c, order) for c in exported["components"]), *map(_jar, *_rows(jars))]}
    made["metadata"] = {k: v for k, v in exported["metadata"].items() if k != "timestamp"}
    made.pop("serialNumber", None)
    content = json.dumps(made, sort_keys=True)
    return made | {"serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}"}


def _package(c: dict[str, Any], order: dict[Any, int]) -> dict[str, Any]:
    files = [f for f in c.get("externalReferences", ()) if f["type"] == "distribution"]
    best = min(files, key=lambda f: _rank(f["url"], order), default=None)
    made = {k: v for k, v in c.items() if k != "externalReferences"}
    if best is not None:
        made |= {"hashes": best["hashes"], "externalReferences": [best]}
    if told := _licence(c["name"], c["version"]):
        made["licenses"] = told
    return made


def _rank(url: str, order: dict[Any, int]) -> int:
    """Wheels as pip prefers them, then the source; last what this Python cannot take."""
    name = url.rpartition("/")[2]
    try:
        tags = parse_wheel_filename(name)[3]
    except InvalidWheelFilename:
        return len(order)
    return min((order[t] for t in tags if t in order), default=len(order) + 1)


def _licence(name: str, version: str) -> list[dict[str, Any]]:
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return []
    if told["Version"] != version:
        return []
    if told.get("License-Expression"):
        return [{"expression": licences(told)[0]}]
    return [{"license": {"name": n}} for n in licences(told)]


def _rows(jars: dict[str, Any]) -> tuple[list[str], list[str]]:
    return list(jars), [sha256 for _, sha256 in jars.values()]


def _jar(name: str, sha256: str) -> dict[str, Any]:
    group, artifact, version = name.split(":")
    purl = f"pkg:maven/{group}/{artifact}@{version}"
    return {
        "type": "library", "bom-ref": purl, "group": group, "name": artifact, "version": version, "purl": purl,
        "scope": "optional",  # of the local broker: not where an existing cluster is used
        "hashes": [{"alg": "SHA-256", "content": sha256}],
    }  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python deploy/sbom.py IN OUT")
    told = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    document = sbom(told, tomllib.loads(JARS.read_text(encoding="utf-8"))["jars"])
    Path(sys.argv[2]).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    of_jars = len(document["components"]) - len(told["components"])
    print(
        f"{sys.argv[2]}: {len(document['components'])} components: {len(told['components'])} packages, {of_jars} jars"
    )
