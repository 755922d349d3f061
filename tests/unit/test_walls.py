"""Walls that import-linter can't see: what kernels import, what `import qflib` loads, what the face says of itself."""

import ast
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
    assert not foreign


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
