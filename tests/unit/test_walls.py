"""Walls that import-linter can't see: what kernels import, what `import qflib` loads, what the face says of itself."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import qflib

ROOT = Path(qflib.__file__).parent
_OF_KERNELS = {"__future__", "numpy", "numba", "math", "typing", "collections"}


def imports(file: Path) -> set[str]:
    """Modules a file imports, wherever in it."""
    out = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            out |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively"
            out.add(node.module or "")
    return out


@pytest.mark.parametrize("file", sorted((ROOT / "kernels").rglob("*.py")), ids=lambda f: f.stem)
def test_kernels_import_arrays_only(file: Path) -> None:
    foreign = {m for m in imports(file) if m.split(".")[0] not in _OF_KERNELS and not m.startswith("qflib.kernels")}
    assert not foreign - ({"mmap"} if file.stem == "book_state" else set())  # the pages that its arrays lie in


def test_import_is_light() -> None:
    code = "import sys, qflib; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "qflib" in loaded
    assert not {"numpy", "numba", "pandas", "pyarrow", "google", "scipy", "pydantic", "rich"} & set(loaded)


def test_the_command_is_light() -> None:
    code = "import sys; import qflib.cli.main; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "numba", "pandas", "pyarrow", "scipy"} & set(loaded)


def test_all_names_what_there_is() -> None:
    assert sorted(qflib.__all__) == sorted({"__version__", *qflib._NAMES})
    for name in qflib.__all__:
        assert getattr(qflib, name) is not None
    with pytest.raises(AttributeError, match="qflib has no 'nonsense'"):
        qflib.nonsense  # noqa: B018


@pytest.mark.parametrize("name", [n for n in qflib.__all__ if n != "__version__"])
def test_the_public_face_is_told_with_an_example(name: str) -> None:
    thing = getattr(qflib, name)
    if inspect.ismodule(thing):
        public = [v for k, v in vars(thing).items() if not k.startswith("_") and inspect.isfunction(v)]
        things = [v for v in public if v.__module__ == thing.__name__]
    else:
        things = [thing]
    assert things
    for each in things:
        doc = inspect.getdoc(each) or ""
        assert doc.split("\n")[0].strip(), f"{each} has no first line"
        assert re.search(r"^Examples\n-+", doc, re.MULTILINE), f"{each} shows no example"
        assert ">>>" in doc, f"{each} shows no example"


def test_files_have_one_idea() -> None:
    assert {str(f): n for f in ROOT.rglob("*.py") if (n := f.read_text(encoding="utf-8").count("\n")) > 400} == {}
    assert not [f for f in ROOT.rglob("*.py") if f.stem in ("utils", "helpers", "common", "misc")]


PIPELINES = sorted((ROOT.parent / "pipelines").glob("*.py"))


@pytest.mark.parametrize("file", PIPELINES, ids=lambda f: f.stem)
def test_a_pipeline_wires_and_holds_no_mathematics(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count("\n") <= 25
    assert all(m in ("functools", "qflib.desk.deployment") or m.startswith("qflib.stream.") for m in imports(file))
    assert not [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.BinOp | ast.For | ast.While)]


def test_each_stage_has_its_pipeline() -> None:
    from qflib.stream.stages import STAGES

    assert {f.stem for f in PIPELINES} == {"ingest", *STAGES, "archive", "monitor"}


DASHBOARDS = sorted((ROOT.parent / "dashboards").rglob("*.py"))
#: What the house lets dashboards read, and what sends their orders.
_OF_DASHBOARDS = ("qflib.views", "qflib.api.client", "qflib.desk", "qflib.records", "qflib.errors")
#: A process of the desk begins as the others do, and its door knows the API's keys. Runs of jobs are files, not the
#: desk's: views have none of them, and their page reads them where they lie. So do pages of a project's own.
_EXCEPT = {
    "app.py": {
        "qflib",
        "qflib.api",
        "qflib.broker.clients",
        "qflib.history",
        "qflib.stream.metrics",
    },  # settings, logs; ticket
    "access.py": {"qflib.api.rates"},
    "api_trading.py": {"qflib.api.keys"},
    "login.py": {"qflib.api.ticket"},
    "own_pages.py": {"qflib.project"},
    "pages/jobs.py": {"qflib.jobs", "qflib.jobs.due"},
    "reports.py": {"qflib.jobs.report"},
}


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda f: f"{f.parent.name}/{f.name}")
def test_dashboards_read_views_and_send_through_the_client(file: Path) -> None:
    """Whatever else they took would be a second way to the desk. import-linter sees `qflib` alone."""
    own = {m for m in imports(file) if m.split(".")[0] in ("qflib", "pipelines", "confluent_kafka", "quixstreams")}
    foreign = {m for m in own if not any(m == room or m.startswith(f"{room}.") for room in _OF_DASHBOARDS)}
    # an exception that is not needed any more goes
    assert foreign == _EXCEPT.get(file.relative_to(ROOT.parent / "dashboards").as_posix(), set())


def test_dashboards_files_have_one_idea() -> None:
    assert {f.name: n for f in DASHBOARDS if (n := f.read_text(encoding="utf-8").count("\n")) > 400} == {}


def public(body: list[ast.stmt], of: str) -> list[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Classes, functions and methods whose names begin with a letter."""
    found: list[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]] = []
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            found.append((f"{of}.{node.name}", node))
            if isinstance(node, ast.ClassDef):
                found += public(node.body, f"{of}.{node.name}")
    return found


@pytest.mark.parametrize("room", ["broker", "stream", "history"])
def test_what_a_room_offers_is_told(room: str) -> None:
    """A first line; of a function that takes four arguments or more its parameters; of one that raises the errors."""
    short = []
    for file in sorted((ROOT / room).rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree) or file.stem == "__init__", f"{file} does not say what it is"
        for name, node in public(tree.body, f"{room}.{file.stem}"):
            doc = ast.get_docstring(node) or ""
            told = [doc.split("\n")[0].strip()]
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and name.count(".") == 2:
                if len(node.args.args) + len(node.args.kwonlyargs) >= 4:
                    told.append("Parameters\n---" in doc)
                raised = {n.exc.func.id for n in ast.walk(node) if isinstance(n, ast.Raise)
                          and isinstance(n.exc, ast.Call) and isinstance(n.exc.func, ast.Name)}  # fmt: skip
                told += [e in doc for e in raised if e.endswith("Error") and e != "AssertionError"]
            if not all(told):
                short.append(name)
    assert not short


#: modules of pricing and hedging that users import beside the rooms themselves
_OFFERED = ("pricing.svi", "pricing.svi_forms", "hedging.hedgers", "hedging.paths", "hedging.rules")
#: public, and no paper's formula: why
_NO_FORMULA = {
    "pricing.Market": "holds quotes and curves",
    "pricing.Smiles": "a result of fit_smiles",
    "hedging.CostGrid": "a result of cost_grid",
    "hedging.ExecutionHedge": "a result of execution_hedge",
    "hedging.HedgeFrontier": "a result of hedge_frontier",
    "hedging.NeutralHedge": "a result of neutral_hedge",
    "hedging.QuotedBook": "holds a quote",
    "hedging.backtest_hedges": "rules on recorded prices",
    "hedging.quoted_books": "holds quotes",
    "hedging.HedgeEffectiveness": "a result of hedge_effectiveness",
    "hedging.HedgePlan": "a result of hedge",
    "hedging.HedgeSimulation": "a result of simulate_hedges",
    "hedging.Ladder": "a result of Portfolio.ladder",
    "hedging.Portfolio": "holds positions",
    "hedging.WhatIf": "a result of what_if",
    "hedging.explain_by_steps": "revaluation by black_scholes",
    "hedging.what_if": "revaluation, and expected_shortfall",
    "hedging.paths.Model": "abstract",
    "hedging.rules.Rule": "abstract",
    "hedging.rules.Terms": "holds what a rule may look at",
}
#: shown where they are made
_NO_EXAMPLE = {
    "pricing.Smiles", "hedging.ExecutionHedge", "hedging.NeutralHedge",
    "hedging.CostGrid", "hedging.HedgeEffectiveness", "hedging.Ladder", "hedging.WhatIf", "hedging.paths.Model",
    "hedging.rules.Rule", "hedging.rules.Terms",
}  # fmt: skip


def offered() -> dict[str, object]:
    """Callables of pricing and hedging by name."""
    found: dict[str, object] = {}
    for room in ("pricing", "hedging"):
        module = importlib.import_module(f"qflib.{room}")
        found |= {f"{room}.{name}": getattr(module, name) for name in module.__all__}
    for name in _OFFERED:
        module = importlib.import_module(f"qflib.{name}")
        found |= {
            f"{name}.{k}": v
            for k, v in vars(module).items()
            if not k.startswith("_") and callable(v) and getattr(v, "__module__", "") == module.__name__
        }
    return found


def test_every_formula_has_its_source_and_an_example() -> None:
    things = offered()
    assert len(things) > 70
    docs = {name: inspect.getdoc(v) or "" for name, v in things.items()}
    unsourced = {name for name, doc in docs.items() if not re.search(r"\bSources?: \S", doc)}
    # an exception that is not needed any more goes
    assert unsourced == set(_NO_FORMULA)
    assert {name for name, doc in docs.items() if ">>>" not in doc} == _NO_EXAMPLE
    unnoted = {n for n, doc in docs.items() if n not in unsourced and not re.search(r"^Notes\n-+$", doc, re.MULTILINE)}
    assert not unnoted
