"""What commands print: one JSON document, or a table for a person."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_PIPE = 400  # characters of a line


def is_read(json: bool = False) -> bool:
    """Whether a person reads what is said on stdout, or beside a document on stderr: a file may be read by anybody."""
    return (sys.stderr if json else sys.stdout).isatty()


def emit(document: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout; numbers that are not finite become null, which JSON has."""
    sys.stdout.write(json.dumps(plain(document), allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """NumPy's numbers and arrays, paths and times as JSON's own types.

    Examples
    --------
    >>> plain({"es": float("nan"), "n": (1, 2)})
    {'es': None, 'n': [1, 2]}
    """
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on stdout; figures stand to the right."""
    from rich.console import Console

    # what reads a pipe has no edge, and finds each row on a line
    console = Console() if sys.stdout.isatty() or "COLUMNS" in os.environ else Console(width=_PIPE)
    console.print(made_table(title, head, rows))


def made_table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Any:
    """A rich table, figures to the right."""
    from rich.table import Table

    shown = [[cell(v) for v in row] for row in rows]
    figures = [any(_is_figure(r[i]) for r in shown) for i in range(len(head))]
    made = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for name, right in zip(head, figures, strict=True):
        made.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in shown:
        made.add_row(*row)
    return made


def cell(value: object) -> str:
    """A figure or text as a person reads it.

    Examples
    --------
    >>> cell(1234567.891), cell(0.00012345), cell(None), cell("ACME")
    ('1,234,568', '0.0001234', '–', 'ACME')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:,.4g}" if abs(value) < 1 else f"{value:,.2f}"


def _is_figure(text: str) -> bool:
    return text[:1].isdigit() or text[:1] in "-–" or text[1:2].isdigit()
