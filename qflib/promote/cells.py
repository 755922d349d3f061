"""The cells of a notebook that make a step, as one source that remembers where each line stands."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from qflib.errors import DataError

TAG = "step"


@dataclass(frozen=True)
class Cells:
    """The tagged code cells of a notebook, joined.

    Parameters
    ----------
    source
        Their text, in the order of the notebook.
    places
        Of each line of `source` its cell (counted from 1 over all cells) and the line in it.
    sha256
        Of `source`.
    """

    source: str
    places: tuple[tuple[int, int], ...]

    @property
    def sha256(self) -> str:
        """Hash of the text."""
        return hashlib.sha256(self.source.encode()).hexdigest()

    def place(self, line: int) -> tuple[int, int]:
        """Cell and line of a line of `source`, counted from 1."""
        return self.places[min(max(line, 1), len(self.places)) - 1] if self.places else (0, 0)


def read_cells(notebook: Path) -> Cells:
    """The cells tagged `step`.

    Raises
    ------
    DataError
        If the file is missing or no notebook, or no code cell of it is tagged.
    """
    try:
        told = json.loads(notebook.read_text(encoding="utf-8"))
        cells = [(number, c) for number, c in enumerate(told["cells"], 1) if c["cell_type"] == "code"]
        tagged = [(n, _text(c["source"])) for n, c in cells if TAG in (c.get("metadata", {}).get("tags") or [])]
    except FileNotFoundError:
        raise DataError(f"notebook {notebook} does not exist; give the path of an .ipynb file") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{notebook} is no notebook; give the path of an .ipynb file of format 4") from None
    lines: list[str] = []
    places: list[tuple[int, int]] = []
    for number, text in tagged:
        if lines:
            lines += ["", ""]
            places += [places[-1]] * 2
        own = text.rstrip().split("\n")
        lines += own
        places += [(number, i) for i in range(1, len(own) + 1)]
    if not lines:
        raise DataError(
            f"{notebook} has no code cell tagged {TAG!r}; tag the cell that holds State, Out and the function "
            "(cell toolbar, or metadata: tags)"
        )
    return Cells("\n".join(lines) + "\n", tuple(places))


def _text(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)
