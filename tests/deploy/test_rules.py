"""Every alert by promtool: series that raise it, and the same system well, which raises none."""

from __future__ import annotations

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
    'qflib_restore_seconds_sum{stage="exchange"}': "2x140 3x150",  # a second worker took longer
    'qflib_restore_seconds_count{stage="exchange"}': "1x300",
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
    'kube_job_status_failed{namespace="q",job_name="q-audit-1"}': "0x300",
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
    "QflibRestoreSlow": {'qflib_restore_seconds_sum{stage="exchange"}': "0x60 45x240"},
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
    "QflibCronJobFailed": {'kube_job_status_failed{namespace="q",job_name="q-qflib-daily-risk-1"}': PLANTED},
    "QflibAuditFailed": {'kube_job_status_failed{namespace="q",job_name="q-audit-1"}': PLANTED},
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
}
_AT = "290s"
_LATE = {"QflibJobOverdue", "QflibSchedulerAway"}  # they wait for minutes: their rules' `for` is cut below


def series(values: dict[str, str | None]) -> list[dict[str, str]]:
    return [{"series": name, "values": v} for name, v in values.items() if v is not None]


def test_each_alert_fires_and_a_well_system_raises_none(tmp_path: Path) -> None:
    files, names = [], [r["alert"] for r in alerts()]
    assert sorted(ILL) == sorted(names)
    for file in RULES:  # annotations are texts: they are looked at below
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
        for rule in (r for g in told["groups"] for r in g["rules"]):
            rule["annotations"] = {}
            rule["labels"] = {"severity": "x"}
            if rule["alert"] in _LATE:
                rule["for"] = "1m"
        files.append(tmp_path / file.name)
        files[-1].write_text(yaml.safe_dump(told), encoding="utf-8")
    tests: list[dict[str, Any]] = []
    for ill in (None, *ILL):
        lit = {ill, *BESIDE.get(ill or "", ())}
        count = {"expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": _AT}
        fired = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(lit - {None})]
        tests.append(
            {
                "name": ill or "well",
                "interval": "1s",
                "input_series": series(WELL | (ILL[ill] if ill else {})),
                "promql_expr_test": [count | {"exp_samples": fired}],
            }
        )
    spec = tmp_path / "rules.test.yaml"
    spec.write_text(
        yaml.safe_dump({"rule_files": [str(f) for f in files], "evaluation_interval": "10s", "tests": tests}), "utf-8"
    )
    run("promtool", "test", "rules", spec)


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
