"""The page of the stream says what the code says: topics, tables, metrics, settings, exit codes."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from qflib import settings
from qflib.broker.topics import JOURNALLED, SNAPSHOT, TOPIC_TABLE, TopicSpec
from qflib.history.kept import BATCHES, KEPT, kept_of
from qflib.records.topics import MARKET_RAW, ORDERS_INCOMING, TOPICS, dead_letters, journal, snapshots
from qflib.stream import process
from qflib.stream.application import LOST
from qflib.stream.stages import STAGES
from qflib.stream.watchdog import HUNG

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/stream.md").read_text(encoding="utf-8")
_MB, _HOUR_MS = 1 << 20, 3_600_000


def kept(spec: TopicSpec) -> str:
    if spec.retention_ms < 0 and spec.retention_bytes < 0:
        return "until the stage deletes it"
    time = "no end" if spec.retention_ms < 0 else f"{spec.retention_ms // _HOUR_MS} h"
    size = spec.retention_bytes // _MB
    return f"{time}, {size // 1024} GB" if size >= 1024 else f"{time}, {size} MB"


def names(those: Iterable[str], *more: str) -> str:
    return ", ".join([*more, *those])


def topics() -> list[str]:
    """The table of topics; those of one pattern, which must be alike, in one row."""
    spec = {s.name: s for s in TOPIC_TABLE}
    rows = ["| topic | key | holds | written by | read by | kept a partition |", "|---|---|---|---|---|---|"]
    for name in TOPICS:
        s = spec[name]
        writes = names((g.name for g in STAGES.values() if name in g.outputs), *_SOURCES.get(name, ()))
        reads = names(g.name for g in STAGES.values() if name in g.inputs) or "none"
        rows.append(f"| `{name}` | {s.key} | {s.doc} | {writes} | {reads} | {kept(s)} |")
    for pattern, of, holds, key, writes in (
        ("TOPIC.dead", [dead_letters(t) for t in TOPICS], "what could not be used, with the reason", "the input's",
         "whoever reads or writes the topic"),
        ("STAGE.journal", [journal(s) for s in JOURNALLED], "which inputs, in which order", "partition",
         names(JOURNALLED)),
        ("STAGE.snapshots", [snapshots(s) for s in SNAPSHOT], "the stage's state, in chunks", "partition",
         names(SNAPSHOT)),
    ):  # fmt: skip
        (keep,) = {kept(spec.pop(name)) for name in of}
        reads = "none" if pattern == "TOPIC.dead" else "the same, at a restore"
        rows.append(f"| `{pattern}` | {key} | {holds} | {writes} | {reads} | {keep} |")
    assert set(spec) == set(TOPICS), "a topic that the page's table has no row for"
    return rows


_SOURCES = {MARKET_RAW: ("ingest", "API"), ORDERS_INCOMING: ("`qflib up`", "`positions load`", "API")}


def tables() -> list[str]:
    of = {topic: ", ".join(f"`{k.name}`" for k in kept_of(topic)) for topic in (k.topic for k in KEPT.values())}
    rows = [f"| `{topic}` | {those} |" for topic, those in of.items()]
    return ["| topic | tables, the main one first |", "|---|---|", *rows, f"| all | `{BATCHES}` |"]


@pytest.mark.parametrize("table", [topics, tables], ids=["topics", "tables"])
def test_a_table_of_the_page_is_the_codes(table) -> None:
    wanted = "\n".join(table())
    assert wanted in PAGE, f"put this into docs/stream.md:\n{wanted}"


def test_journals_and_snapshots_are_those_of_the_stages() -> None:
    assert set(JOURNALLED) == {s.name for s in STAGES.values() if s.journalled}
    assert list(SNAPSHOT) == list(STAGES)


def test_the_metrics_of_the_page_are_those_of_the_code() -> None:
    code = "\n".join(f.read_text(encoding="utf-8") for f in (ROOT / "qflib/stream").rglob("*.py"))
    made = set(re.findall(r'"((?:qflib|kafka)_[a-z0-9_]+)"', code))
    counters = set(re.findall(r'(?:Counter|_counter|CounterMetricFamily)\(\s*"([a-z0-9_]+)"', code))
    told = PAGE.partition("## Metrics")[2].partition("## ")[0]
    shown = set(
        re.findall(r"`((?:qflib|kafka)_[a-z0-9_]+)`", "\n".join(re.findall(r"^\|([^|]+)\|", told, re.MULTILINE)))
    )
    assert shown == {f"{m}_total" if m in counters else m for m in made}


def test_settings_that_the_page_names_exist() -> None:
    tree = settings.Settings.model_fields
    for part, name in re.findall(r"`(broker|stream|desk|limits)\.([a-z_]+)`", PAGE):
        assert name in type(tree[part].default).model_fields
    for part, name in re.findall(r"QFLIB_([A-Z]+)__([A-Z_]+)", PAGE):
        assert name.lower() in type(tree[part.lower()].default).model_fields


def test_the_cluster_of_the_readme_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [text] = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "qflib.toml"
    file.write_text(text, encoding="utf-8")
    monkeypatch.setenv("QFLIB_SETTINGS", str(file))
    monkeypatch.setenv("QFLIB_BROKER__OPTIONS", '{"sasl.password": "secret"}')
    told = settings.load().broker
    assert told.bootstrap == "kafka-1:9093,kafka-2:9093"
    assert told.options["security.protocol"] == "SASL_SSL"
    assert told.options["sasl.password"] == "secret"


def test_exit_codes() -> None:
    shown = {int(code) for code in re.findall(r"^\| ([0-9]+) \|", PAGE, re.MULTILINE)}
    assert shown == {0, process.FAILED, process.REFUSED, LOST, HUNG, 130}
