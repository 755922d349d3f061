"""What a cell does that a step may not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Violation:
    """One finding: where, which rule, and how to mend it."""

    cell: int
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"cell {self.cell}, line {self.line}: [{self.rule}] {self.message}"
