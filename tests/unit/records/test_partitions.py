"""Keys whose hash is the table's partition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.errors import InputError
from qflib.records.partitions import Partitions, murmur2, name_of

# what the Java client's own tests say of its hash
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("data", JAVA)
def test_the_hash_is_the_java_clients(data: bytes) -> None:
    assert murmur2(data) == JAVA[data] % 2**32


@given(st.integers(1, 32), st.lists(st.text(min_size=1, max_size=20), unique=True, max_size=20))
def test_a_key_lies_where_the_table_says_and_gives_the_name_back(n: int, names: list[str]) -> None:
    table = Partitions.spread(n, names)
    for i, name in enumerate(names):
        key = table.key(name)
        assert table.place(name) == i % n == (murmur2(key) & 0x7FFF_FFFF) % n
        assert name_of(key) == name


@given(st.integers(1, 32), st.text(max_size=20))
def test_a_name_outside_the_table_lies_where_its_key_hashes(n: int, name: str) -> None:
    table = Partitions(n)
    assert table.place(name) == (murmur2(table.key(name)) & 0x7FFF_FFFF) % n


@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_every_partition_has_a_name(n: int) -> None:
    table = Partitions(n)
    assert [table.place(name) for name in table.every] == list(range(n))


def test_wrong_tables_are_refused() -> None:
    with pytest.raises(InputError, match="0 partitions"):
        Partitions(0)
    with pytest.raises(InputError, match="partition 4 of 'ACME'"):
        Partitions(4, {"ACME": 4})
    with pytest.raises(InputError, match="one at least"):
        Partitions.spread(0, ["ACME"])
