"""The bill of materials names all that the lock and the table of jars pin, each by its sum."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from qflib.broker.jars import pinned
from tests.deploy.tools import ROOT, loaded

sbom = loaded("sbom.py")
_JARS = tomllib.loads(sbom.JARS.read_text(encoding="utf-8"))["jars"]


def exported(at: str) -> dict[str, Any]:
    """As uv exports it, of one package of the lock."""
    package = next(
        p for p in tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"] if p["name"] == "numpy"
    )
    files = [{"type": "distribution", "url": f["url"],
              "hashes": [{"alg": "SHA-256", "content": f["hash"].removeprefix("sha256:")}]}
             for f in [package["sdist"], *package["wheels"]]]  # fmt: skip
    one = {"type": "library", "bom-ref": "numpy-1", "name": "numpy", "version": package["version"],
           "purl": f"pkg:pypi/numpy@{package['version']}", "externalReferences": files}  # fmt: skip
    head = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "serialNumber": f"urn:uuid:{at}"}
    return head | {"metadata": {"timestamp": at}, "components": [one]}


def test_packages_and_jars_stand_with_their_sums() -> None:
    made = sbom.sbom(exported("2026-01-05"), _JARS)
    numpy, *jars = made["components"]
    assert numpy["hashes"] == numpy["externalReferences"][0]["hashes"]
    assert f"sha256:{numpy['hashes'][0]['content']}" in (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert numpy["externalReferences"][0]["url"].endswith(".whl")  # the file for this Python, not the source
    assert numpy["licenses"]
    assert [(j["name"], j["hashes"][0]["content"]) for j in jars] == [
        (name.split(":")[1], sha256) for name, (_, sha256) in _JARS.items()
    ]
    assert len(jars) == len(pinned())


def test_the_same_lock_gives_the_same_bytes() -> None:
    first, second = (sbom.sbom(exported(at), _JARS) for at in ("2026-01-05", "2026-01-06"))
    assert json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    other = sbom.sbom(exported("2026-01-05"), dict(list(_JARS.items())[1:]))
    assert other["serialNumber"] != first["serialNumber"]
