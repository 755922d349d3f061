"""Replays the Dockerfile's steps without Docker, each stage in a fresh folder, and tries what came out.

    python deploy/replay_image.py FOLDER [--cold]

COPY takes what git has, RUN runs with the stage's ENV alone, and every absolute path of ENV, WORKDIR and COPY lies
below the folder. PATH holds what Debian's essential packages have, which is what a slim base image has, and Python: no
compiler, no git, no curl. Python is the base image's version where this machine has one, else this one's, which is
said. The last stage is tried as its USER, who may write nowhere but to /tmp and /data, where root runs this.
It fails where a step does, where the HEALTHCHECK does not tell a process that is well from none at all, where a file
of the image has changed, or where a kernel is compiled late. With --cold, as CI has it, no kernel is compiled, and no
desk is run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
_MINE = ("/app", "/opt", "/data", "/tmp")  # paths that the stages make
_UNPLAYED = ("ARG", "LABEL", "VOLUME", "EXPOSE")  # nothing is done at their place
_HEALTH_PORT = "9400"
_WARM = re.compile(r'"\$APP/\.venv/bin/python" -m qflib\.warm [a-z ]+(?= &&)')  # what compiles the kernels
_SERVE = """
import signal
from qflib.stream.process import serve_metrics
serve_metrics({})
print(flush=True)
signal.pause()
"""
#: How this machine reaches the registries, as a builder is told by its own configuration.
_NETWORK = re.compile(r"(?i)_proxy$|^SSL_CERT|^PIP_CERT$|CA_BUNDLE$")


@dataclass
class Stage:
    """One FROM: where its root lies, its environment and its folder."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    told: dict[str, str] = field(default_factory=dict)  # of the instructions that say how it is run

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


def replay(folder: Path, cold: bool) -> Stage:
    """Run every stage; the last one."""
    project = HERE.parent
    stages: dict[str, Stage] = {}
    text = (HERE / "Dockerfile").read_text(encoding="utf-8")
    given = based(folder / "base", text)
    last = Stage(folder)
    for name, rest in steps(text):
        if name == "FROM":
            label = rest.split()[-1] if " AS " in rest else str(len(stages))
            own = {"HOME": str(folder)} | given
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
            done = _WARM.sub("mkdir -p .cache", rest) if cold else rest
            began = time.monotonic()
            subprocess.run(["sh", "-c", done], check=True, cwd=last.inside("."), env=last.environment)
            print(f"RUN {rest[:80]}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        elif name in ("CMD", "ENTRYPOINT", "USER", "HEALTHCHECK"):
            last.told[name] = rest
        elif name not in _UNPLAYED:
            sys.exit(f"{name} is not replayed; teach deploy/replay_image.py what it does")
    return last


def based(base: Path, text: str) -> dict[str, str]:
    """What the base image has on its PATH: the commands of Debian's essential packages, and Python; its environment."""
    base.mkdir()
    asked = ["dpkg-query", "--show", "--showformat", "${Essential} ${Package}\n"]
    packages = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()
    essential = [p.partition(" ")[2] for p in packages if p.startswith("yes ")]
    files = subprocess.run(["dpkg", "--listfiles", *essential], check=True, capture_output=True, text=True).stdout
    commands = {Path(f).name for f in files.splitlines() if re.fullmatch(r"(/usr)?/s?bin/[^/]+", f)}
    for name in sorted(commands | {"sh"}):  # a package asks for sh by an alternative, and lists it nowhere
        if found := shutil.which(name):
            (base / name).symlink_to(found)
    wanted = re.findall(r"FROM \S*python:(\d+\.\d+)", text)[0]
    own = ".".join(map(str, sys.version_info[:2]))
    python = interpreter(wanted)
    if python is None:
        python = Path(sys.executable).resolve()
        if own != wanted:
            print(f"NOT the image's interpreter: it has Python {wanted}, this replay {own}", file=sys.stderr)
    if python.parts[1] == "usr":
        for name in ("python", "python3"):
            (base / name).symlink_to(python)
        return {"PATH": str(base)}
    # in somebody's home, where another user may not go; a copy, as an environment takes its library from beside a link
    own_folder = base.parent / "python"
    shutil.copytree(python.parents[1], own_folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return {"PATH": f"{own_folder / 'bin'}:{base}", "LD_LIBRARY_PATH": str(own_folder / "lib")}


def interpreter(version: str) -> Path | None:
    """A Python of this version that runs here: on the PATH, or one that pyenv keeps."""
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
    for place in filter(None, (shutil.which(f"python{version}"), *map(str, kept))):
        asked = [place, "-c", "import os, sys; print(os.path.realpath(sys.executable))"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)  # pyenv's stand-ins may run nothing
        if done.returncode == 0:
            return Path(done.stdout.strip())
    return None


def _copy(project: Path, stages: dict[str, Stage], stage: Stage, words: list[str]) -> None:
    words = [w for w in words if not w.startswith("--chown=")]
    if words[0].startswith("--from="):
        # a container has the path itself: what the interpreter and the caches wrote down is right there
        source = stages[words[0].partition("=")[2]].inside(words[1])
        shutil.copytree(source, stage.inside(words[2]), symlinks=True, copy_function=os.link)
        return
    *sources, target = words
    for source in sources:
        tracked = subprocess.run(["git", "ls-files", "-z", source], check=True, cwd=project, capture_output=True)
        for file in filter(None, tracked.stdout.decode().split("\0")):
            place = stage.inside(target) / Path(file).relative_to(source) if file != source else stage.inside(file)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project / file, place)


def tried(stage: Stage, build: Path, cold: bool) -> None:
    """Run the last stage's command, a desk in one process, and the health check; nothing of the image may change."""
    shutil.rmtree(stage.inside("/app"))
    stage.inside("/app").symlink_to(build / "app")  # the interpreter's scripts name the path they were made at
    stage.inside("/tmp").mkdir()
    moved = {k: v.replace(str(stage.root / "app"), str(build / "app")) for k, v in stage.environment.items()}
    enter = [str(stage.inside(part)) for part in json.loads(stage.told["ENTRYPOINT"])]
    command = json.loads(stage.told["CMD"])
    run = {"env": moved, "cwd": build / "app", **_user(stage)}
    before = contents(build / "app")
    began = time.monotonic()
    subprocess.run([*enter, *command], check=True, stdout=subprocess.DEVNULL, **run)
    print(f"{' '.join(command)}: {time.monotonic() - began:.1f} s", file=sys.stderr)
    if not cold:
        desk = ["-m", "qflib.cli.main", "desk", "--source", "sim", "--for", "2s", "--json"]
        began = time.monotonic()
        told = subprocess.run([*enter, *desk], check=True, stdout=subprocess.PIPE, **run)
        figures = json.loads(told.stdout)
        print(f"a desk of 2 s: {figures['events']:,} events, {time.monotonic() - began:.1f} s", file=sys.stderr)
    _health(stage, enter, run)
    late = [f.name for f in stage.inside("/tmp").rglob("*.nbc") if not f.is_symlink()]
    print(f"kernels that were not compiled before: {', '.join(late) or 'none'}", file=sys.stderr)
    if changed := [str(p) for p, _ in contents(build / "app").items() ^ before.items()]:
        sys.exit(f"written to a root that will be read-only: {', '.join(sorted(set(changed))[:5])}")
    if late and not cold:
        sys.exit("the image lacks kernels that a desk needs: see qflib.warm")


def _user(stage: Stage) -> dict[str, int]:
    """As whom it runs; the places that a container mounts are this user's."""
    if os.getuid() != 0:
        print("USER is not played: only root may run as another", file=sys.stderr)
        return {}
    user, _, group = stage.told["USER"].partition(":")
    for place in ("/tmp", "/data"):
        os.chown(stage.inside(place), int(user), int(group))
    return {"user": int(user), "group": int(group)}


def _health(stage: Stage, enter: list[str], run: Mapping[str, object]) -> None:
    """The check fails where nothing listens, and holds beside a process that tells its metrics."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])  # others may have the image's own here
    words = json.loads(stage.told["HEALTHCHECK"].partition("CMD ")[2])
    check = [w.replace(f":{_HEALTH_PORT}/", f":{port}/") for w in words]
    if check == words:
        sys.exit(f"the health check does not ask port {_HEALTH_PORT}")
    alone = subprocess.run(check, check=False, capture_output=True, **run)
    served = subprocess.Popen([*enter, "-c", _SERVE.format(port)], stdout=subprocess.PIPE, **run)
    try:
        assert served.stdout is not None
        served.stdout.readline()
        beside = subprocess.run(check, check=False, capture_output=True, **run)
    finally:
        served.terminate()
        served.wait()
    if alone.returncode != 1 or beside.returncode != 0:
        sys.exit(f"the health check ends with {alone.returncode} alone and {beside.returncode} beside a process, not 1 "
                 f"and 0: {beside.stderr.decode()[-300:]}")  # fmt: skip
    print("the health check fails alone, and holds beside a process", file=sys.stderr)


def contents(folder: Path) -> dict[Path, tuple[int, str]]:
    """When each file was written, and the sum of what is in it; where a link leads."""
    made = {}
    for f in folder.rglob("*"):
        if f.is_symlink():
            made[f] = (f.lstat().st_mtime_ns, os.readlink(f))
        elif f.is_file():
            with f.open("rb") as read:
                made[f] = (f.stat().st_mtime_ns, hashlib.file_digest(read, "sha256").hexdigest())
    return made


if __name__ == "__main__":
    asked = argparse.ArgumentParser(prog="python deploy/replay_image.py", description="The Dockerfile without Docker.")
    asked.add_argument("folder", type=Path, help="where; it must not exist")
    asked.add_argument("--cold", action="store_true", help="compile no kernels, and run no desk")
    told = asked.parse_args()
    target = told.folder.resolve()
    target.mkdir(parents=True)
    made = replay(target, told.cold)
    tried(made, target / "build", told.cold)
