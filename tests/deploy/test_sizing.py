"""The model of what a load takes: it grows with the load, gives what was seen, and its files are what it computes."""

from __future__ import annotations

import json
import math
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qflib.history.postgres.private import binaries
from tests.deploy.tools import DEPLOY, ROOT, loaded

sizing = loaded("sizing.py")
CHART = DEPLOY / "helm" / "qflib"
LOADS = st.floats(0.01, 5_000)


def test_files_of_sizes_are_what_the_script_computes() -> None:
    for path, text in sizing.files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run python deploy/sizing.py --write"


@pytest.mark.parametrize("size", sizing.SIZES)
def test_a_size_is_values_of_the_chart_and_holds_its_load(size: str) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    told, load = sizing.values(size), sizing.Load(sizing.SIZES[size])
    for name, part in told.items():
        jsonschema.validate(part, schema["properties"][name] | {"required": [], "$defs": schema["$defs"]})
    assert all(full(load) < 1 for full in sizing.LIMITS.values())
    assert sizing.Plan(load).desks == 1
    base = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert set(told["stages"]) == set(base["stages"])
    for stage, row in told["stages"].items():
        assert row["replicas"] <= row.get("max", 1) <= told["kafka"]["partitions"]
        assert "max" in row or stage in ("ingest", "archive")


def test_a_greater_size_has_no_less_of_anything() -> None:
    small, medium, large = (figures(sizing.values(s)) for s in sizing.SIZES)
    assert small.keys() == medium.keys() == large.keys()
    assert all(small[k] <= medium[k] <= large[k] for k in small if not k.endswith("work_mem"))


def figures(told: object, name: str = "") -> dict[str, float]:
    """Every number of some values, by where it stands, in units without a prefix."""
    if isinstance(told, dict):
        return {k: v for key, part in told.items() for k, v in figures(part, f"{name}.{key}").items()}
    number, unit = re.fullmatch(r"([0-9.]+)(.*)", str(told)).groups()
    return {name: float(number) * {"m": 1e-3, "Gi": 1e3}.get(unit, 1.0)}


@given(LOADS, LOADS, st.floats(0, 2))
def test_a_greater_load_takes_no_less(a: float, b: float, exponent: float) -> None:
    less, more = (sizing.Plan(sizing.Load(f, exponent)) for f in sorted((a, b)))
    for figure in ("desks", "brokers", "cores"):
        assert getattr(less, figure) <= getattr(more, figure) * (1 + 1e-12)
    for full in sizing.LIMITS.values():
        assert full(less.load) <= full(more.load) * (1 + 1e-12)
    assert less.load.bytes_in() <= more.load.bytes_in() < more.load.bytes_out()
    assert less.load.store_a_day() <= more.load.store_a_day() < more.load.store_a_day(postgres=True)


@given(LOADS)
def test_a_desk_of_a_plan_holds_its_share(factor: float) -> None:
    plan = sizing.Plan(sizing.Load(factor))
    share, busy = plan.share, sizing.M.busy
    for stage in sizing.STAGES:
        assert share.cores(stage) / plan.workers(stage) <= busy * (1 + 1e-12)
        assert plan.workers(stage) <= plan.partitions
    assert plan.partitions == 2 ** round(math.log2(plan.partitions))
    assert all(share.cores(stage) <= busy * (1 + 1e-12) for stage in ("ingest", "archive"))


@pytest.mark.parametrize("limit", sizing.LIMITS)
def test_a_limit_breaks_where_it_is_said_to(limit: str) -> None:
    at = sizing.breaks_at(limit)
    assert sizing.LIMITS[limit](sizing.Load(at * 1.001)) > 1 >= sizing.LIMITS[limit](sizing.Load(at * 0.998))


def test_it_gives_the_throughput_that_was_seen() -> None:
    cores, events_per_s = sizing.SEEN
    assert sizing.flat_out(cores) == pytest.approx(events_per_s, rel=0.1)


def test_costs_are_found_again_in_two_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for events, rows in ((11_000_000, 1_800), (3_000_000, 650)):
        load = {s: (getattr(sizing.M, s), events, rows) for s in (*sizing.STAGES, "ingest", "archive", "broker")}
        cpu = {s: 1.5 + c.ns * n / 1e9 + c.ms * k / 1e3 for s, (c, n, k) in load.items()}
        told.append({"events": events, "cpu_s": cpu, "stages": {s: {"events": rows} for s in cpu}})
    for stage, (ns, ms) in sizing.fitted(*told).items():
        cost = getattr(sizing.M, stage)
        assert (ns, ms) == pytest.approx((cost.ns, cost.ms))
    files = [tmp_path / "fast.json", tmp_path / "paced.json"]
    for path, run in zip(files, told, strict=True):
        path.write_text(json.dumps(run))
    assert sizing.main(["--fit", *map(str, files)]) == 0
    assert f"{sizing.M.archive.ns:.0f} ns an event" in capsys.readouterr().out


def test_the_page_has_the_tables() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    for table in (sizing.table((1, 10, 100, 1_000)), sizing.limits_table()):
        assert table in page, "docs/scaling.md: paste what python deploy/sizing.py prints"


def test_the_command_prints_a_load_and_refuses_nonsense(capsys: pytest.CaptureFixture[str]) -> None:
    assert sizing.main(["--load", "10"]) == 0
    assert "| events/s | 1,000,000 |" in capsys.readouterr().out
    for wrong in (["--load", "0"], ["--load", "-1"], ["--exponent", "9"]):
        with pytest.raises(SystemExit) as e:
            sizing.main(wrong)
        assert e.value.code == 2


@pytest.mark.parametrize("size", sizing.SIZES)
def test_postgresql_reads_the_parameters(size: str, tmp_path: Path) -> None:
    told = sizing.values(size)["postgresql"]["parameters"]
    (tmp_path / "postgresql.conf").write_text("\n".join(f"{k} = '{v}'" for k, v in told.items()))
    for name in told:
        command = [binaries() / "postgres", "-C", name, "-D", tmp_path]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        assert float(run.stdout) > 0
