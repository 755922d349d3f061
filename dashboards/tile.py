"""A tile of a page: a heading, one component, and how old what it shows is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple


class Age(NamedTuple):
    """What a tile shows of.

    Parameters
    ----------
    seq
        Sequence of what is shown; -1: it has none.
    told_ns
        When Kafka had it, or when it was computed; 0: nothing is shown yet.
    alive_ns
        When its source was last heard of: 5 s after that the tile greys out.
    note
        A word beside the heading; None: it stays.
    """

    seq: int
    told_ns: int
    alive_ns: int
    note: str | None = None

    def message(self) -> list[Any]:
        """As the frame takes it: milliseconds."""
        return [self.seq, self.told_ns / 1e6, self.alive_ns / 1e6, self.note]


@dataclass(frozen=True)
class Tile:
    """A tile: its name (of a grid's area, too), heading, component, and its age."""

    name: str
    title: str
    body: Any
    age: Callable[[], Age] | None = None
    note: str = ""
