"""Which names a cell may use: what is allowed, for whatever is not known to be pure may look or reach outside."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from qflib import kernels

#: Modules a cell may import, themselves or names of theirs.
MODULES = ("math", "numba", "numpy")
KERNELS = "qflib.kernels"
COMPILERS = ("numba.njit", "numba.jit")
_NUMBA = {"njit", "jit", "boolean"} | {f"{k}{n}" for k in ("int", "uint") for n in (8, 16, 32, 64)} | {
    "float32", "float64",
}  # fmt: skip
#: Functions of numpy that give numbers of numbers. Its ufuncs, number types and constants are known by what they are.
_NUMPY = {
    "dtype", "finfo", "iinfo", "ndarray", "array", "asarray", "ascontiguousarray", "zeros", "zeros_like", "ones",
    "ones_like", "full", "full_like", "arange", "linspace", "eye", "identity", "copy", "sum", "prod", "mean",
    "var", "std", "median", "min", "max", "amin", "amax", "ptp", "nansum", "nanmean", "nanmin", "nanmax",
    "nanvar", "nanstd", "nanmedian", "argmin", "argmax", "argsort", "sort", "searchsorted", "cumsum", "cumprod",
    "diff", "where", "clip", "round", "around", "concatenate", "append", "repeat", "roll", "flip", "interp",
    "isclose", "any", "all", "count_nonzero", "nonzero", "flatnonzero", "unique", "percentile", "quantile",
    "polyval", "histogram", "convolve", "array_equal", "shape", "size", "ravel", "reshape", "transpose", "vstack",
    "hstack", "stack", "tile", "trapezoid", "digitize", "bincount", "isposinf", "isneginf", "nan_to_num", "sinc",
}  # fmt: skip
_CLOCK = {"datetime64", "timedelta64", "datetime_as_string", "datetime_data", "busday_count", "is_busday"}
_BUILTINS = {
    "abs", "all", "any", "bool", "divmod", "dict", "enumerate", "float", "int", "isinstance", "len", "list",
    "max", "min", "pow", "range", "reversed", "round", "sorted", "str", "sum", "tuple", "zip", "slice", "complex",
}  # fmt: skip
_ADDRESSES = ("ctypes", "py_func", "tofile", "data_ptr")

Found = Iterator[tuple[ast.AST, str, str]]


def name_findings(tree: ast.Module) -> Found:
    """Findings about imports and names: (node, rule, message)."""
    known = imported(tree)
    yield from _imports(tree)
    yield from _bindings(tree, known)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if node.attr.startswith("_") or node.attr in _ADDRESSES:
                yield node, "private", f".{node.attr} looks behind the numbers; use what they are"
            if isinstance(node.value, ast.Name) and known.get(node.value.id) in MODULES:
                yield from _told(node, known[node.value.id], node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and known.get(node.id) in MODULES:
            up = parents[node]
            if not (isinstance(up, ast.Attribute) and up.value is node):
                yield node, "module", f"{node.id} is handed on whole; write {node.id}.NAME where it is used"
    yield from _free(tree, known)


def imported(tree: ast.Module) -> dict[str, str]:
    """What the names stand for that the cell imports: "np" for "numpy", "njit" for "numba.njit"."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            known |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return known


def path_of(node: ast.expr, known: dict[str, str]) -> str:
    """What a name or an attribute of a module is, as "numba.njit"; empty where it is neither."""
    if isinstance(node, ast.Name):
        return known.get(node.id, "")
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and known.get(node.value.id) in MODULES:
        return f"{known[node.value.id]}.{node.attr}"
    return ""


def _imports(tree: ast.Module) -> Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name not in MODULES:
                    yield node, "import", f"{alias.name} may not be imported; {_instead(alias.name)}"
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if any(a.name == "*" for a in node.names):
                yield node, "import", f"* brings names unseen; import those used of {module}"
            elif module == KERNELS:
                for a in node.names:
                    if a.name not in kernels.__all__:
                        told = ", ".join(kernels.__all__)
                        yield node, "kernel", f"{a.name} is no kernel that a step may call; there are {told}"
            elif module not in MODULES or node.level:
                yield node, "import", f"{module or 'a relative module'} may not be imported; {_instead(module)}"
            else:
                for a in node.names:
                    yield from _told(node, module, a.name)


def _instead(module: str) -> str:
    top = module.split(".", maxsplit=1)[0]
    if top == "pandas":
        return "take the columns as arrays and loop over their rows"
    if top in ("time", "datetime"):
        return "time is a column of the rows (receipt_ns, time_ns)"
    if top in ("random", "secrets", "uuid") or module.startswith("numpy.random"):
        return "a step has no chance in it: keep a seeded generator's state in State, or do without"
    if top == "qflib":
        return f"a step may import {', '.join(kernels.__all__)} from {KERNELS}"
    return f"a step may import {', '.join(MODULES)}, themselves and not their parts, and names of {KERNELS}"


def _told(node: ast.AST, module: str, name: str) -> Found:
    """What is wrong about one name of a module."""
    if module == "numpy":
        if name == "random":
            yield node, "random", "a step has no chance in it; keep a seeded generator's state in State, or do without"
        elif name in _CLOCK:
            mend = "time is int64 nanoseconds, a column of the rows (receipt_ns, time_ns)"
            yield node, "clock", f"a step takes no clock; {mend}"
        elif name in ("empty", "empty_like"):
            yield node, "empty", f"np.{name} holds what memory held before; use np.zeros"
        elif not _is_of_numbers(name):
            yield (
                node,
                "numpy",
                f"np.{name} is none of numpy's that a step may use; write a loop, or numbers in the cell",
            )
    elif module == "numba" and name not in _NUMBA:
        yield node, "compiler", f"numba's {name} has no place in a step; write a loop under @njit"


def _is_of_numbers(name: str) -> bool:
    value: Any = getattr(np, name, ...)
    if value is ... or isinstance(value, ModuleType):
        return False
    if isinstance(value, type):
        return issubclass(value, np.number | np.bool_) or name in _NUMPY
    return name in _NUMPY or value is None or isinstance(value, np.ufunc | int | float)


def _bindings(tree: ast.Module, known: dict[str, str]) -> Found:
    """Names that stand for two things: what is read is not what runs."""
    seen: set[str] = set()
    for line in tree.body:
        for name in _bound_at_the_top(line):
            if name in seen:
                yield line, "twice", f"{name} is defined twice; give one of them another name"
            seen.add(name)
    for node in ast.walk(tree):
        names = [node.id] if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) else []
        names += [node.arg] if isinstance(node, ast.arg) else []
        names += [node.name] if isinstance(node, ast.FunctionDef) else []
        for name in names:
            if name in known:
                yield node, "twice", f"{name} is imported, and bound anew; give it another name"


def _bound_at_the_top(line: ast.stmt) -> list[str]:
    if isinstance(line, ast.FunctionDef):
        return [line.name]
    if isinstance(line, ast.Assign | ast.AnnAssign):
        targets = line.targets if isinstance(line, ast.Assign) else [line.target]
        return [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    return []


def _free(tree: ast.Module, known: dict[str, str]) -> Found:
    own = {*known, *(name for line in tree.body for name in _bound_at_the_top(line))}
    inside: dict[ast.AST, set[str]] = {}
    for f in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.Lambda)):
        bound = {n.arg for n in ast.walk(f) if isinstance(n, ast.arg)}
        bound |= {n.id for n in ast.walk(f) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
        for part in f.body if isinstance(f.body, list) else [f.body]:
            for n in ast.walk(part):
                inside[n] = inside.get(n, set()) | bound
    for node in ast.walk(tree):
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield node, "global", f"{node.names[0]!r} outlives the call unseen; keep it in State"
        if not isinstance(node, ast.Name) or node.id in own or node.id in inside.get(node, _comprehended(node, tree)):
            continue
        if not hasattr(builtins, node.id):
            mend = "define it in the cell or as PARAMS"
            yield node, "free name", f"{node.id!r} is the notebook's, not the cell's; {mend}"
        elif node.id not in _BUILTINS and not _is_an_error(node.id):
            yield node, "builtin", f"{node.id} has no place in a step; put what it tells into a field of Out"


def _comprehended(node: ast.Name, tree: ast.Module) -> set[str]:
    """Names that comprehensions outside of functions bind."""
    return {
        n.id
        for c in ast.walk(tree)
        if isinstance(c, ast.ListComp | ast.DictComp | ast.GeneratorExp | ast.SetComp) and node in ast.walk(c)
        for g in c.generators
        for n in ast.walk(g.target)
        if isinstance(n, ast.Name)
    }


def _is_an_error(name: str) -> bool:
    value = getattr(builtins, name)
    return isinstance(value, type) and issubclass(value, Exception)
