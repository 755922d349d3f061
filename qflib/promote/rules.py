"""Static checks: what a step's cell may not do, because its outputs would depend on something else than its inputs.

Every finding names cell, line and mend. The parity ladder tries what no reading of the source can prove.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Callable, Iterator

from qflib import kernels
from qflib.promote.cells import Cells
from qflib.promote.columns_use import column_findings
from qflib.promote.violation import Violation

#: Modules a cell may import from.
MODULES = ("math", "numba", "numpy")
KERNELS = "qflib.kernels"
#: Builtins that look or reach outside, or whose result is another one in another process.
_BUILTINS = {
    "breakpoint", "compile", "eval", "exec", "globals", "hash", "id", "input", "locals", "open", "print", "vars",
    "__import__", "setattr", "delattr",
}  # fmt: skip
_COMPILERS = {"njit", "jit"}
_OTHER_COMPILERS = {
    "vectorize",
    "guvectorize",
    "cuda",
    "stencil",
    "cfunc",
    "generated_jit",
    "objmode",
    "prange",
    "pndindex",
}
_CODES = {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)} | {"f4", "f8", "b1", "?"}
_MAKERS = {"array", "empty", "full", "ones", "zeros", "arange", "asarray"}
_STEP = ("state", "out", "params")

Found = Iterator[tuple[ast.AST, str, str]]


def check(cells: Cells) -> list[Violation]:
    r"""All findings of a cell's source, in its order.

    Examples
    --------
    >>> from qflib.promote.cells import Cells
    >>> [v.rule for v in check(Cells("import time\n", ((1, 1),)))]
    ['import', 'missing', 'missing', 'missing']
    """
    try:
        tree = ast.parse(cells.source)
    except SyntaxError as e:
        cell, line = cells.place(e.lineno or 1)
        magic = (e.text or "").lstrip()[:1] in ("%", "!", "?")
        mend = "take the magic out of the tagged cell" if magic else f"mend it: {e.msg}"
        return [Violation(cell, line, "syntax", f"this is not Python; {mend}")]
    found: list[Violation] = []
    for rule in _RULES:
        for node, name, message in rule(tree, cells.source):
            found.append(Violation(*cells.place(getattr(node, "lineno", 1)), name, message))
    return sorted(set(found))


def _imports(tree: ast.Module, _: str) -> Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] not in MODULES:
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
            elif module.split(".")[0] not in MODULES or node.level:
                yield node, "import", f"{module or 'a relative module'} may not be imported; {_instead(module)}"


def _instead(module: str) -> str:
    top = module.split(".", maxsplit=1)[0]
    if top == "pandas":
        return "take the columns as arrays and loop over their rows"
    if top in ("time", "datetime"):
        return "time is a column of the rows (receipt_ns, time_ns)"
    if top in ("random", "secrets", "uuid"):
        return "a step has no chance in it: keep a seeded generator's state in State, or do without"
    if top == "qflib":
        return f"a step may import {', '.join(kernels.__all__)} from {KERNELS}"
    return f"a step may import {', '.join(MODULES)} and names of {KERNELS}"


def _free_names(tree: ast.Module, source: str) -> Found:
    whole = symtable.symtable(source, "cell", "exec")
    own = {s.get_name() for s in whole.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    free: set[str] = set()

    def walk(table: symtable.SymbolTable) -> None:
        for s in table.get_symbols():
            name = s.get_name()
            if s.is_referenced() and s.is_global() and name not in own and not hasattr(builtins, name):
                free.add(name)
        for child in table.get_children():
            walk(child)

    walk(whole)
    free |= {
        s.get_name() for s in whole.get_symbols()
        if s.is_referenced() and s.get_name() not in own and not hasattr(builtins, s.get_name())
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in free and isinstance(node.ctx, ast.Load):
            yield (
                node,
                "free name",
                f"{node.id!r} is the notebook's, not the cell's; define it in the cell or as PARAMS",
            )
        elif isinstance(node, ast.Name) and node.id in _BUILTINS and node.id not in own:
            yield node, "builtin", f"{node.id}() has no place in a step; put what it tells into a field of Out"
        elif isinstance(node, ast.Global | ast.Nonlocal):
            yield node, "global", f"{node.names[0]!r} outlives the call unseen; keep it in State"


def _compilation(tree: ast.Module, _: str) -> Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("fastmath", "parallel", "forceobj", "looplift", "locals"):
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                why = "other bits on other processors" if node.arg == "fastmath" else "other bits or other types"
                yield node.value, node.arg, f"{node.arg} gives {why}; leave it out"
        elif isinstance(node, ast.keyword) and node.arg == "nopython" and getattr(node.value, "value", True) is False:
            yield node.value, "nopython", "an interpreted step computes other bits; use @njit"
        elif isinstance(node, ast.Name) and node.id in _OTHER_COMPILERS:
            yield node, "compiler", f"{node.id} has no place in a step; write a loop under @njit"
        elif isinstance(node, ast.Attribute) and node.attr in _OTHER_COMPILERS and _root(node) in ("numba", "nb"):
            yield node, "compiler", f"{node.attr} has no place in a step; write a loop under @njit"
    for f in (n for n in tree.body if isinstance(n, ast.FunctionDef)):
        names = tuple(a.arg for a in f.args.args)
        if names[1:] == _STEP and not any(_compiles(d) for d in f.decorator_list):
            yield f, "njit", f"{f.name} is not compiled: the interpreter computes other bits; decorate it with @njit"


def _chance_and_clock(tree: ast.Module, _: str) -> Found:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        if node.attr == "random" and _root(node) in ("np", "numpy"):
            yield node, "random", "a step has no chance in it; keep a seeded generator's state in State, or do without"
        elif node.attr in ("datetime64", "timedelta64") and _root(node) in ("np", "numpy"):
            yield (
                node,
                "clock",
                "a step takes no clock; time is int64 nanoseconds, a column of the rows (receipt_ns, time_ns)",
            )


def _statements(tree: ast.Module, _: str) -> Found:
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef)
    for n, line in enumerate(tree.body):
        text = isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)
        if not isinstance(line, allowed) and not (text and n == 0):
            yield line, "statement", "a step's cell only defines; run, plot and print in a cell of their own"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.AsyncFunctionDef | ast.Await | ast.Yield | ast.YieldFrom):
            yield node, "statement", "classes, generators and coroutines have no place in a step; write functions"
        elif isinstance(node, ast.Set | ast.SetComp):
            yield node, "set", "the order of a set is not given; use an array"


def _dtypes(tree: ast.Module, _: str) -> Found:
    named = {
        t.id: n.value for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)
    }
    for name in ("State", "Out"):
        value = named.get(name)
        if value is None:
            yield tree, "missing", f"the cell has no {name}; define {name} = np.dtype([(field, code), ...])"
            continue
        fields = value.args[0] if isinstance(value, ast.Call) and value.args else None
        if not isinstance(fields, ast.List):
            yield value, "dtype", f"{name} is no list of fields; write np.dtype([('last', 'f8'), ...])"
            continue
        for field in fields.elts:
            code = field.elts[1] if isinstance(field, ast.Tuple) and len(field.elts) > 1 else None
            if not (isinstance(code, ast.Constant) and str(code.value).lstrip("<=") in _CODES):
                yield field, "dtype", f"a field of {name} has no declared type; give a code of fixed size, as 'f8'"
        if name == "Out":
            told = {
                f.elts[0].value for f in fields.elts if isinstance(f, ast.Tuple) and isinstance(f.elts[0], ast.Constant)
            }
            for key in ("instrument", "time_ns"):
                if key not in told:
                    yield value, "missing", f"Out has no {key!r}: every output row tells its instrument and its time"
    for f in _functions(tree):
        for node in ast.walk(f):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            name = node.func.attr
            if name in _MAKERS and _root(node.func) in ("np", "numpy") and not _typed(node, name):
                yield node, "dtype", f"np.{name} without a dtype; say which, as dtype=np.float64"
    if not any(tuple(a.arg for a in f.args.args)[1:] == _STEP for f in _functions(tree)):
        yield tree, "missing", "the cell has no step; define @njit def name(columns, state, out, params)"


def _typed(call: ast.Call, name: str) -> bool:
    positional = {"array": 2, "asarray": 2, "empty": 2, "zeros": 2, "ones": 2, "full": 3, "arange": 4}
    return any(k.arg == "dtype" for k in call.keywords) or len(call.args) >= positional[name]


def _columns(tree: ast.Module, _: str) -> Found:
    for f in _functions(tree):
        yield from column_findings(f, _STEP)


def _functions(tree: ast.Module) -> list[ast.FunctionDef]:
    return [n for n in tree.body if isinstance(n, ast.FunctionDef)]


def _compiles(decorator: ast.expr) -> bool:
    made = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (
        made.id if isinstance(made, ast.Name) else made.attr if isinstance(made, ast.Attribute) else ""
    ) in _COMPILERS


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


_RULES: tuple[Callable[[ast.Module, str], Found], ...] = (
    _imports, _free_names, _compilation, _chance_and_clock, _statements, _dtypes, _columns,
)  # fmt: skip
