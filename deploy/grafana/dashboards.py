"""The dashboards of Grafana, from one table: `python deploy/grafana/dashboards.py` writes the JSON beside this file.

A panel is a title, its unit and its expressions. A test runs every expression against Prometheus over a running desk,
and demands that it gives series; another, that the files are what this table makes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_WIDTH, _HEIGHT, _A_ROW = 8, 8, 3
_RATE = "[1m]"


@dataclass(frozen=True)
class Panel:
    """A picture: expressions and the legend of each; `lines` beyond which a value is bad."""

    title: str
    unit: str
    expressions: Mapping[str, str]
    told: str = ""
    bad: float | None = None
    kind: str = "timeseries"


def quantile(q: float, metric: str, by: str = "") -> str:
    """An expression: a quantile of a histogram."""
    return f"histogram_quantile({q}, sum by ({f'{by}, ' if by else ''}le) (rate({metric}_bucket{_RATE})))"


DESK = (
    Panel("Processes that answer", "none", {'sum(up{job="qflib"})': "up", 'count(up{job="qflib"})': "known"}),
    Panel("Events a second", "cps", {f"sum by (stage) (rate(qflib_events_total{_RATE}))": "{{stage}}"},
          "Rows that each stage takes in."),
    Panel("From an event to its first report", "s",
          {quantile(0.5, "qflib_e2e_latency_seconds"): "p50", quantile(0.99, "qflib_e2e_latency_seconds"): "p99"},
          bad=1.0),
    Panel("Behind, in time", "s", {"max by (consumergroup) (qflib_lag_seconds)": "{{consumergroup}}"},
          "How long ago the first record that a group has not committed was there.", 5.0),
    Panel("Behind, in records", "short", {"sum by (consumergroup) (kafka_consumergroup_lag)": "{{consumergroup}}"}),
    Panel("Started again", "none", {"sum by (stage) (qflib_restarts_total)": "{{stage}}"}),
    Panel("Dead letters", "none", {"sum by (stage) (qflib_dlq_total)": "{{stage}}"}, bad=1.0),
    Panel("Numbers missing", "none", {'sum by (topic) (qflib_sequence_gaps_total{topic!=""})': "{{topic}}"}, bad=1.0),
    Panel("The broker's last answer", "s", {"qflib_broker_silent_seconds": "ago"}, bad=5.0),
    Panel("Disk left", "bytes", {"qflib_disk_free_bytes": "free"}),
    Panel("Requests a second", "reqps", {f"sum by (status) (rate(qflib_api_requests_total{_RATE}))": "{{status}}"}),
    Panel("Ingest held back", "percentunit", {f"rate(qflib_backpressure_seconds_total{_RATE})": "of its time"}),
)  # fmt: skip

STAGES = (
    Panel("Step, an input", "s", {quantile(0.99, "qflib_batch_seconds", "stage"): "{{stage}} p99"}),
    Panel("Commit", "s", {quantile(0.99, "qflib_checkpoint_seconds", "stage"): "{{stage}} p99"}, bad=1.0),
    Panel("Snapshot", "s", {"sum by (stage) (increase(qflib_snapshot_seconds_sum[5m])) / "
                            "(sum by (stage) (increase(qflib_snapshot_seconds_count[5m])) > 0)": "{{stage}}"}),
    Panel("Restore", "s", {"sum by (stage) (qflib_restore_seconds_sum) / "
                           "(sum by (stage) (qflib_restore_seconds_count) > 0)": "{{stage}}"}, bad=30.0),
    Panel("Processor", "percentunit", {f"rate(process_cpu_seconds_total{{job=\"qflib\"}}{_RATE})": "{{process}}"}),
    Panel("Memory", "bytes", {'process_resident_memory_bytes{job="qflib"}': "{{process}}"}, bad=1e9),
    Panel("Open files", "none", {'process_open_fds{job="qflib"}': "{{process}}"}),
    Panel("Collector's pauses", "s", {quantile(0.99, "qflib_gc_pause_seconds", "process"): "{{process}} p99"}),
    Panel("Behind, by partition", "s", {"qflib_lag_seconds": "{{consumergroup}} {{topic}}[{{partition}}]"}),
    Panel("Room before retention", "percentunit",
          {"min by (consumergroup, topic) (qflib_retention_headroom_ratio)": "{{consumergroup}} {{topic}}"},
          "The part of what a topic holds that the group has read; at 0 records are lost."),
    Panel("Stands still", "none", {"qflib_stage_stalled": "{{consumergroup}}"}, bad=1.0),
    Panel("Stored a second", "cps", {f"rate(qflib_archive_rows_total{_RATE})": "rows",
                                     f"rate(qflib_batches_total{{stage=\"archive\"}}{_RATE})": "records"}),
)  # fmt: skip

MARKET = (
    Panel("Since the last top", "s", {"qflib_market_age_seconds": "{{instrument}}"}),
    Panel("Stale", "none", {"qflib_market_stale": "{{instrument}}"},
          "Instruments silent for 60 robust deviations longer than they are wont to be.", 1.0),
    Panel("Crossed", "none", {"qflib_market_crossed": "{{instrument}}"}, bad=1.0),
    Panel("Spread", "none", {"qflib_market_spread_ticks": "{{instrument}}"}, "In ticks; of options the median."),
    Panel("Robust scores: price", "none", {'qflib_market_score{kind="jump"}': "{{instrument}}"},
          "Change of the mid in a second, in robust deviations of the last 256; 12 is an anomaly.", 12.0),
    Panel("Robust scores: spread", "none", {'qflib_market_score{kind="spread"}': "{{instrument}}"}, bad=12.0),
    Panel("Anomalies", "none", {"sum by (instrument, kind) (qflib_market_anomalies_total)": "{{instrument}} {{kind}}"}),
    Panel("Market events a second", "cps", {f'rate(qflib_events_total{{stage="normalize"}}{_RATE})': "{{ordinal}}"}),
    Panel("The wall clock's jumps", "none", {"qflib_clock_steps_total": "jumps"}, bad=1.0),
)  # fmt: skip

RISK = (
    Panel("Expected shortfall", "short", {'qflib_es{level="0.975"}': "{{portfolio}} {{kind}}"},
          "At 97.5 %: client positions, with hedges held, after the orders proposed."),
    Panel("At every level, current", "short", {'qflib_es{kind="current"}': "{{portfolio}} {{level}}"}),
    Panel("Of the unhedged, left by the hedges", "percentunit",
          {'qflib_es{kind="current",level="0.975"} / ignoring (kind) qflib_es{kind="unhedged",level="0.975"}':
           "{{portfolio}}"}),
    Panel("Limits used", "percentunit", {"qflib_limit_used_ratio": "{{portfolio}} {{limit}}"}, bad=1.0),
    Panel("Limits breached", "none", {"qflib_limit_breached": "{{portfolio}} {{limit}}"}, bad=1.0),
    Panel("Leaps of the shortfall", "none", {"qflib_es_anomalies_total": "{{portfolio}}"}, bad=1.0),
    Panel("Positions without a price", "none", {"qflib_unpriced_positions": "{{portfolio}}"}, bad=1.0),
    Panel("Hedge orders", "none", {"qflib_hedge_orders_total": "orders", "qflib_hedge_fills_total": "fills",
                                   "qflib_hedge_rejects_total": "refused"}),
    Panel("Reports a second", "cps", {f"rate(qflib_risk_reports_total{_RATE})": "reports"}),
)  # fmt: skip

BOARDS: dict[str, tuple[str, Sequence[Panel]]] = {
    "desk": ("qflib: the desk", DESK),
    "stages": ("qflib: stages", STAGES),
    "market": ("qflib: the market's quality", MARKET),
    "risk": ("qflib: risk", RISK),
}
_SOURCE = {"type": "prometheus", "uid": "${source}"}


def dashboard(uid: str, title: str, panels: Sequence[Panel]) -> dict[str, Any]:
    """A dashboard as Grafana takes it, three panels a row."""
    return {
        "uid": f"qflib-{uid}",
        "title": title,
        "tags": ["qflib"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "links": [{"title": "qflib", "type": "dashboards", "tags": ["qflib"], "asDropdown": True, "keepTime": True}],
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "annotations": {
            "list": [
                {
                    "name": "alerts",
                    "enable": True,
                    "iconColor": "red",
                    "datasource": _SOURCE,
                    "expr": 'ALERTS{alertstate="firing",alertname=~"Qflib.*"}',
                    "titleFormat": "{{alertname}}",
                }
            ]
        },
        "panels": [_panel(k, p) for k, p in enumerate(panels)],
    }


def _panel(k: int, p: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if p.bad is not None:
        steps.append({"color": "red", "value": p.bad})
    return {
        "id": k + 1,
        "type": p.kind,
        "title": p.title,
        "description": p.told,
        "datasource": _SOURCE,
        "gridPos": {"x": k % _A_ROW * _WIDTH, "y": k // _A_ROW * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {
            "defaults": {
                "unit": p.unit,
                "thresholds": {"mode": "absolute", "steps": steps},
                "custom": {"thresholdsStyle": {"mode": "off" if p.bad is None else "line"}},
            },
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + n), "expr": expression, "legendFormat": legend, "datasource": _SOURCE}
            for n, (expression, legend) in enumerate(p.expressions.items())
        ],
    }


def files() -> dict[Path, str]:
    """What each file holds."""
    made = {HERE / f"{uid}.json": dashboard(uid, title, panels) for uid, (title, panels) in BOARDS.items()}
    return {path: json.dumps(board, indent=1) + "\n" for path, board in made.items()}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
        print(path.name, file=sys.stderr)
