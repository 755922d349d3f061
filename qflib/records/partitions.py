"""Which partition a name's records lie in, by a table instead of the luck of a hash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count

from qflib.errors import InputError

_SEED, _M = 0x9747B28C, 0x5BD1E995
_WORD = 0xFFFF_FFFF


def murmur2(data: bytes) -> int:
    """The hash by which Kafka's Java clients, and Quix Streams, choose a partition.

    O(bytes). Source: Austin Appleby's MurmurHash2, 32 bits, seed 0x9747b28c.

    Examples
    --------
    >>> murmur2(b"21")
    3321034988
    """
    h = (_SEED ^ len(data)) & _WORD
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _WORD
        h = h * _M & _WORD ^ (k ^ k >> 24) * _M & _WORD
    if whole < len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _WORD
    h = (h ^ h >> 13) * _M & _WORD
    return h ^ h >> 15


@dataclass(frozen=True)
class Partitions:
    """The table of names and their partitions.

    A key's bytes are the name and a salt, chosen so that the hash of the key gives the table's partition: every
    producer that partitions by murmur2 of the key agrees, and none needs the table to read.

    Parameters
    ----------
    n
        Partitions of every topic.
    places
        Partition of each name in the table; a name that is not in it lies where its own hash says.

    Raises
    ------
    InputError
        If there are no partitions, or a place lies outside them.

    Examples
    --------
    >>> table = Partitions(4, {"ACME": 3})
    >>> table.place("ACME"), murmur2(table.key("ACME")) % 4, name_of(table.key("ACME"))
    (3, 3, 'ACME')
    """

    n: int = 1
    places: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.n < 1:
            raise InputError(f"{self.n} partitions; a topic has one at least")
        for name, place in self.places.items():
            if not 0 <= place < self.n:
                raise InputError(f"partition {place} of {name!r} is none of {self.n}; give one from 0 on")

    @classmethod
    def spread(cls, n: int, *groups: Iterable[str]) -> Partitions:
        """The names of each group spread evenly, in their order: underlyings among themselves, connections too.

        Raises
        ------
        InputError
            If there are no partitions.
        """
        if n < 1:
            raise InputError(f"{n} partitions; a topic has one at least")
        return cls(n, {name: i % n for names in groups for i, name in enumerate(names)})

    def place(self, name: str) -> int:
        """The partition of a name's records."""
        place = self.places.get(name)
        return _hashed(_key(name, 0), self.n) if place is None else place

    def key(self, name: str) -> bytes:
        """The key of a name's records. O(partitions) at its first time."""
        key = self._keys.get(name)
        if key is None:
            place = self.place(name)
            key = next(k for salt in count() if _hashed(k := _key(name, salt), self.n) == place)
            self._keys[name] = key
        return key

    @cached_property
    def every(self) -> tuple[str, ...]:
        """A name in each partition: whom to send what goes to all of them."""
        return tuple(next(name for i in count() if self.place(name := f"every-{k}-{i}") == k) for k in range(self.n))

    @cached_property
    def _keys(self) -> dict[str, bytes]:
        return {}


def name_of(key: bytes) -> str:
    """The name in a key; of a key without a salt, all of it.

    Examples
    --------
    >>> name_of(b"XBT/USD#2")
    'XBT/USD'
    """
    return key.rpartition(b"#")[0].decode(errors="replace") if b"#" in key else key.decode(errors="replace")


def _key(name: str, salt: int) -> bytes:
    return f"{name}#{salt}".encode()


def _hashed(key: bytes, n: int) -> int:
    return (murmur2(key) & 0x7FFF_FFFF) % n
