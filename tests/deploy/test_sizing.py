"""The model of what a load takes: it grows with the load, gives what was seen, and its files are what it computes."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qflib.cli.benches import scaling
from qflib.history.postgres.private import binaries
from tests.deploy.tools import DEPLOY, loaded

sizing = loaded("sizing.py")
fitting, model = sizing.fitting, sys.modules["load_model"]
STORES = st.sampled_from(["delta", "postgres"])
CHART = DEPLOY / "helm" / "qflib"
LOADS = st.floats(0.01, 5_000)


def test_files_of_sizes_and_the_page_are_what_the_script_computes() -> None:
    for path, text in sizing.files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run python deploy/sizing.py --write"


@pytest.mark.parametrize("size", sizing.SIZES)
def test_a_size_is_values_of_the_chart_and_holds_its_load(size: str) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    told, load = sizing.values(size), sizing.Load(sizing.SIZES[size])
    settings = told["desk"]["settings"]
    assert int(settings["QFLIB_STORE__RETENTION_DAYS"]) == sizing.DAYS - 1
    for name, part in told.items():
        jsonschema.validate(part, schema["properties"][name] | {"required": [], "$defs": schema["$defs"]})
    assert all(full(load) < 1 for full in sizing.LIMITS.values())
    for store in ("delta", "postgres"):
        assert sizing.Plan(load, store).desks == 1
        assert not model.beyond(sizing.Plan(load, store))
    assert f"{sizing.database_gb(load) / 1e3:,.1f} TB" in sizing.files()[sizing.VALUES / f"size-{size}.yaml"]
    base = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert set(told["stages"]) == set(base["stages"]) - {"strategy", "promoted", "promoted_events"}  # not measured
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


@given(LOADS, LOADS, st.floats(0, 2), STORES)
def test_a_greater_load_takes_no_less(a: float, b: float, exponent: float, store: str) -> None:
    less, more = (sizing.Plan(sizing.Load(f, exponent), store) for f in sorted((a, b)))
    for figure in ("desks", "brokers", "cores"):
        assert getattr(less, figure) <= getattr(more, figure) * (1 + 1e-12)
    for full in sizing.LIMITS.values():
        assert full(less.load) <= full(more.load) * (1 + 1e-12)
    assert less.load.bytes_in() <= more.load.bytes_in() < more.load.bytes_out()
    assert less.load.store_a_day() <= more.load.store_a_day() < more.load.store_a_day("postgres")


@given(LOADS, STORES)
def test_a_desk_of_a_plan_holds_its_share(factor: float, store: str) -> None:
    plan = sizing.Plan(sizing.Load(factor), store)
    share, busy = plan.share, sizing.M.busy
    for stage in sizing.STAGES:
        assert share.cores(stage) / plan.workers(stage) <= busy * (1 + 1e-12)
        assert plan.workers(stage) <= plan.partitions
    assert plan.partitions == 2 ** round(math.log2(plan.partitions))
    assert all(share.cores(stage) <= busy * (1 + 1e-12) for stage in ("ingest", "archive"))
    assert plan.desks >= sizing.Plan(plan.load).desks
    if store == "postgres":
        assert share.events_per_s <= busy * sizing.M.store_rows_per_s * (1 + 1e-12)
    m = sizing.M
    assert plan.load.network <= plan.brokers * m.node_bytes_per_s * (1 + 1e-12)
    assert plan.desks * share.broker_cores <= plan.brokers * m.node_cores * busy * (1 + 1e-12)


@given(LOADS)
def test_brokers_have_the_cores_where_these_are_what_is_scarce(factor: float) -> None:
    dear = replace(sizing.M, node_bytes_per_s=1e15, node_cores=1)
    plan = sizing.Plan(sizing.Load(factor, measured=dear))
    cores = plan.desks * plan.share.broker_cores
    assert cores <= plan.brokers * dear.busy * (1 + 1e-12)
    assert plan.brokers <= 3 or cores > (plan.brokers - dear.replication) * dear.busy


@given(LOADS, STORES)
def test_an_archive_may_be_away_until_the_fullest_partition_is(factor: float, store: str) -> None:
    plan = sizing.Plan(sizing.Load(factor), store)
    fullest = max(plan.load.hottest_per_s, plan.share.events_per_s / plan.partitions) * sizing.M.raw_bytes
    assert fullest * plan.away_s <= 2**31 * (1 + 1e-12)  # what a partition of market.data.raw keeps
    assert 0 < plan.away_s <= 86_400


def test_plans_of_postgresql_ask_nothing_of_it_that_one_desk_cannot_have() -> None:
    """10 times the load was planned for two desks once, of which each asked PostgreSQL for more than it takes."""
    for factor in (10, 100, 1_000):
        with_files, with_rows = (sizing.Plan(sizing.Load(factor), s) for s in ("delta", "postgres"))
        assert not any(line.startswith("PostgreSQL") for line in model.beyond(with_rows))
        assert with_rows.desks > with_files.desks
    few = replace(with_files, store="postgres")
    assert few.desks == with_rows.desks


@pytest.mark.parametrize("limit", sizing.LIMITS)
def test_a_limit_breaks_where_it_is_said_to(limit: str) -> None:
    at = sizing.breaks_at(limit)
    assert sizing.LIMITS[limit](sizing.Load(at * 1.001)) > 1 >= sizing.LIMITS[limit](sizing.Load(at * 0.998))


def bench(costs: dict[str, Any], off: float = 1.0) -> dict[str, Any]:
    """What `qflib bench scaling --json` would tell of stages of such costs; the held runs by a factor more."""
    rows = []
    figures = {"default": (11e6, 1_800, 88), "paced_short": (3e6, 480, 31), "paced_long": (9e6, 1_440, 91),
               "1_workers": (10e6, 1_600, 90), "2_workers": (9e6, 1_500, 92), "4_workers": (12e6, 2_000, 85),
               "paced_fifth": (1.2e6, 960, 61)}  # fmt: skip
    for name, (events, revaluations, seconds) in figures.items():
        run = fitting.Run(name, events, revaluations, seconds, 0.5, 0.0, {}, {})
        more = off if name in fitting.HELD else 1.0
        told = {
            "events": events, "seconds": seconds, "broker": {"memory_mb": costs["broker"].memory_mb},
            "cpu_s": {s: cpu * more for s, cpu in fitting.spent(costs, run).items()} | {"nursery": 1.4},
            "stages": {s: {"events": revaluations, "peak_memory_mb": c.memory_mb} for s, c in costs.items()
                       if s != "broker"},
        }  # fmt: skip
        rows += [{"bench": "scaling", **row._asdict(), "peers": {}} for row in scaling.taken(name, told, 100_000)]
    return {"machine": {"load": 1.0}, "rows": rows}


COSTS = {
    s: fitting.Cost(1.5, 0.04, 250.0 if s in fitting.BY_EVENTS else 0.0, 0.0 if s in fitting.BY_EVENTS else 1.5, 300.0)
    for s in fitting.BUILT
}


def test_costs_are_found_again() -> None:
    assert {f"{n}_workers" for n in scaling._WORKERS} | {"default"} | scaling._PACED.keys() == (
        fitting.FITTED.keys() | fitting.HELD.keys()
    )
    assert fitting.runs(bench(COSTS))["paced_long"].events_per_s == pytest.approx(100_000)
    for stage, cost in fitting.costs(fitting.runs(bench(COSTS))).items():
        assert cost == pytest.approx(COSTS[stage])


def test_the_model_is_tried_on_runs_that_it_was_not_fitted_to() -> None:
    assert not fitting.FITTED.keys() & fitting.HELD.keys()
    exact, off = (fitting.errors_table(fitting.runs(bench(COSTS, by))).splitlines()[2:] for by in (1.0, 1.25))
    errors = [[line.split(" | ")[6] for line in made] for made in (exact, off)]
    assert errors[0] == ["+0%"] * 7
    assert errors[1] == ["-20%"] * 4 + ["+0%"] * 3


def test_the_costs_that_are_used_are_those_of_the_runs_that_are_kept() -> None:
    assert {s: sizing.M.cost(s) for s in fitting.BUILT} == fitting.costs(fitting.kept())


def test_a_fit_keeps_the_runs_and_refuses_another_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fitting, "FILE", tmp_path / "scaling.json")
    told = tmp_path / "told.json"
    told.write_text(json.dumps(bench(COSTS)))
    assert sizing.main(["--fit", str(told)]) == 0
    assert "| ingest | 1.5 | 0.040 | 250 |" in capsys.readouterr().out
    assert fitting.costs(fitting.kept())["ingest"] == pytest.approx(COSTS["ingest"])
    told.write_text('{"machine": {}, "rows": []}')
    with pytest.raises(SystemExit) as e:
        sizing.main(["--fit", str(told)])
    assert e.value.code == 2
    assert fitting.kept()  # what was there stays


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
