"""How a step's function may read its columns: one row at a time, and only the row it has come to.

What looks at a whole column, at a row's neighbours in it, or at how many rows there are, depends on where batches are
cut.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

Found = Iterator[tuple[ast.AST, str, str]]


def column_findings(f: ast.FunctionDef, rest: tuple[str, ...]) -> Found:
    """Findings in one function: (node, rule, message).

    Parameters
    ----------
    f
        A function of the cell; others than a step's have no columns and no findings.
    rest
        The names of a step's other arguments.
    """
    names = tuple(a.arg for a in f.args.args)
    if names[1:] == rest:
        yield from _Reading(f, names[0]).findings()


@dataclass
class _Reading:
    """One function of (table, state, out, params): what stands for a column, for their length, for the row come to."""

    f: ast.FunctionDef
    table: str
    columns: set[str] = field(default_factory=set)
    lengths: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.parents = {child: node for node in ast.walk(self.f) for child in ast.iter_child_nodes(node)}
        assigned = [n for n in ast.walk(self.f) if isinstance(n, ast.Assign)]
        while True:  # a name may stand for another that is seen only later
            before = len(self.columns) + len(self.lengths)
            for n in assigned:
                names = {t.id for t in n.targets if isinstance(t, ast.Name)}
                if self.is_column(n.value):
                    self.columns |= names
                elif self.is_length(n.value):
                    self.lengths |= names
            if len(self.columns) + len(self.lengths) == before:
                break
        self.walks = [n for n in ast.walk(self.f) if isinstance(n, ast.For) and self.walks_rows(n.iter)]
        self.rows = {name for n in self.walks if (name := self.counter(n))}
        bound = [n.id for n in ast.walk(self.f) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        self.rows = {name for name in self.rows if bound.count(name) == 1}  # nobody else moves it

    def is_column(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Attribute):
            return isinstance(node.value, ast.Name) and node.value.id == self.table
        return isinstance(node, ast.Name) and node.id in self.columns and isinstance(node.ctx, ast.Load)

    def is_length(self, node: ast.AST) -> bool:
        """`column.size`, `len(column)`, `column.shape[0]`, or a name for one."""
        if isinstance(node, ast.Attribute):
            return node.attr == "size" and self.is_column(node.value)
        if isinstance(node, ast.Call):
            return _called(node) == "len" and len(node.args) == 1 and self.is_column(node.args[0])
        if isinstance(node, ast.Subscript):
            shape = isinstance(node.value, ast.Attribute) and node.value.attr == "shape"
            return shape and self.is_column(node.value.value)  # type: ignore[attr-defined]
        return isinstance(node, ast.Name) and node.id in self.lengths and isinstance(node.ctx, ast.Load)

    def walks_rows(self, node: ast.expr) -> bool:
        """`range(length)`, a column, `zip` or `enumerate` of columns."""
        if isinstance(node, ast.Call) and _called(node) == "range":
            first = node.args[:-1]
            return len(node.args) in (1, 2) and self.is_length(node.args[-1]) and all(map(_is_zero, first))
        if isinstance(node, ast.Call) and _called(node) in ("zip", "enumerate"):
            return any(map(self.walks_rows, node.args))
        return self.is_column(node)

    def counter(self, loop: ast.For) -> str:
        """The name that counts the rows."""
        called = _called(loop.iter) if isinstance(loop.iter, ast.Call) else ""
        target = loop.target
        if called == "enumerate" and isinstance(target, ast.Tuple) and len(loop.iter.args) == 1:  # type: ignore[attr-defined]
            target = target.elts[0]
        elif called != "range":
            return ""
        return target.id if isinstance(target, ast.Name) else ""

    def findings(self) -> Found:
        for node in ast.walk(self.f):
            if self.is_length(node):
                yield from self._length(node)
            if self.is_column(node):
                yield from self._column(node)
            elif isinstance(node, ast.Name) and node.id == self.table:
                up = self.parents[node]
                if not (isinstance(up, ast.Attribute) and up.value is node):
                    yield node, "batch", f"{self.table} is handed on whole; read {self.table}.FIELD[i] row by row"
        for again in self.walks[1:]:
            yield again, "batch", "the rows are walked along a second time; do all of a row in one loop"
        for walk in self.walks[:1]:
            yield from _left(walk)

    def _length(self, node: ast.AST) -> Found:
        """How many rows there are is where batches are cut: it ends a loop, or is returned."""
        up = self.parents[node]
        ends = isinstance(up, ast.Call) and _called(up) == "range" and self.walks_rows(up)
        none = isinstance(up, ast.Compare) and len(up.ops) == 1 and all(map(_is_zero, up.comparators))
        named = isinstance(up, ast.Assign) and all(isinstance(t, ast.Name) for t in up.targets)
        if not (ends or none or named or isinstance(up, ast.Return)):
            told = ast.unparse(node)[:40]
            yield node, "batch", f"{told!r} is how many rows this batch has; it may only end the loop over them"

    def _column(self, node: ast.AST) -> Found:
        up = self.parents[node]
        if isinstance(up, ast.Subscript) and up.value is node:
            yield from self._subscript(up)
        elif not (self._measured(node, up) or self._walked(node, up)):
            told = ast.unparse(up)[:40] if isinstance(up, ast.expr) else ast.unparse(node)[:40]
            yield node, "batch", f"{told!r} takes a batch's column as a whole; loop over its rows, keep sums in State"

    def _measured(self, node: ast.AST, up: ast.AST) -> bool:
        if isinstance(up, ast.Attribute):
            whole = self.parents[up] if up.attr == "shape" else up
            return up.attr in ("dtype", "ndim") or self.is_length(whole)
        named = isinstance(up, ast.Assign) and up.value is node and all(isinstance(t, ast.Name) for t in up.targets)
        return named or self.is_length(up)

    def _walked(self, node: ast.AST, up: ast.AST) -> bool:
        while isinstance(up, ast.Call) and _called(up) in ("zip", "enumerate"):
            node, up = up, self.parents[up]
        return isinstance(up, ast.For) and up.iter is node

    def _subscript(self, node: ast.Subscript) -> Found:
        index, told = node.slice, ast.unparse(node)[:40]
        if any(isinstance(e, ast.Slice) for e in (index.elts if isinstance(index, ast.Tuple) else [index])):
            yield node, "batch", f"{told!r} is a stretch of the batch; loop over its rows"
        elif not (isinstance(index, ast.Name) and index.id in self.rows):
            mend = "keep in State what a former row said"
            yield node, "neighbour", f"{told!r} is another row than the loop's, and may lie in another batch; {mend}"


def _left(walk: ast.For) -> Found:
    """Where a loop over the rows is left before its end."""
    waiting: list[tuple[ast.AST, bool]] = [(n, True) for n in walk.body]
    while waiting:
        node, mine = waiting.pop()
        if isinstance(node, ast.Return) or (isinstance(node, ast.Break) and mine):
            yield (
                node,
                "batch",
                "the batch's other rows are left unread; use continue, and keep in State what they need",
            )
        inner = isinstance(node, ast.For | ast.While)
        waiting += [(n, mine and not inner) for n in ast.iter_child_nodes(node)]


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _is_zero(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0 and not isinstance(node.value, bool)
