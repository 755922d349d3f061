"""Replays the Dockerfile's steps without Docker, each stage in a fresh folder, and tries what came out.

    python deploy/replay_image.py FOLDER

COPY takes what git has, RUN runs with the stage's ENV alone, and every absolute path of ENV, WORKDIR and COPY lies
below the folder. So what the steps need and the image does not have is missing here too; what they take from the base
image, Python, is this machine's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
_MINE = ("/app", "/opt", "/data", "/tmp")  # paths that the stages make
#: How this machine reaches the registries, as a builder is told by its own configuration.
_NETWORK = re.compile(r"(?i)_proxy$|^SSL_CERT|^PIP_CERT$|CA_BUNDLE$")


@dataclass
class Stage:
    """One FROM: where its root lies, its environment and its folder."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"

    def inside(self, path: str) -> Path:
        """Where a path of the image lies."""
        place = path if path.startswith("/") else f"{self.folder.rstrip('/')}/{path}"
        return self.root / place.strip("/")

    def value(self, text: str) -> str:
        """A value of ENV with the folder before its paths."""
        for mine in _MINE:
            text = re.sub(rf"(?<![\w/]){mine}\b", str(self.root / mine[1:]), text)
        return text


def steps(text: str) -> Iterator[tuple[str, str]]:
    """Instructions and their arguments, continued lines joined."""
    for line in re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name, rest


def assignments(text: str) -> dict[str, str]:
    """Of an ENV line."""
    return {k: quoted or plain for k, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|(\S*))', text)}


def replay(folder: Path) -> Stage:
    """Run every stage; the last one."""
    project = HERE.parent
    stages: dict[str, Stage] = {}
    (folder / "base").mkdir()  # what the base image has beside a shell
    (folder / "base" / "python").symlink_to(sys.executable)
    last = Stage(folder)
    for name, rest in steps((HERE / "Dockerfile").read_text(encoding="utf-8")):
        if name == "FROM":
            label = rest.split()[-1] if " AS " in rest else str(len(stages))
            own = {"PATH": f"{folder}/base:/usr/bin:/bin", "HOME": str(folder)}
            last = stages[label] = Stage(
                folder / label, own | {k: v for k, v in os.environ.items() if _NETWORK.search(k)}
            )
            last.root.mkdir(parents=True)
        elif name == "ENV":
            path = last.environment["PATH"]
            last.environment |= {k: last.value(v).replace("$PATH", path) for k, v in assignments(rest).items()}
        elif name == "WORKDIR":
            last.folder = rest
            last.inside(".").mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            _copy(project, stages, last, rest.split())
        elif name == "RUN":
            began = time.monotonic()
            subprocess.run(["sh", "-c", rest], check=True, cwd=last.inside("."), env=last.environment)
            print(f"RUN {rest[:80]}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        elif name in ("CMD", "ENTRYPOINT"):
            last.environment[name] = rest
    return last


def _copy(project: Path, stages: dict[str, Stage], stage: Stage, words: list[str]) -> None:
    words = [w for w in words if not w.startswith("--chown=")]
    if words[0].startswith("--from="):
        # a container has the path itself: what the interpreter and the caches wrote down is right there
        source = stages[words[0].partition("=")[2]].inside(words[1])
        shutil.copytree(source, stage.inside(words[2]), symlinks=True, copy_function=shutil.copy2)
        return
    *sources, target = words
    for source in sources:
        tracked = subprocess.run(["git", "ls-files", "-z", source], check=True, cwd=project, capture_output=True)
        for file in filter(None, tracked.stdout.decode().split("\0")):
            place = stage.inside(target) / Path(file).relative_to(source) if file != source else stage.inside(file)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project / file, place)


def tried(stage: Stage, build: Path) -> None:
    """Run the command of the last stage, and a desk in one process; nothing may be written to the image."""
    shutil.rmtree(stage.inside("/app"))
    stage.inside("/app").symlink_to(build / "app")  # the interpreter's scripts name the path they were made at
    stage.inside("/tmp").mkdir()
    moved = {k: v.replace(str(stage.root / "app"), str(build / "app")) for k, v in stage.environment.items()}
    enter = [str(stage.inside(part)) for part in json.loads(moved.pop("ENTRYPOINT"))]
    command = json.loads(moved.pop("CMD"))
    before = _written(build)
    began = time.monotonic()
    subprocess.run([*enter, *command], check=True, env=moved, cwd=build / "app", stdout=subprocess.DEVNULL)
    print(f"{' '.join(command)}: {time.monotonic() - began:.1f} s", file=sys.stderr)
    desk = ["-m", "qflib.cli.main", "desk", "--source", "sim", "--for", "2s", "--json"]
    began = time.monotonic()
    told = subprocess.run([*enter, *desk], check=True, env=moved, cwd=build / "app", capture_output=True)
    figures = json.loads(told.stdout)
    print(f"a desk of 2 s: {figures['events']:,} events, {time.monotonic() - began:.1f} s", file=sys.stderr)
    late = [f.name for f in stage.inside("/tmp").rglob("*.nbc") if not f.is_symlink()]
    print(f"kernels that were not compiled before: {', '.join(late) or 'none'}", file=sys.stderr)
    if changed := _written(build) ^ before:
        sys.exit(f"written to a root that will be read-only: {', '.join(sorted(changed)[:5])}")


def _written(build: Path) -> set[str]:
    return {str(f) for f in (build / "app").rglob("*") if f.is_file()}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python deploy/replay_image.py FOLDER (which must not exist)")
    target = Path(sys.argv[1]).resolve()
    target.mkdir(parents=True)
    made = replay(target)
    tried(made, target / "build")
