"""The head of a report: whose it is, what it is of, and what the runner reads of it."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from typing import Any

from qflib.jobs.provenance import FACTS


class Headed(ABC):
    """A report's object, shown by its head: green of the desk's own history, brown of a simulated market.

    Attributes
    ----------
    source
        "history" or "sim".
    note
        What the figures are of, in a sentence.
    """

    source: str
    note: str

    @property
    @abstractmethod
    def subject(self) -> str:
        """Whose, and of which day."""

    @property
    def lines(self) -> list[str]:
        """What stands below the subject."""
        return [self.note]

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Where it comes from and its chief figures, for the runner."""

    def _repr_html_(self) -> str:
        color = "#1d6f42" if self.source == "history" else "#b03a00"
        kind = "From the desk's history." if self.source == "history" else "SIMULATED MARKET, not the desk's own."
        said = "<br>".join(map(html.escape, self.lines))
        return (
            f'<div style="border-left: 6px solid {color}; background: {color}14; padding: .6em 1em">'
            f"<b>{html.escape(self.subject)}. {kind}</b><br>{said}</div>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Shown in a job, it tells the runner what it is made of."""
        return {"text/html": self._repr_html_(), "text/plain": self.note, FACTS: self.facts()}
