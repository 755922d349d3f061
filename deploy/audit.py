"""What the lock brings: each file pinned by its sum, and none with a known vulnerability, where these can be asked for.

    uv run --frozen --no-sync --with pip-audit==VERSION python deploy/audit.py REQUIREMENTS

REQUIREMENTS is the lock as `uv export` writes it. pip-audit says "no known vulnerabilities" also where it was told
nothing at all, so it is first asked for a version that has some: only who names these is believed. Exit codes: 0 in
order (also where nobody could be asked: that is said), 1 a missing sum, a vulnerability, or no report of somebody who
answers, 2 wrong use.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
#: A version whose vulnerabilities have been known for years.
CANARY = ("jinja2", "2.4.1")
#: Vulnerabilities that do not touch this project: the id, and why.
BORNE: dict[str, str] = {}
#: Licences that would bind who uses the library; the lesser one binds the library that has it alone.
_COPYLEFT = re.compile(r"(?<!L)(?<!Lesser )\b(?:A?GPL|GNU (?:Affero )?General Public)", re.IGNORECASE)
_SERVICES = ("pypi", "osv")


def unpinned(lock: str) -> list[str]:
    """Packages of a uv.lock that come from elsewhere than a registry, or whose files have no SHA-256."""
    found = []
    for package in tomllib.loads(lock)["package"]:
        name, source = package["name"], package["source"]
        if source == {"editable": "."}:  # this project
            continue
        files = [*([package["sdist"]] if "sdist" in package else []), *package.get("wheels", [])]
        if "registry" not in source:
            found.append(f"{name} comes from {source}, which pins no file")
        elif not files:
            found.append(f"{name} has no files")
        found += [f"{name}: {f['url'].rpartition('/')[2]} has no SHA-256" for f in files
                  if not re.fullmatch(r"sha256:[0-9a-f]{64}", f.get("hash", ""))]  # fmt: skip
    return found


def closure(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Distributions that one needs at run time here, by their canonical names, its own left out."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    seen: set[tuple[str, frozenset[str]]] = set()
    todo = [(canonicalize_name(name), extras)]
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        for line in metadata.requires(at[0]) or []:
            r = Requirement(line)
            if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in ("", *at[1])):
                todo.append((canonicalize_name(r.name), frozenset(r.extras)))
    return {n for n, _ in seen} - {canonicalize_name(name)}


def licences(told: metadata.PackageMetadata) -> list[str]:
    """What a distribution says its licences are: one expression, else its classifiers, else its own words."""
    if expression := told.get("License-Expression"):
        return [str(expression)]
    classified = [c.rpartition("::")[2].strip() for c in told.get_all("Classifier") or [] if c.startswith("License ::")]
    plain = str(told.get("License") or "").partition("\n")[0].strip()
    return classified or ([plain] if plain else [])


def licence(name: str) -> str:
    """What an installed distribution says its licence is; empty: nothing."""
    return ", ".join(licences(metadata.metadata(name)))


def copyleft(names: set[str]) -> list[str]:
    """Those of installed distributions whose licence would bind who uses them, or that tell none."""
    told = {n: licence(n) for n in sorted(names)}
    return [f"{n}: {t or 'tells no licence'}" for n, t in told.items() if not t or _COPYLEFT.search(t)]


def vulnerable(report: dict[str, Any]) -> list[str]:
    """What a report of pip-audit finds, but for what is borne."""
    return [
        f"{d['name']} {d['version']}: {v['id']}, mended in {', '.join(v['fix_versions']) or 'no version'}"
        for d in report["dependencies"]
        for v in d.get("vulns", ())
        if not BORNE.keys() & {v["id"], *v.get("aliases", ())}
    ]


def asked(requirements: Path, service: Sequence[str], *more: str) -> dict[str, Any] | str:
    """pip-audit's report; where it made none, what it said instead."""
    flags = ["--disable-pip", "--progress-spinner", "off", "--timeout", "10", "--format", "json", *more]
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements), *service, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}, without a word"
    return report


def services(osv_url: str | None) -> Iterator[list[str]]:
    """Those that know the canary's vulnerabilities, and so know any."""
    wanted = [["--vulnerability-service", s] for s in _SERVICES]
    if osv_url is not None:
        wanted = [["--vulnerability-service", "osv", "--osv-url", osv_url]]
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder, "canary.txt")
        canary.write_text("{}=={}\n".format(*CANARY), encoding="utf-8")
        for service in wanted:
            report = asked(canary, service, "--no-deps")
            if not isinstance(report, str) and vulnerable(report):
                yield service


def main(arguments: Sequence[str]) -> int:
    """Look, tell, and give the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("requirements", type=Path)
    parser.add_argument("--osv-url", help="an OSV service of one's own")
    given = parser.parse_args(arguments)
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    wrong = unpinned(lock)
    print(f"lock: {len(tomllib.loads(lock)['package']) - 1} packages, {len(wrong)} without a sum")
    needed = closure("qflib")
    bound = copyleft(needed)
    print(f"licences: {len(needed)} packages at run time, {len(bound)} that bind who uses them")
    wrong += bound
    service = next(services(given.osv_url), None)
    report = None if service is None else asked(given.requirements, service, "--require-hashes")
    if report is None:
        print(f"vulnerabilities: NOT LOOKED UP, as nobody within reach knows those of {' '.join(CANARY)}")
    elif isinstance(report, str):  # who knew the canary is there: that is no service out of reach
        print(f"vulnerabilities: NOT LOOKED UP, though {service} answers")
        wrong.append(f"pip-audit made no report of {given.requirements}: {report}")
    else:
        found, rows = vulnerable(report), report["dependencies"]
        left_out = sum("skip_reason" in d for d in rows)
        print(f"vulnerabilities: {len(found)} in {len(rows)} packages, {left_out} of them unknown to {service}")
        wrong += found
    for line in wrong:
        print(f"  {line}", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
