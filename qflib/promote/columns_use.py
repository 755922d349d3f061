"""How a step's function may read its columns: one row at a time, and only the row it has come to.

What looks at a whole column, or at a row's neighbours in it, depends on where batches are cut.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

_SIZES = ("size", "shape", "dtype", "ndim")


def column_findings(f: ast.FunctionDef, rest: tuple[str, ...]) -> Iterator[tuple[ast.AST, str, str]]:
    """Findings in one function: (node, rule, message).

    Parameters
    ----------
    f
        A function of the cell; others than a step's have no columns and no findings.
    rest
        The names of a step's other arguments.
    """
    names = tuple(a.arg for a in f.args.args)
    if names[1:] != rest:
        return
    table = names[0]
    whole = _aliases(f, table)
    parents = {child: node for node in ast.walk(f) for child in ast.iter_child_nodes(node)}
    loops = _loop_names(f, table, whole)
    for node in ast.walk(f):
        if not _is_column(node, table, whole):
            if isinstance(node, ast.Name) and node.id == table and not isinstance(parents[node], ast.Attribute):
                yield node, "batch", f"{table} is handed on whole; read {table}.FIELD[i] row by row"
            continue
        up = parents[node]
        if isinstance(up, ast.Subscript) and up.value is node:
            yield from _subscript(up, loops)
        elif not _harmless(node, up):
            told = ast.unparse(up)[:40] if isinstance(up, ast.expr) else ast.unparse(node)[:40]
            yield node, "batch", f"{told!r} takes a batch's column as a whole; loop over its rows, keep sums in State"


def _harmless(column: ast.AST, up: ast.AST) -> bool:
    """Whether a whole column is only measured, walked along, or given another name, whose uses are looked at."""
    if isinstance(up, ast.Attribute):
        return up.attr in _SIZES
    if isinstance(up, ast.Call):
        return isinstance(up.func, ast.Name) and up.func.id in ("len", "enumerate", "zip")
    if isinstance(up, ast.For):
        return up.iter is column
    return isinstance(up, ast.Assign) and up.value is column


def _is_column(node: ast.AST, table: str, whole: set[str]) -> bool:
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == table
    return isinstance(node, ast.Name) and node.id in whole and isinstance(node.ctx, ast.Load)


def _aliases(f: ast.FunctionDef, table: str) -> set[str]:
    """Names that stand for a whole column."""
    found: set[str] = set()
    for node in ast.walk(f):
        if isinstance(node, ast.Assign) and _is_column(node.value, table, found):
            found |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            for target in node.targets:
                if isinstance(target, ast.Tuple):
                    pairs = zip(target.elts, node.value.elts, strict=False)
                    found |= {t.id for t, v in pairs if isinstance(t, ast.Name) and _is_column(v, table, found)}
    return found


def _loop_names(f: ast.FunctionDef, table: str, whole: set[str]) -> set[str]:
    """Names that count rows: those of `for i in range(...)` and `enumerate`."""
    found: set[str] = set()
    for node in ast.walk(f):
        if (
            not isinstance(node, ast.For)
            or not isinstance(node.iter, ast.Call)
            or not isinstance(node.iter.func, ast.Name)
        ):
            continue
        if node.iter.func.id == "range" and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif node.iter.func.id == "enumerate" and isinstance(node.target, ast.Tuple):
            found |= {t.id for t in node.target.elts[:1] if isinstance(t, ast.Name)}
    return found


def _subscript(node: ast.Subscript, loops: set[str]) -> Iterator[tuple[ast.AST, str, str]]:
    index = node.slice
    if isinstance(index, ast.Slice) or (
        isinstance(index, ast.Tuple) and any(isinstance(e, ast.Slice) for e in index.elts)
    ):
        yield node, "batch", f"{ast.unparse(node)[:40]!r} is a stretch of the batch; loop over its rows"
    elif not (isinstance(index, ast.Name) and index.id in loops):
        told = ast.unparse(node)[:40]
        mend = "keep in State what a former row said"
        yield node, "neighbour", f"{told!r} is another row than the loop's, and may lie in another batch; {mend}"
