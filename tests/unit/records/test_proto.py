"""The committed schema is the declared one, and only adds to the released one."""

import json
from collections import Counter

from qflib.records import RECORDS, TABLES, proto


def test_the_committed_schema_is_the_one_the_declarations_make() -> None:
    assert proto.SCHEMA.read_text(encoding="utf-8") == proto.text(), "run python -m qflib.records.proto --write"


def test_the_schema_only_adds_to_the_released_one() -> None:
    today = {(f["message"], f["number"], f["field"]): f["type"] for f in proto.fields()}
    for f in json.loads(proto.RELEASED.read_text(encoding="utf-8")):
        assert today.get((f["message"], f["number"], f["field"])) == f["type"], (
            f"{f} was released and is gone or changed"
        )


def test_no_number_and_no_name_stands_twice() -> None:
    for key in ("number", "field"):
        seen = Counter((f["message"], f[key]) for f in proto.fields())
        assert seen.most_common(1)[0][1] == 1
    assert len({r.number for r in RECORDS}) == len({r.kind for r in RECORDS}) == len(RECORDS)


def test_records_of_one_table_name_share_the_table() -> None:
    for r in RECORDS:
        for _, table, _ in r.tables:
            assert table in TABLES
