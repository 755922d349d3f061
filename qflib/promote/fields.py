"""The fields that a step's functions are given, as a page: `python -m qflib.promote.fields --write` writes it."""

from __future__ import annotations

import enum
import re
import sys
from pathlib import Path

from qflib.records import codes
from qflib.records.schema import NUMPY_TYPE, Column
from qflib.steps.promoted.definition import TABLES, record_table

PAGE = Path(__file__).parents[2] / "docs" / "step_fields.md"
_LOTS = re.compile(r"(.*_)?(qty|depth|ahead)$")


def page() -> str:
    """Markdown: a table of fields for each table of `TABLES`, then the numbers of enumerations."""
    lines = [
        "# Fields of a step's tables",
        "What the functions of a [promoted step](promotion.md) are given: arrays of one length, read-only, texts",
        "left out. `k` is the row's `instrument`, of which every array in `params` has an entry.",
    ]
    named: dict[str, type[enum.IntEnum]] = {}
    for table, (_, topic) in TABLES.items():
        record = record_table(table)
        lines += [
            "",
            f"## `{table}`, of `{topic}`",
            "",
            "| field | dtype | unit and scale | meaning |",
            "|---|---|---|---|",
        ]
        for c in record.columns:
            if c.type == "text":
                continue
            lines.append(f"| `{c.name}` | {NUMPY_TYPE[c.type]} | {_unit(c)} | {c.doc or _meaning(c)} |")
            named |= {w: getattr(codes, w) for w in re.findall(r"[A-Z]\w+", _kind(c)) if hasattr(codes, w)}
    lines += ["", "## Numbers of enumerations", "", "| enumeration | values |", "|---|---|"]
    lines += [f"| {n} | {', '.join(f'{m.value} {m.name}' for m in e)} |" for n, e in named.items()]
    return "\n".join(lines) + "\n"


def _kind(c: Column) -> str:
    """The column's enumeration, which it may be named after."""
    return f"{c.doc} {''.join(w.title() for w in c.name.split('_'))}"


def _meaning(c: Column) -> str:
    return c.name.replace("_", " ").removesuffix(" ns").removesuffix(" ticks")


def _unit(c: Column) -> str:
    if c.name.endswith("_ticks"):
        return "ticks; × `params.tick[k]` = quote currency"
    if _LOTS.match(c.name):
        return "lots; × `params.lot[k]` = quantity"
    if c.name.endswith("_ns"):
        return "ns, UTC" if c.name != "horizon_ns" else "ns"
    if any(hasattr(codes, w) for w in re.findall(r"[A-Z]\w+", _kind(c))):
        return "enumeration"
    return "currency" if c.name in ("price", "fee", "cash") else "1"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())
