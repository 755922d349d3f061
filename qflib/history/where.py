"""Conditions on rows that every store understands: written once, read as Arrow's by one and as SQL by another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import and_, eq, ge, gt, le, lt, ne, or_
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

_COMPARED = {"=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge}

Comparison = Literal["=", "<>", "<", "<=", ">", ">=", "in", "ends"]


class Condition(ABC):
    """A comparison of a column, or several conditions of which all or any hold; made by `field`.

    Examples
    --------
    >>> from qflib.history.where import field
    >>> where = (field("instrument") == 3) & (field("receipt_ns") >= 10)
    >>> where.arrow
    <pyarrow.compute.Expression ((instrument == 3) and (receipt_ns >= 10))>
    """

    def __and__(self, other: Condition) -> Condition:
        return Joined("and", (*_parts("and", self), *_parts("and", other)))

    def __or__(self, other: Condition) -> Condition:
        return Joined("or", (*_parts("or", self), *_parts("or", other)))

    @property
    @abstractmethod
    def arrow(self) -> ds.Expression:
        """As Arrow's datasets take it."""


@dataclass(frozen=True)
class Compared(Condition):
    """A column against a value; "in": against several, "ends": its end against a text."""

    column: str
    op: Comparison
    value: Any

    @property
    def arrow(self) -> ds.Expression:
        """As Arrow's datasets take it."""
        column = ds.field(self.column)
        if self.op == "in":
            return column.isin(list(self.value)) if self.value else ds.scalar(False)
        if self.op == "ends":
            return pc.ends_with(column, self.value)
        return _COMPARED[self.op](column, self.value)


@dataclass(frozen=True)
class Joined(Condition):
    """Conditions of which all ("and") or any ("or") hold."""

    how: Literal["and", "or"]
    parts: tuple[Condition, ...]

    @property
    def arrow(self) -> ds.Expression:
        """As Arrow's datasets take it."""
        return reduce(and_ if self.how == "and" else or_, (p.arrow for p in self.parts))


class Field:
    """A column, to be compared."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        self._name = name

    def __eq__(self, value: object) -> Condition:  # type: ignore[override]
        return Compared(self._name, "=", value)

    def __ne__(self, value: object) -> Condition:  # type: ignore[override]
        return Compared(self._name, "<>", value)

    def __lt__(self, value: Any) -> Condition:
        return Compared(self._name, "<", value)

    def __le__(self, value: Any) -> Condition:
        return Compared(self._name, "<=", value)

    def __gt__(self, value: Any) -> Condition:
        return Compared(self._name, ">", value)

    def __ge__(self, value: Any) -> Condition:
        return Compared(self._name, ">=", value)

    def isin(self, values: Iterable[Any] | pa.Array) -> Condition:
        """Whether it is one of these."""
        listed = values.to_pylist() if isinstance(values, pa.Array | pa.ChunkedArray) else list(values)
        return Compared(self._name, "in", tuple(listed))

    def ends_with(self, text: str) -> Condition:
        """Whether a text ends so."""
        return Compared(self._name, "ends", text)


def field(name: str) -> Field:
    """A column of a table of the history, for a condition.

    Parameters
    ----------
    name
        As the table's schema has it.

    Examples
    --------
    >>> field("topic").ends_with(".dead") | (field("partition") == 2)
    Joined(how='or', parts=(Compared(column='topic', op='ends', value='.dead'), Compared(column='partition', ...)))
    """
    return Field(name)


def _parts(how: str, c: Condition) -> tuple[Condition, ...]:
    return c.parts if isinstance(c, Joined) and c.how == how else (c,)
