"""`qflib verify`: the library's figures against a file of verified ones."""

from __future__ import annotations

import json as jsonlib
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from qflib.cli.output import emit, plain, table
from qflib.errors import DataError, QflibError

EXAMPLE = "Example: qflib verify vectors/shortfall.json --json"

_ROUNDING = 1e-15  # relative: a figure printed and read back


def command(
    file: Annotated[Path, typer.Argument(help="Vectors (JSON).")],
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Compare every vector of a file; exit code 1 where one fails. A vector without a tolerance is never passed."""
    report = verify(file)
    if json:
        emit(report)
    else:
        wrong = [(r["group"], r["name"], r["why"]) for r in report["results"] if r["status"] == "failed"]
        if wrong:
            table("failed", ("group", "name", "why"), wrong)
        print(
            f"{report['total']} vectors: {report['passed']} passed, {report['failed']} failed, "
            f"{report['not_covered']} not covered, {report['computed']} computed"
        )
        if report["not_built"]:
            print(f"groups not built yet: {', '.join(report['not_built'])}")
    if report["failed"]:
        raise typer.Exit(1)


def verify(file: str | Path) -> dict[str, Any]:
    """Every vector of a file, computed and compared.

    Parameters
    ----------
    file
        JSON with ``vectors``: each has name, group, expected, tolerance, and inputs or calls.

    Returns
    -------
    dict
        total, passed, failed, not_covered, computed, not_built (groups), results.

    Raises
    ------
    DataError
        If the file is missing, not JSON, or has no vectors.
    """
    try:
        vectors = jsonlib.loads(Path(file).read_text(encoding="utf-8"))["vectors"]
    except FileNotFoundError:
        raise DataError(f"vector file {file} does not exist; give a JSON file with vectors") from None
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise DataError(f"vector file {file} is not JSON with a list `vectors` ({e})") from None
    if not isinstance(vectors, list) or not all(
        isinstance(v, dict) and {"name", "group", "expected"} <= set(v) for v in vectors
    ):
        raise DataError(f"vector file {file} has vectors without name, group or expected; each needs the three")
    results = [_result(v) for v in vectors]
    counts = Counter(r["status"] for r in results)
    built = {r["group"] for r in results if r["got"] is not None}
    missing = sorted({r["group"] for r in results if r["why"] == _NOT_BUILT} - built)
    return {
        "total": len(results),
        **{status: counts[status] for status in ("passed", "failed", "not_covered", "computed")},
        "not_built": missing,
        "results": results,
    }


_NOT_BUILT = "not built"


def _result(v: dict[str, Any]) -> dict[str, Any]:
    try:
        got = plain(_figures_of(v))
        status, why = judged(v, got)
    except QflibError as e:
        got, status, why = None, "failed", str(e)
    return {"name": v["name"], "group": v["group"], "status": status, "why": why, "got": got}


def _figures_of(v: dict[str, Any]) -> Any:
    """What the library computes for a vector: those with calls are shortfall's; None where it is not built."""
    if "calls" in v:
        from qflib import settings
        from qflib.cli.verify_shortfall import figures as shortfall

        return shortfall(v, settings.load().recordings)
    from qflib.cli import verify_hedging, verify_pricing

    return (verify_hedging if v["group"] in verify_hedging.GROUPS else verify_pricing).figures(v)


def judged(v: Mapping[str, Any], got: Any) -> tuple[str, str]:
    """Status of a vector and why.

    Examples
    --------
    >>> judged({"expected": 2.0, "tolerance": 1e-3, "tol_type": "rel"}, 2.001)
    ('passed', '')
    >>> judged({"expected": 2.0}, 2.0)
    ('not_covered', 'no tolerance')
    """
    if got is None:
        return "not_covered", _NOT_BUILT
    want, have = _leaves(v["expected"]), _leaves(got)
    if v.get("tolerance") is None:
        blank = all(w is None for w in want.values())
        return ("computed", "") if blank else ("not_covered", "no tolerance")
    skipped = [k for call in v.get("calls", []) for k in call.get("skip", {})]
    asked = {k: w for k, w in want.items() if not _is_skipped(k, skipped)}
    for path, w in asked.items():
        if why := _differs(v, path, w, have.get(path)):
            return "failed", why
    return ("passed", "") if asked else ("not_covered", "every figure is skipped")


def _is_skipped(path: str, skipped: list[str]) -> bool:
    return path.endswith("_WRONG") or any(path == k or path.startswith(k + "/") for k in skipped)


def _differs(v: Mapping[str, Any], path: str, want: Any, got: Any) -> str:
    if isinstance(want, bool) or not isinstance(want, int | float):
        return "" if got == want else f"{path or 'figure'} is {got!r}, expected {want!r}"
    if isinstance(got, bool) or not isinstance(got, int | float) or not math.isfinite(got):
        return f"{path or 'figure'} is {got!r}, expected {want!r}"
    limit = _limit(v, path.split("/", maxsplit=1)[0], want)
    if limit is None:
        return f"{path or 'figure'} has no tolerance"
    return "" if abs(got - want) <= limit else f"{path or 'figure'} is {got!r}, expected {want!r} within {limit:.3g}"


def _limit(v: Mapping[str, Any], top: str, want: float) -> float | None:
    """The greatest difference allowed: a call's own tolerance, else the vector's."""
    tolerance = v["tolerance"]
    if "tol_type" in v:
        if v["tol_type"] not in ("abs", "rel", "status"):  # never passed by a guess
            return None
        one = tolerance.get(top) if isinstance(tolerance, dict) else tolerance
        return None if one is None else float(one * abs(want) if v["tol_type"] == "rel" else one)
    own = [c["tolerance"][top] for c in v.get("calls", []) if top in c.get("tolerance", {})]
    t = own[0] if own else tolerance
    return float(max(t.get("abs", 0.0), t.get("rel", 0.0) * abs(want), _ROUNDING * abs(want)))


def _leaves(x: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(x, dict | list):
        return {path: x}
    items = x.items() if isinstance(x, dict) else enumerate(x)
    return {k: v for at, inner in items for k, v in _leaves(inner, f"{path}/{at}" if path else str(at)).items()}
