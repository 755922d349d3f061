"""The page of fields is that of the code, and no number in it lacks its unit."""

from qflib.promote.fields import PAGE, page
from qflib.steps.promoted.definition import TABLES


def test_the_page_is_written_anew() -> None:
    told = PAGE.read_text(encoding="utf-8")
    assert told == page(), "run `python -m qflib.promote.fields --write`"
    assert [line.split("`")[1] for line in told.splitlines() if line.startswith("## `")] == list(TABLES)
    assert "| `bid_ticks` | int64 | ticks; × `params.tick[k]` = quote currency | bid |" in told
    assert "| Side | 0 NONE, 1 BID, 2 ASK |" in told
