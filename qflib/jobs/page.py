"""The page of an executed notebook: words, tables and pictures in one file that needs no network."""

from __future__ import annotations

import html
from pathlib import Path

#: Narrow enough to read, wide enough for a picture; figures stand to the right.
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 1120px; margin: 2em auto; padding: 0 1em; }
h1, h2, h3 { line-height: 1.2; margin: 1.4em 0 .4em; } h1 { margin-top: 0; }
.output_area { margin: .6em 0; } .output_stderr { color: #8a1c1c; }
table { border-collapse: collapse; border: 0; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 10px; border: 0; border-bottom: 1px solid #e4e4e4; text-align: right; white-space: nowrap; }
thead th { border-bottom: 2px solid #888; } tbody th { text-align: left; font-weight: 600; }
code, pre { font-size: 13px; } pre { overflow-x: auto; }
"""


def page(notebook: Path, title: str) -> str:
    """A notebook as HTML: code hidden, style and scripts inside.

    Parameters
    ----------
    notebook
        An executed notebook. Its pictures' scripts are in its outputs.
    title
        Of the page.

    Returns
    -------
    str
        A whole document.
    """
    import nbformat
    from nbconvert import HTMLExporter

    # the larger templates load MathJax and RequireJS from elsewhere: this one has neither
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="basic",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
        embed_images=True,
    )
    read = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    for cell in read.cells:  # what shows nothing has no place on a page, and nbconvert warns of it
        cell.outputs = [o for o in cell.get("outputs", []) if o.output_type == "stream" or o.get("data", True)]
    body, _ = exporter.from_notebook_node(read)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{_STYLE}</style>\n</head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )
