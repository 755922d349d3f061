"""Every alert by promtool: series that raise it, and the same system well, which raises none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.tools import DEPLOY, ROOT, RULES, alerts, run

#: Series a second apart, five minutes of them.
WELL = {
    'up{job="qflib",process="exchange-0"}': "1x300",
    'qflib_restarts_total{stage="exchange"}': "3x300",
    'qflib_log_events_total{job="qflib",process="exchange-0",level="error"}': "1x300",
    'qflib_stage_stalled{consumergroup="qflib.exchange"}': "0x300",
    'qflib_restore_seconds_count{stage="exchange"}': "0x100 2x100 0x10 2x90",  # quick, and quick again
    'qflib_restore_seconds_bucket{stage="exchange",le="20.0"}': "0x100 2x100 0x10 2x90",
    'process_resident_memory_bytes{job="qflib",process="exchange-0"}': "4e8x300",
    "qflib_broker_silent_seconds": "0.2x300",
    'qflib_checkpoint_seconds_bucket{stage="exchange",le="0.02"}': "0+100x300",
    'qflib_checkpoint_seconds_bucket{stage="exchange",le="+Inf"}': "0+100x300",
    "qflib_clock_steps_total": "0x300",
    'qflib_lag_seconds{consumergroup="qflib.exchange",topic="t",partition="0"}': "0.2x300",
    'qflib_lag_seconds{consumergroup="qflib.archive",topic="t",partition="0"}': "2x300",
    'qflib_retention_headroom_ratio{consumergroup="qflib.exchange",topic="t",partition="0"}': "0.99x300",
    'qflib_e2e_latency_seconds_bucket{le="0.1"}': "0+10x300",
    'qflib_e2e_latency_seconds_bucket{le="+Inf"}': "0+10x300",
    "qflib_backpressure_seconds_total": "0x300",
    "qflib_risk_reports_total": "0+4x300",
    'qflib_events_total{stage="normalize"}': "0+4000x300",
    'qflib_dlq_total{stage="normalize",reason="torn"}': "2x300",
    'qflib_dlq_total{stage="exchange",reason="unsent"}': "0x300",
    'qflib_sequence_gaps_total{topic="market.data.raw"}': "0x300",
    "qflib_archive_gone_total": "0x300",
    "qflib_disk_free_bytes": "5e10x300",
    "qflib_disk_size_bytes": "1e11x300",
    'qflib_market_crossed{instrument="ACME.F"}': "0x300",
    'qflib_market_stale{instrument="ACME.F"}': "0x300",
    'qflib_market_anomalies_total{instrument="ACME.F",kind="jump"}': "1x300",
    'qflib_market_anomalies_total{instrument="ACME.F",kind="spread"}': "0x300",
    'qflib_reconnects_total{source="kraken"}': "1x300",
    'qflib_checksum_failures_total{source="kraken"}': "0x300",
    'qflib_es_anomalies_total{portfolio="DESK1"}': "0x300",
    'qflib_limit_breached{portfolio="DESK1",limit="es"}': "0x300",
    'qflib_unpriced_positions{portfolio="DESK1"}': "0x300",
    "qflib_hedge_rejects_total": "0x300",
    'qflib_api_requests_total{route="GET /v1/books",status="200"}': "0+100x300",
    'qflib_api_requests_total{route="GET /v1/books",status="503"}': "0x300",
    'qflib_api_seconds_bucket{route="GET /v1/books",le="0.01"}': "0+100x300",
    'qflib_api_seconds_bucket{route="GET /v1/books",le="+Inf"}': "0+100x300",
    "qflib_api_unknown_outcomes_total": "0x300",
    'qflib_job_runs_total{job="daily_risk",status="failed"}': "0x300",
    'qflib_job_due_time_seconds{job="daily_risk"}': "9e9x300",
    'qflib_job_missed_total{job="daily_risk"}': "0x300",
    # an audit failed once, its Job is kept, and a later one has come through; so of a report
    'kube_job_failed{namespace="q",job_name="d-qflib-audit-1",condition="true"}': "1x300",
    'kube_job_status_start_time{namespace="q",job_name="d-qflib-audit-1"}': "1000x300",
    'kube_cronjob_status_last_schedule_time{namespace="q",cronjob="d-qflib-audit"}': "4000x300",
    'kube_cronjob_status_last_successful_time{namespace="q",cronjob="d-qflib-audit"}': "5000x300",
    'kube_job_failed{namespace="q",job_name="d-qflib-var-99-1",condition="true"}': "1x300",
    'kube_job_status_start_time{namespace="q",job_name="d-qflib-var-99-1"}': "1000x300",
    'kube_cronjob_status_last_schedule_time{namespace="q",cronjob="d-qflib-var-99"}': "4000x300",
    'kube_cronjob_status_last_successful_time{namespace="q",cronjob="d-qflib-var-99"}': "5000x300",
    'kube_job_failed{namespace="q",job_name="team-audit-job-7",condition="true"}': "1x300",  # another's
    'kube_job_status_start_time{namespace="q",job_name="team-audit-job-7"}': "9000x300",
    'kube_cronjob_status_last_schedule_time{namespace="q",cronjob="team-audit-job"}': "9000x300",
    'kubelet_volume_stats_available_bytes{namespace="q",persistentvolumeclaim="d-qflib-history"}': "5e10x300",
    'kubelet_volume_stats_capacity_bytes{namespace="q",persistentvolumeclaim="d-qflib-history"}': "1e11x300",
    'kube_pod_container_status_restarts_total{container="qflib",namespace="q",pod="exchange-0"}': "0x300",
}
PLANTED = "0x60 1x240"
#: Alert -> what is otherwise than well.
ILL: dict[str, dict[str, str | None]] = {
    "QflibProcessDown": {'up{job="qflib",process="exchange-0"}': "1x60 0x240"},
    "QflibDeskAway": {'up{job="qflib",process="exchange-0"}': None},
    "QflibWorkerRestarted": {'qflib_restarts_total{stage="exchange"}': "3x60 4x240"},
    "QflibWorkerFlapping": {'qflib_restarts_total{stage="exchange"}': "3x60 3+0.1x240"},
    "QflibErrorsLogged": {'qflib_log_events_total{job="qflib",process="exchange-0",level="error"}': "1x60 2x240"},
    "QflibStageStalled": {'qflib_stage_stalled{consumergroup="qflib.exchange"}': PLANTED},
    "QflibRestoreSlow": {  # one of five
        'qflib_restore_seconds_count{stage="exchange"}': "5x100 0x40 4x60 5x100",
        'qflib_restore_seconds_bucket{stage="exchange",le="20.0"}': "5x100 0x40 4x160",
    },
    "QflibMemoryHigh": {'process_resident_memory_bytes{job="qflib",process="exchange-0"}': "4e8x60 2e9x240"},
    "QflibBrokerSilent": {"qflib_broker_silent_seconds": "0x60 0+1x240"},
    "QflibCommitSlow": {'qflib_checkpoint_seconds_bucket{stage="exchange",le="0.02"}': "0+10x300",
                        'qflib_checkpoint_seconds_bucket{stage="exchange",le="5.0"}': "0+100x300"},
    "QflibClockStepped": {"qflib_clock_steps_total": PLANTED},
    "QflibStageBehind": {'qflib_lag_seconds{consumergroup="qflib.exchange",topic="t",partition="0"}': "0x60 0+1x240"},
    "QflibLatencyHigh": {'qflib_e2e_latency_seconds_bucket{le="0.1"}': "0+1x300",
                         'qflib_e2e_latency_seconds_bucket{le="5.0"}': "0+10x300"},
    "QflibBackPressure": {"qflib_backpressure_seconds_total": "0+0.9x300"},
    "QflibNoReports": {"qflib_risk_reports_total": "0+4x60 240x240"},
    "QflibDeadLetters": {'qflib_dlq_total{stage="normalize",reason="torn"}': "2x60 3x240"},
    "QflibRecordTooLong": {'qflib_dlq_total{stage="exchange",reason="unsent"}': PLANTED},
    "QflibSequenceGap": {'qflib_sequence_gaps_total{topic="market.data.raw"}': PLANTED},
    "QflibArchiveBehind": {'qflib_lag_seconds{consumergroup="qflib.archive",topic="t",partition="0"}': "0x60 1+1x240"},
    "QflibRecordsGone": {"qflib_archive_gone_total": "0x60 700x240"},
    "QflibRetentionNear": {
        'qflib_retention_headroom_ratio{consumergroup="qflib.exchange",topic="t",partition="0"}': "0.05x300",
        'qflib_lag_seconds{consumergroup="qflib.exchange",topic="t",partition="0"}': "0+1x300",
    },
    "QflibDiskFilling": {"qflib_disk_free_bytes": "9e9x300"},
    "QflibDiskFull": {"qflib_disk_free_bytes": "1e8x300"},
    "QflibBookCrossed": {'qflib_market_crossed{instrument="ACME.F"}': PLANTED},
    "QflibInstrumentStale": {'qflib_market_stale{instrument="ACME.F"}': PLANTED},
    "QflibPriceJump": {'qflib_market_anomalies_total{instrument="ACME.F",kind="jump"}': "1x200 2x100"},
    "QflibSpreadWide": {'qflib_market_anomalies_total{instrument="ACME.F",kind="spread"}': "0x200 1x100"},
    "QflibVenueReconnects": {'qflib_reconnects_total{source="kraken"}': "1x60 1+0.1x240"},
    "QflibVenueChecksum": {'qflib_checksum_failures_total{source="kraken"}': PLANTED},
    "QflibShortfallLeap": {'qflib_es_anomalies_total{portfolio="DESK1"}': "0x200 1x100"},
    "QflibLimitBreached": {'qflib_limit_breached{portfolio="DESK1",limit="es"}': PLANTED},
    "QflibPositionsUnpriced": {'qflib_unpriced_positions{portfolio="DESK1"}': PLANTED},
    "QflibHedgesRejected": {"qflib_hedge_rejects_total": PLANTED},
    "QflibApiErrors": {'qflib_api_requests_total{route="GET /v1/books",status="503"}': "0+10x300"},
    "QflibApiSlow": {'qflib_api_seconds_bucket{route="GET /v1/books",le="0.01"}': "0+10x300",
                     'qflib_api_seconds_bucket{route="GET /v1/books",le="2.0"}': "0+100x300"},
    "QflibApiOutcomesUnknown": {"qflib_api_unknown_outcomes_total": PLANTED},
    "QflibJobFailed": {'qflib_job_runs_total{job="daily_risk",status="failed"}': PLANTED},
    "QflibJobOverdue": {'qflib_job_due_time_seconds{job="daily_risk"}': "-4000x300"},
    "QflibJobTimesMissed": {'qflib_job_missed_total{job="daily_risk"}': PLANTED},
    "QflibSchedulerAway": {'qflib_job_due_time_seconds{job="daily_risk"}': None},
    "QflibCronJobFailed": {'kube_job_status_start_time{namespace="q",job_name="d-qflib-var-99-1"}': "6000x300"},
    "QflibAuditFailed": {'kube_job_status_start_time{namespace="q",job_name="d-qflib-audit-1"}': "6000x300"},
    "QflibCronJobOverdue": {
        'kube_cronjob_status_last_schedule_time{namespace="q",cronjob="d-qflib-audit"}': "6000x300"
    },
    "QflibSetupFailed": {
        'kube_job_failed{namespace="q",job_name="d-qflib-opening-3",condition="true"}': PLANTED
    },
    "QflibVolumeFilling": {
        'kubelet_volume_stats_available_bytes{namespace="q",persistentvolumeclaim="d-qflib-history"}': "9e9x300"
    },
    "QflibVolumeFull": {
        'kubelet_volume_stats_available_bytes{namespace="q",persistentvolumeclaim="d-qflib-history"}': "1e9x300"
    },
    "QflibPodRestarted": {
        'kube_pod_container_status_restarts_total{container="qflib",namespace="q",pod="exchange-0"}': PLANTED
    },
}  # fmt: skip
#: Alerts that an ill system raises beside its own.
BESIDE = {
    "QflibProcessDown": {"QflibDeskAway"},  # the only process of this system
    "QflibWorkerFlapping": {"QflibWorkerRestarted"},
    "QflibRetentionNear": {"QflibStageBehind"},
    "QflibDiskFull": {"QflibDiskFilling"},
    "QflibVolumeFull": {"QflibVolumeFilling"},
}
_AT = "290s"
_TOKEN = re.compile(r"(-?[\d.e]+|_)([+-][\d.e]+)?x(\d+)")  # of promtool: first value, step, and how often
_METRIC = re.compile(r"\b(?:qflib|kube|kubelet|process|up)(?:_\w+)?\b")
#: They wait for minutes: their rules' `for` is cut below.
_LATE = {"QflibJobOverdue", "QflibSchedulerAway", "QflibCronJobOverdue"}


def series(values: dict[str, str | None]) -> list[dict[str, str]]:
    return [{"series": name, "values": v} for name, v in values.items() if v is not None]


def of(namespace: str, values: dict[str, str | None]) -> dict[str, str | None]:
    """The series of a desk in a namespace; kube-state-metrics knows that there should be one."""
    made = {}
    for name, v in (values | {'kube_statefulset_replicas{statefulset="d-qflib-normalize"}': "1x300"}).items():
        metric, _, labels = name.removesuffix("}").replace('namespace="q",', "").partition("{")
        made[f'{metric}{{{labels}{"," if labels else ""}namespace="{namespace}"}}'] = v
    return made


def looked_at(ill: str, values: dict[str, str | None]) -> dict[str, str | None]:
    """Of a system's series those that an alert and what comes beside it ask for, and those that tell it is there."""
    there = {ill, *BESIDE.get(ill, ()), "QflibDeskAway", "QflibSchedulerAway"}
    names = {m for r in alerts() if r["alert"] in there for m in _METRIC.findall(r["expr"])}
    return {name: v for name, v in values.items() if name.partition("{")[0] in names}


def held(
    folder: Path,
    files: Sequence[Path],
    tests: list[dict[str, Any]],
    shortened: tuple[str, str] = ("[1h]", "[1h]"),
    every: str = "10s",
) -> None:
    """Try the rules of files; annotations are texts: they are looked at below."""
    cut = []
    for file in files:
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
        for rule in (r for g in told["groups"] for r in g["rules"]):
            rule["annotations"] = {}
            rule["labels"] = {"severity": "x"}
            rule["expr"] = rule["expr"].replace(*shortened)
            if rule["alert"] in _LATE:
                rule["for"] = "1m"
        cut.append(folder / file.name)
        cut[-1].write_text(yaml.safe_dump(told), encoding="utf-8")
    told = {"rule_files": [str(f) for f in cut], "evaluation_interval": every, "tests": tests}
    spec = folder / "rules.test.yaml"
    spec.write_text(yaml.safe_dump(told), "utf-8")
    run("promtool", "test", "rules", spec)


def fired(at: str, *alerts: str, **labels: str) -> dict[str, Any]:
    """What fires at a time, once each."""
    by = ", ".join(["alertname", *labels])
    more = "".join(f', {k}="{v}"' for k, v in labels.items())
    return {
        "expr": f'count by ({by}) (ALERTS{{alertstate="firing"}})',
        "eval_time": at,
        "exp_samples": [{"labels": f'{{alertname="{name}"{more}}}', "value": 1} for name in sorted(alerts)],
    }


def system(name: str, values: dict[str, str | None], *expected: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "interval": "1s", "input_series": series(values), "promql_expr_test": list(expected)}


def test_each_alert_fires_and_a_well_system_raises_none(tmp_path: Path) -> None:
    assert sorted(ILL) == sorted(r["alert"] for r in alerts())
    tests = [system("well", WELL, fired(_AT))]
    tests += [system(ill, WELL | ILL[ill], fired(_AT, ill, *BESIDE.get(ill, ()))) for ill in ILL]
    tests += [system("no portfolio", WELL | {"qflib_risk_reports_total": None}, fired(_AT))]
    held(tmp_path, RULES, tests)


def test_each_alert_is_of_one_desk_where_another_is_well(tmp_path: Path) -> None:
    """Under one Prometheus, each in a namespace of its own; the scheduler of jobs is none of a cluster's."""
    files = [f for f in RULES if f.name != "jobs.rules.yaml"]
    tests = [
        system(
            ill,
            of("a", looked_at(ill, WELL)) | of("b", looked_at(ill, WELL | ILL[ill])),
            fired(_AT, ill, *BESIDE.get(ill, ()), namespace="b"),
        )
        for ill in (r["alert"] for r in alerts(files))
    ]
    held(tmp_path, files, tests)


def after(name: str, values: str | None) -> str:
    """What was ill, and then 16 minutes of a well system: counters go on from where they are, all else is as before."""
    well = _TOKEN.findall(WELL.get(name) or "") or [("_", "", "")]
    first, step, n = _TOKEN.findall(values or "_x300")[-1]
    begins = well[-1][0]
    if re.search(r"_(total|bucket|count|sum)\b", name) and first != "_":
        begins = str(float(first) + float(step or 0) * int(n))
    return f"{values or '_x300'} {begins}{well[-1][1]}x960"


def test_each_alert_is_over_once_its_system_is_well_again(tmp_path: Path) -> None:
    """Spans of an hour are ten minutes here."""
    tests = []
    for ill, values in ILL.items():
        whole = {name: after(name, v) for name, v in looked_at(ill, WELL | values).items()}
        tests.append(system(ill, whole, fired(_AT, ill, *BESIDE.get(ill, ())), fired("1250s")))
    held(tmp_path, RULES, tests, ("[1h]", "[10m]"), "30s")


def test_a_failed_run_is_over_with_the_next_that_comes_through(tmp_path: Path) -> None:
    """Where none ever did, too; and where it was not even tried."""
    when, cronjob = ('{namespace="q",job_name="d-qflib-audit-2"}', '{namespace="q",cronjob="d-qflib-audit"}')
    failed = {
        f'kube_job_failed{when[:-1]},condition="true"}}': "0x60 1x240",
        f"kube_job_status_start_time{when}": "0x60 6000x240",
        f"kube_cronjob_status_last_schedule_time{cronjob}": "0x60 6000x140 9000x100",
        f"kube_cronjob_status_last_successful_time{cronjob}": "_x200 9100x100",
    }
    both = ("QflibAuditFailed", "QflibCronJobOverdue")
    tests = [system("failed, then well", failed, fired("190s", *both), fired("290s"))]
    held(tmp_path, [f for f in RULES if f.name == "kubernetes.rules.yaml"], tests)


def test_rules_and_settings_are_taken_by_their_own_tools() -> None:
    run("promtool", "check", "rules", *RULES)
    run("promtool", "check", "config", DEPLOY / "prometheus" / "prometheus.yaml")
    run("amtool", "check-config", DEPLOY / "prometheus" / "alertmanager.yaml")


@pytest.mark.parametrize("rule", alerts(), ids=lambda r: r["alert"])
def test_an_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert {"summary", "description", "runbook_url"} == set(rule["annotations"])
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    text = (ROOT / page).read_text(encoding="utf-8")
    assert anchor == rule["alert"].lower()
    section = text.partition(f"\n## {rule['alert']}\n")[2].partition("\n## ")[0]
    for part in ("**You see**", "**It means**", "**Do**"):
        assert part in section, f"{rule['alert']} lacks {part}"
