"""What mkdocs is told while it builds: executed notebooks, pages from outside docs/, links to sources, no network."""

from __future__ import annotations

import inspect
import logging
import os
import posixpath
import re
import sys
from collections.abc import Iterator
from html import unescape
from importlib import import_module, metadata
from inspect import isfunction
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # mkdocs loads this file by itself

from docs.site.executed import NOTEBOOKS, execute, kept, shortened  # noqa: E402

_log = logging.getLogger("mkdocs.hooks.qflib")
_PAGES = {"README.md": "index.md"} | {f"{n}.md": f"project/{n}.md" for n in ("CONTRIBUTING", "SECURITY", "CHANGELOG")}
_REFERENCE = ("qflib", "qflib.orderbook", "qflib.pricing", "qflib.hedging", "qflib.shortfall", "qflib.desk")
#: A job's notebook: only a test has the desk's day that it needs.
_OF_JOBS = {"daily_risk"}
_LINK = re.compile(r"(!?\]\()([^)\s#]+)(#[^)\s]*)?\)")
_LANGUAGES = {
    ".py": "python",
    ".toml": "toml",
    ".yaml": "yaml",
    ".proto": "protobuf",
    ".js": "javascript",
    ".css": "css",
}
#: Where pictures' scripts are fetched from, and the packages that have the same files.
_ELSEWHERE = {
    re.compile(r"https://cdn\.bokeh\.org/bokeh/release/(bokeh(?:-[a-z]+)?)-[\d.]+?(\.min\.js)"): "bokeh",
    re.compile(r"https://cdn\.holoviz\.org/panel/[\d.]+/dist/([^\"'\\?\s<>]+)(?:\?v=[\d.]+)?"): "panel",
}
_FOLDERS = {"bokeh": "server/static/js", "panel": "dist"}
_ASSETS = "assets/pictures"
_LOADED = re.compile(r"<(a|link|img|script|iframe)\b[^>]*?\s(?:href|src)=\"?([^\s\">]+)")


@event_priority(100)  # before the plug-ins look at the files
def on_files(files: Any, config: Any) -> Any:
    """Add what lies outside docs/: pages, notebooks, the reference, and the sources that pages link to."""
    for own, uri in _PAGES.items():
        files.append(_text(config, uri, (ROOT / own).read_text(encoding="utf-8")))
    for notebook in sorted(NOTEBOOKS.rglob("*.ipynb")):
        uri = notebook.relative_to(ROOT).as_posix()
        files.append(File.generated(config, uri, abs_src_path=str(_shown(notebook))))
    for name in _REFERENCE:
        files.append(_text(config, f"reference/{name.removeprefix('qflib.')}.md", _reference(name)))
    linked = {path for f in list(files) if f.src_uri.endswith(".md") for path in _linked(f) if _uri(path) is None}
    for path in sorted(linked):
        if (ROOT / path).exists():
            files.append(_text(config, _source_uri(path), _source(path)))
    return files


def on_nav(nav: Any, config: Any, files: Any) -> Any:
    """The notebooks' plug-in wraps a file and forgets where a generated one lies."""
    for file in files:
        if file.src_uri.endswith(".ipynb"):
            file.abs_src_path = file.file.abs_src_path
    return nav


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links to the repository's files become links to their pages."""
    here = _repository_path(page.file.src_uri)
    if here is None:
        return markdown

    def moved(m: re.Match[str]) -> str:
        path = _resolved(here, m[2])
        if path is None or not (ROOT / path).exists():
            return m[0]  # mkdocs says where it leads
        uri = _uri(path) or _source_uri(path)
        target = posixpath.relpath(uri, posixpath.dirname(page.file.src_uri) or ".")
        anchor = "" if uri.startswith("source/") else (m[3] or "")
        return f"{m[1]}{target}{anchor})"

    return _LINK.sub(moved, markdown)


def on_page_context(context: Any, page: Any, config: Any, nav: Any) -> Any:
    """Notebooks take the width of their own contents' list: pictures are wide."""
    if page.file.src_uri.endswith(".ipynb"):
        page.meta["hide"] = ["toc"]
    return context


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Scripts of pictures are the site's own: it needs no network to be read."""
    up = posixpath.relpath(_ASSETS, posixpath.dirname(page.file.dest_uri) or ".")
    for pattern, package in _ELSEWHERE.items():

        def own(m: re.Match[str], package: str = package) -> str:
            name = "".join(g for g in m.groups() if g)
            file = _distribution(package) / _FOLDERS[package] / name
            if not file.exists():
                _log.warning(f"{page.file.src_uri} shows pictures by {m[0]}, which {package} does not have here")
                return m[0]
            _copy(file, Path(config["site_dir"], _ASSETS, package, name))
            return f"{up}/{package}/{name}"

        output = pattern.sub(own, output)
    return output


def on_post_build(config: Any) -> None:
    """Every link of every page leads somewhere, to its anchor, and nothing that a page loads lies elsewhere."""
    site = Path(config["site_dir"])
    told = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html") if page.name != "404.html"}
    anchors = {page: set(re.findall(r"\s(?:id|name)=\"?([^\s\"<>]+)", text)) for page, text in told.items()}
    for page, text in told.items():
        markup = re.sub(r"<script\b[^>]*>.*?</script>", "", text, flags=re.DOTALL)
        for tag, target in set(_LOADED.findall(markup)):
            address, _, anchor = unquote(unescape(target)).partition("#")
            if "://" in address or address.startswith(("mailto:", "data:", "javascript:")):
                if tag != "a" and address.startswith("http"):
                    _log.warning(f"{page.relative_to(site)} loads {address}: a page must need no network")
                continue
            to = (page.parent / address).resolve() if address else page
            to = to / "index.html" if to.is_dir() else to
            if not to.exists():
                _log.warning(f"{page.relative_to(site)} links to {target}, which is not there")
            elif anchor and to in anchors and anchor not in anchors[to]:
                _log.warning(f"{page.relative_to(site)} links to {target}, whose anchor is not there")


def _shown(notebook: Path) -> Path:
    """The notebook's executed copy; executed now where CI's tests have left none."""
    import nbformat

    copy = kept(notebook)
    if copy is None and notebook.stem in _OF_JOBS:
        return notebook
    if copy is None:
        _log.info(f"executing {notebook.relative_to(ROOT)}: no test has")
        execute(notebook)
        copy = kept(notebook)
    assert copy is not None
    if short := shortened(notebook):
        book = nbformat.read(copy, as_version=4)
        said = ", ".join(f"{b} in the place of {a}" for a, b in short.items())
        book.cells[0].source += f"\n\n*This page was executed with {said}: its figures are of so much.*"
        copy = copy.with_suffix(".page.ipynb")
        nbformat.write(book, copy)
    return copy


def _reference(name: str) -> str:
    """A package's public names; where another page has one, the way there."""
    module = import_module(name)
    parts, elsewhere = [], []
    for n in (n for n in module.__all__ if not n.startswith("__")):
        of = getattr(module, n)
        if isinstance(of, ModuleType):
            functions = sorted(f for f, v in vars(of).items() if isfunction(v) and v.__module__ == of.__name__)
            own = [f"::: {of.__name__}.{f}" for f in functions if not f.startswith("_")]
            parts += [f"## {name}.{n}", inspect.cleandoc(of.__doc__ or ""), *own]
            continue
        home, package = f"{of.__module__}.{n}", ".".join(of.__module__.split(".")[:2])
        if package != name and package in _REFERENCE and n in import_module(package).__all__:
            elsewhere.append(f"- [`{n}`][{home}] of {package}")
        else:
            parts.append(f"::: {home}")
    return "\n\n".join([f"# {name}", (module.__doc__ or "").strip(), "\n".join(elsewhere), *parts]) + "\n"


def _text(config: Any, uri: str, content: str) -> File:
    return File.generated(config, uri, content=content)


def _linked(file: File) -> Iterator[str]:
    """What a page links to in the repository."""
    here = _repository_path(file.src_uri)
    if here is not None:
        for m in _LINK.finditer(file.content_string):
            path = _resolved(here, m[2])
            if path is not None:
                yield path


def _repository_path(uri: str) -> str | None:
    """Where a page lies in the repository; None: it is made here."""
    for own, of in _PAGES.items():
        if of == uri:
            return own
    return None if uri.startswith(("source/", "reference/", "notebooks/")) else f"docs/{uri}"


def _resolved(here: str, target: str) -> str | None:
    if "://" in target or target.startswith(("/", "mailto:")):
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(here), target))


def _uri(path: str) -> str | None:
    """The page that the site has of a file anyway."""
    if path in _PAGES:
        return _PAGES[path]
    if path.startswith("docs/") and not path.startswith("docs/site"):
        return path.removeprefix("docs/")
    return path if path.startswith("notebooks/") and path.endswith(".ipynb") else None


def _source_uri(path: str) -> str:
    return f"source/{path}/index.md" if (ROOT / path).is_dir() else f"source/{path}.md"


def _source(path: str) -> str:
    """A file's text, or a folder's names, as a page that is not searched."""
    place = ROOT / path
    head = f"---\nsearch: {{exclude: true}}\nhide: [navigation, toc]\n---\n\n# {path}\n\n"
    if place.is_dir():
        names = sorted(
            p.name + "/" * p.is_dir() for p in place.iterdir() if not p.name.startswith((".", "__pycache__"))
        )
        return head + "\n".join(f"- {n}" for n in names) + "\n"
    language = _LANGUAGES.get(place.suffix, "text")
    return f"{head}````{language}\n{place.read_text(encoding='utf-8')}\n````\n"


def _distribution(package: str) -> Path:
    return Path(str(metadata.distribution(package).locate_file(package)))


def _copy(file: Path, to: Path) -> None:
    if not to.exists():
        to.parent.mkdir(parents=True, exist_ok=True)
        os.link(file, to) if file.stat().st_dev == to.parent.stat().st_dev else to.write_bytes(file.read_bytes())
