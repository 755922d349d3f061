"""Static checks: what a step's cell may not do, because its outputs would depend on something else than its inputs.

Every finding names cell, line and mend. The parity ladder tries what no reading of the source can prove.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from qflib.promote.cells import Cells
from qflib.promote.columns_use import column_findings
from qflib.promote.names_use import COMPILERS, imported, name_findings, path_of
from qflib.promote.violation import Violation

#: What a compiled function may be told: nothing that changes its bits.
_OPTIONS = ("boundscheck", "cache", "error_model", "inline", "nogil", "nopython")
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
_MAKERS = {"array", "full", "ones", "zeros", "arange", "asarray"}
_BITS = ("fastmath", "parallel", "forceobj", "looplift", "locals")
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


def _names(tree: ast.Module, _: str) -> Found:
    yield from name_findings(tree)


def _compilation(tree: ast.Module, _: str) -> Found:
    known = imported(tree)
    told = [d for f in _functions(tree) for d in f.decorator_list]
    decorating = [d.func if isinstance(d, ast.Call) else d for d in told]
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in _BITS:
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                why = "other bits on other processors" if node.arg == "fastmath" else "other bits or other types"
                yield node.value, node.arg, f"{node.arg} gives {why}; leave it out"
        elif isinstance(node, ast.keyword) and node.arg == "nopython" and getattr(node.value, "value", True) is False:
            yield node.value, "nopython", "an interpreted step computes other bits; use @njit"
        elif isinstance(node, ast.Name) and node.id in _OTHER_COMPILERS:
            yield node, "compiler", f"{node.id} has no place in a step; write a loop under @njit"
        elif isinstance(node, ast.expr) and path_of(node, known) in COMPILERS and node not in decorating:
            yield node, "compiler", "what is compiled so is not read here; decorate a function of the cell with @njit"
    for f in _functions(tree):
        for d in f.decorator_list:
            yield from _decorator(d, known)
        if tuple(a.arg for a in f.args.args)[1:] == _STEP and not f.decorator_list:
            yield f, "njit", f"{f.name} is not compiled: the interpreter computes other bits; decorate it with @njit"


def _decorator(d: ast.expr, known: dict[str, str]) -> Found:
    made = d.func if isinstance(d, ast.Call) else d
    if path_of(made, known) not in COMPILERS:
        yield d, "njit", f"{ast.unparse(made)[:40]} may change what a function computes; decorate it with @njit alone"
    for option in d.keywords if isinstance(d, ast.Call) else []:
        if option.arg is None:
            yield option.value, "options", "what @njit is told is not seen here; write its options out"
        elif option.arg not in (*_OPTIONS, *_BITS):
            yield option.value, option.arg, f"{option.arg} has no place in a step; leave it out"


def _functions_defined(tree: ast.Module, _: str) -> Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            yield node, "statement", "a lambda is not read as a step's function is; define it in the cell with @njit"
        elif isinstance(node, ast.FunctionDef):
            a = node.args
            if node not in tree.body:
                yield node, "statement", f"{node.name} is defined where it is not read; define it in the cell itself"
            if a.posonlyargs or a.kwonlyargs or a.vararg or a.kwarg:
                yield node, "arguments", f"{node.name} has arguments other than plain ones; name them one by one"
            for told in (*a.defaults, *a.kw_defaults):
                if told is not None and not isinstance(told, ast.Constant):
                    yield told, "default", "a default outlives the call unseen; give a number, or keep it in State"


def _statements(tree: ast.Module, _: str) -> Found:
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef)
    for n, line in enumerate(tree.body):
        text = isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)
        if not isinstance(line, allowed) and not (text and n == 0):
            yield line, "statement", "a step's cell only defines; run, plot and print in a cell of their own"
        elif isinstance(line, ast.Assign) and not all(isinstance(t, ast.Name) for t in line.targets):
            yield line, "statement", "several names at once, or part of another; define each by its own line"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.AsyncFunctionDef | ast.Await | ast.Yield | ast.YieldFrom):
            yield node, "statement", "classes, generators and coroutines have no place in a step; write functions"
        elif isinstance(node, ast.With | ast.AsyncWith):
            yield node, "statement", "with leaves the compiled code; write what it does in the function"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
            yield node, "numpy", "@ adds up in the order of a library made for one processor; write the loop"
        elif isinstance(node, ast.Set | ast.SetComp):
            yield node, "set", "the order of a set is not given; use an array"


def _dtypes(tree: ast.Module, __: str) -> Found:
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
    known = imported(tree)
    for f in _functions(tree):
        for node in ast.walk(f):
            module, _, name = path_of(node.func, known).rpartition(".") if isinstance(node, ast.Call) else ("", "", "")
            if isinstance(node, ast.Call) and module == "numpy" and name in _MAKERS and not _typed(node, name):
                yield node, "dtype", f"np.{name} without a dtype; say which, as dtype=np.float64"
    if not any(tuple(a.arg for a in f.args.args)[1:] == _STEP for f in _functions(tree)):
        yield tree, "missing", "the cell has no step; define @njit def name(columns, state, out, params)"


def _typed(call: ast.Call, name: str) -> bool:
    positional = {"array": 2, "asarray": 2, "zeros": 2, "ones": 2, "full": 3, "arange": 4}
    return any(k.arg == "dtype" for k in call.keywords) or len(call.args) >= positional[name]


def _columns(tree: ast.Module, _: str) -> Found:
    for f in _functions(tree):
        yield from column_findings(f, _STEP)


def _functions(tree: ast.Module) -> list[ast.FunctionDef]:
    return [n for n in tree.body if isinstance(n, ast.FunctionDef)]


_RULES: tuple[Callable[[ast.Module, str], Found], ...] = (
    _names, _compilation, _functions_defined, _statements, _dtypes, _columns,
)  # fmt: skip
