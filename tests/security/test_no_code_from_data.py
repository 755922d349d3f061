"""What comes from outside is data: nothing unpickles, evaluates, unpacks or hands it to a shell or to SQL as text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(f for room in ("qflib", "pipelines", "dashboards") for f in (ROOT / room).rglob("*.py"))
_PICKLES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "xml", "lxml", "tarfile"}
_CALLS = {"eval", "exec", "os.system", "os.popen", "yaml.load", "pd.read_pickle", "pd.eval", "shutil.unpack_archive"}
#: Where it is the purpose, and whose code it is.
_EXCEPT = {
    ("qflib/cli/promote.py", "exec"),  # the cell that whoever calls the command promotes
}


def called(node: ast.Call) -> str:
    return ast.unparse(node.func)


_Scope = ast.FunctionDef | ast.AsyncFunctionDef


def found(tree: ast.AST) -> Iterator[str]:
    """What would make code of data."""
    yield from _sql(tree, {})
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (n for n in names if n.split(".")[0] in _PICKLES)
        if not isinstance(node, ast.Call):
            continue
        told = {k.arg: ast.unparse(k.value) for k in node.keywords}
        if called(node) in _CALLS:
            yield called(node)
        if called(node) == "np.load" and told.get("allow_pickle") != "False":
            yield "np.load that may unpickle"
        if told.get("allow_pickle") == "True":
            yield "allow_pickle"
        if told.get("shell") == "True":
            yield "a shell"
        if called(node).endswith((".extractall", ".extract")):
            yield "an archive unpacked by its own names"


Texts = dict[str, list[ast.expr]]


def _sql(scope: ast.AST, outer: Texts) -> Iterator[str]:
    """Statements that are put together, in the call itself or under a name that this scope or one around it gives."""
    inside = list(_own(scope))
    mine: Texts = {}
    for name, value in (pair for node in inside for pair in _given(node)):
        mine.setdefault(name, []).append(value)
    named = outer | mine
    for node in inside:
        if isinstance(node, ast.Call) and called(node).endswith((".execute", ".executemany", ".sql", ".copy")):
            asked = node.args[0] if node.args else ast.Constant("")
            if any(map(_made, named.get(asked.id, []) if isinstance(asked, ast.Name) else [asked])):
                yield f"SQL made of text: {ast.unparse(asked)[:60]}"
        if isinstance(node, _Scope):
            yield from _sql(node, named)


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """What lies in a scope, functions in it as one."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, _Scope):
            yield from _own(child)


def _given(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names that a statement gives, and what they then are."""
    if isinstance(node, ast.Assign):
        yield from ((t.id, node.value) for t in node.targets if isinstance(t, ast.Name))
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and isinstance(node.target, ast.Name) and node.value:
        yield node.target.id, node.value
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target.id, ast.BinOp(ast.Name(node.target.id), node.op, node.value)


def _made(asked: ast.expr) -> bool:
    """A text that is put together at run time: psycopg's sql.SQL(...).format(...) quotes, these do not."""
    if isinstance(asked, ast.JoinedStr):
        return any(isinstance(v, ast.FormattedValue) for v in asked.values)
    if isinstance(asked, ast.BinOp):
        return not all(isinstance(n, ast.Constant) for n in (asked.left, asked.right))
    return isinstance(asked, ast.Call) and called(asked).endswith(".format") and "SQL" not in called(asked)


@pytest.mark.parametrize("room", ["qflib", "pipelines", "dashboards"])
def test_nothing_makes_code_of_data(room: str) -> None:
    there = {
        (name, what)
        for f in FILES
        if (name := f.relative_to(ROOT).as_posix()).startswith(f"{room}/") and "/benches/" not in name
        for what in found(ast.parse(f.read_text(encoding="utf-8")))
    }
    # an exception that is not needed any more goes
    assert there == {e for e in _EXCEPT if e[0].startswith(f"{room}/")}


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "from xml.etree import ElementTree", "eval(x)", "np.load(f)", "np.load(f, allow_pickle=True)",
        "run(c, shell=True)", "a.extractall(p)", "c.execute(f'SELECT {x}')", "c.execute('SELECT ' + x)",
        "c.execute('SELECT {}'.format(x))", "q = f'SELECT {x}'\nc.execute(q)",
        "def f(x):\n  q: str = 'SELECT ' + x\n  c.execute(q)", "def f(x):\n  q = 'SELECT'\n  q += x\n  c.execute(q)",
        "def f(x):\n  q = f'{x}'\n  def g():\n    c.execute(q)",
    ],
)  # fmt: skip
def test_what_is_looked_for_is_found(text: str) -> None:
    assert list(found(ast.parse(text)))


@pytest.mark.parametrize(
    "text", ["c.execute('SELECT %s', [x])", "c.execute(sql.SQL('{}').format(n))", "np.load(f, allow_pickle=False)",
             "q = 'SELECT'\nc.execute(q)", "def f(x):\n  q = f'{x}'\ndef g(q):\n  c.execute(q)"],
)  # fmt: skip
def test_what_is_right_is_left(text: str) -> None:
    assert not list(found(ast.parse(text)))
