"""Runbooks against what there is: sections, and every command, call, setting, log event and metric that they name."""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import quixstreams
import yaml
from typer.main import get_command

from qflib.api.client.live import Live
from qflib.cli.main import app
from qflib.settings import Settings
from tests.deploy.tools import LOG_RULES, ROOT, RULES, alerts

PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
#: Programs of others that a page may tell to use, and their words that come first, where they have such.
_PLAIN = [
    "tail",
    "grep",
    "ps",
    "pgrep",
    "ss",
    "kill",
    "du",
    "df",
    "ls",
    "cp",
    "mv",
    "curl",
    "dmesg",
    "iostat",
    "timedatectl",
    "mkdir",
]
PROGRAMS = {"kubectl": {"logs", "describe", "delete", "get", "edit"}, "helm": {"upgrade"}} | {
    name: set[str]() for name in _PLAIN
}
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*=\S+")
#: A span that is no command: a call, a label, a query, a file, a flag, a signal's name.
_NO_COMMAND = re.compile(r"^(?:qf\.|live\.|\w+=\"|\{|/|--|\.|runs/)")


def spans(text: str) -> list[str]:
    """What stands between backticks, outside of blocks, on one line."""
    return [" ".join(s.split()) for s in re.findall(r"`([^`]+)`", _BLOCK.sub("", text))]


def commands(text: str) -> list[str]:
    """Lines of shell blocks, and spans of several words, or of one that is a program."""
    made = [line.strip() for _, kind, body in _BLOCK.findall(text) if kind == "bash" for line in body.splitlines()]
    for span in spans(text):
        words = span.split()
        typed = len(words) > 1 and not _NO_COMMAND.match(span) and not logged(span)
        if typed or words[0] in {*PROGRAMS, "qflib", "make", "python"}:
            made.append(span)
    return [m for m in made if m]


@cache
def events() -> frozenset[str]:
    """Events that the sources log, and texts of theirs."""
    found = set()
    for file in (ROOT / "qflib").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        found |= {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return frozenset(found)


def logged(span: str) -> bool:
    """Whether it is an event of the log, word for word; those of Quix Streams may go on."""
    return span in events() or any(span in text for text in carried())


@cache
def carried() -> tuple[str, ...]:
    """The sources of what carries a stage."""
    return tuple(f.read_text(encoding="utf-8") for f in Path(quixstreams.__path__[0]).rglob("*.py"))


def check(line: str) -> None:
    """Refuse a command that is not there."""
    for part in re.split(r"\s(?:\||&&|;)\s", line.partition("  #")[0]):
        words = shlex.split(part)
        while words and _VARIABLE.fullmatch(words[0]):
            _check_variable(words.pop(0).partition("=")[0])
        program, *rest = words
        if program == "qflib":
            _check_qflib(rest, line)
        elif program == "make":
            targets = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
            assert rest, line
            assert set(rest) <= set(targets), line
        elif program == "python":
            assert rest, line
            assert (ROOT / rest[0]).is_file(), line
        else:
            assert program in PROGRAMS, f"{program!r} of {line!r} is no program that a desk's machine is known to have"
            assert not PROGRAMS[program] or not rest or rest[0] in PROGRAMS[program], line


def _check_qflib(words: list[str], line: str) -> None:
    command: Any = get_command(app)
    while words and (known := getattr(command, "commands", None)) is not None:
        assert words[0] in known, line
        command = known[words.pop(0)]
    options = {o: p for p in command.params for o in (*p.opts, *p.secondary_opts) if o.startswith("-")}
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    given, waiting = 0, False
    for word in words:
        if waiting:
            waiting = False
        elif word.startswith("-"):
            assert word in options, line
            waiting = not getattr(options[word], "is_flag", False)
        else:
            given += 1
    assert not waiting, line
    assert given <= sum(1 if p.nargs == 1 else 99 for p in arguments), line
    if words:  # `qflib record` alone names a command; with anything behind it, it can be typed
        assert given >= sum(p.required for p in arguments), line


def _check_variable(name: str) -> None:
    if not name.startswith("QFLIB_") or "__" not in name:
        assert name == "QFLIB_STATE", name
        return
    part, field = name.removeprefix("QFLIB_").lower().split("__")
    assert part in Settings.model_fields, name
    assert field in Settings.model_fields[part].annotation.model_fields, name  # type: ignore[union-attr]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_page_names_what_there_is(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"^## (\w+)$", text, re.MULTILINE)) <= {r["alert"] for r in alerts((*RULES, *LOG_RULES))}
    for line in commands(text):
        check(line)
    for call in re.findall(r"(?:live|connect\(\))\.(\w+)", text):
        assert hasattr(Live, call), call
    for name in re.findall(r"QFLIB_[A-Z]+__[A-Z_]+", text):
        _check_variable(name)
    for name in re.findall(r"`(qflib_\w+)`", text):
        assert name in metrics(), name
    for _, kind, body in _BLOCK.findall(text):
        if kind == "python":
            ast.parse("\n".join(line.removeprefix("    ") for line in body.splitlines()))


@cache
def metrics() -> frozenset[str]:
    """What is exported, by the names under which the sources declare it."""
    found = {e for e in events() if re.fullmatch(r"qflib_\w+", e)}
    return frozenset(found | {f"{name}_total" for name in found})


@pytest.mark.parametrize(
    "line",
    [
        "kafka-configs.sh --alter --entity-type topics",
        "qflib broker keeps market.data.raw",
        "qflib broker keep --forever market.data.raw",
        "qflib broker keep --for 3d",
        "qflib broker keep market.data.raw --for",
        "qflib up somewhere",
        "make faultless",
        "python deploy/nothing.py",
        "kubectl repair pod POD",
        "QFLIB_STORE__RETENTION=7 qflib store tend",
        "tail -n 3 x | frobnicate",
    ],
)
def test_a_command_that_is_not_there_is_found(line: str) -> None:
    with pytest.raises(AssertionError):
        check(line)


def test_commands_are_found_in_pages() -> None:
    text = "`runs/up` `qflib audit`\n```bash\nqflib up\n```\n1. x\n\n    ```bash\n    cp -a a b\n    ```\n`kill -9`"
    assert commands(text) == ["qflib up", "cp -a a b", "qflib audit", "kill -9"]
    assert sum(len(commands(page.read_text(encoding="utf-8"))) for page in PAGES) > 50


def test_the_rules_and_alertmanager_name_alerts_that_exist() -> None:
    told = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alertmanager.yaml").read_text(encoding="utf-8"))
    named = set(re.findall(r"Qflib\w+", str(told)))
    assert named
    assert named <= {r["alert"] for r in alerts()}


def test_operations_says_truly_which_alerts_were_raised_for_real() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.partition("\nSeen for real")[2].partition("\n## ")[0]
    real, _, rest = section.partition("raised by\npromtool")
    told = set(re.findall(r"`(Qflib\w+)`", rest.partition("\n\n")[0]))
    tried = [
        line
        for file in (ROOT / "tests" / "deploy").glob("test_*.py")
        if "watching" in file.read_text(encoding="utf-8") and file.name != Path(__file__).name
        for line in file.read_text(encoding="utf-8").splitlines()
        if "is None" not in line  # one that must not come
    ]
    raised = set(re.findall(r'"(Qflib\w+)"', "\n".join(tried)))
    assert raised == set(re.findall(r"`(Qflib\w+)`", real))
    assert told == {r["alert"] for r in alerts()} - raised
