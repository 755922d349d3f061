"""System: the way of the data, how each stage does, dead letters with their reasons, and the delay end to end."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from dashboards.components.figures import Figures
from dashboards.components.flow import Flow
from dashboards.components.table import Table
from dashboards.pages.page import Page
from dashboards.tile import Age, Tile

if TYPE_CHECKING:
    from dashboards.access import Login
    from dashboards.desk import SharedDesk
    from qflib.views.health import ProcessHealth

STAGES = [
    {"k": "name", "label": "process"},
    {"k": "state", "label": "state", "tone": "tone"},
    {"k": "events_s", "label": "events/s", "f": "num"},
    {"k": "lag", "label": "lag", "f": "num", "title": "records behind"},
    {"k": "step", "label": "step ms", "f": "num", "d": 2, "title": "of a batch, mean"},
    {"k": "commit", "label": "commit ms", "f": "num", "d": 1},
    {"k": "dead", "label": "dead letters", "f": "num", "tone": "dead_tone"},
    {"k": "restarts", "label": "restarts", "f": "num", "tone": "restart_tone"},
    {"k": "cpu", "label": "CPU", "f": "percent", "d": 0},
    {"k": "memory", "label": "memory MB", "f": "num"},
    {"k": "age", "label": "heard", "f": "age"},
]
LETTERS = [
    {"k": "time", "label": "time", "f": "time", "align": "left"},
    {"k": "stage", "label": "stage"},
    {"k": "reason", "label": "reason", "cls": "bad"},
    {"k": "detail", "label": "detail"},
    {"k": "source", "label": "source", "cls": "mid"},
    {"k": "seq", "label": "seq", "f": "num", "cls": "mid"},
]
_LAG = 200  # records behind from which a stage is called slow: ingest holds back at 256
_STEP_MS, _COMMIT_MS = 20.0, 100.0
_E2E_MS = 250.0


class SystemPage(Page):
    """The desk's processes."""

    name, title = "system", "System"

    def __init__(self, desk: SharedDesk, login: Login) -> None:
        super().__init__(desk, login)
        self.flow, self.delay = Flow(ready=self.slow), Figures(ready=self.slow)
        self.stages = Table(STAGES, ready=self._restart, empty="No process has told anything yet.")
        self.letters = Table(LETTERS, ready=self._restart, empty="No dead letters: every input could be used.")
        self.tiles = [
            Tile("flow", "The way of the data", self.flow, self._age),
            Tile("stages", "Processes", self.stages, self._age),
            Tile("letters", "Dead letters", self.letters, self._letter_age),
            Tile("delay", "From event to report", self.delay, self._age),
        ]

    def slow(self) -> None:
        """All of it."""
        health = self.views.health
        processes, lag, restarts = health.processes(), health.lag(), health.restarts()
        self.flow.send({"stages": self._flow(processes, lag)})
        order = ("ingest", "normalize", "exchange", "strategy", "exposures", "portfolio", "archive")
        ranked = sorted(processes, key=lambda p: (order.index(p.stage) if p.stage in order else 99, p.name))
        self.stages.show([_stage_row(p, lag, restarts) for p in ranked])
        self.letters.show(
            [
                {
                    "id": f"{d.topic} {d.source} {d.seq} {n}",
                    "time": d.append_ns / 1e6,
                    "stage": d.stage,
                    "reason": d.reason.replace("_", " "),
                    "detail": d.detail,
                    "source": d.source,
                    "seq": d.seq,
                }
                for n, d in enumerate(health.dead_letters())
            ]
        )
        p50, p99 = health.latency_ms
        events = max((p.events_per_s for p in processes if p.stage in ("normalize", "exchange")), default=math.nan)
        dead = sum(health.dead_letter_counts().values())
        self.delay.send(
            {
                "figures": [
                    ["half within", _ms(p50), "", "receipt to first report"],
                    ["99 % within", _ms(p99), "warn" if p99 > _E2E_MS else "", f"goal {_E2E_MS:g} ms"],
                    [
                        "events a second",
                        "–" if math.isnan(events) else f"{events:,.0f}",
                        "",
                        "through the widest stage",
                    ],
                    ["dead letters", f"{dead:,}", "bad" if dead else "", "since this page's reader began"],
                ]
            }
        )

    def _restart(self) -> None:
        self.stages.again()
        self.letters.again()
        self.slow()

    def _flow(self, processes: list[ProcessHealth], lag: dict[str, float]) -> dict[str, Any]:
        stages: dict[str, Any] = {}
        by_stage: dict[str, list[ProcessHealth]] = {}
        for p in processes:
            by_stage.setdefault(p.stage, []).append(p)
        for stage, mine in by_stage.items():
            state, _ = _state(mine, lag.get(stage, 0.0))
            rate, step = sum(p.events_per_s for p in mine if p.up), _most(p.step_ms for p in mine)
            one = f"{rate:,.0f} events/s"
            two = "" if math.isnan(step) else f"step {step:.1f} ms, {lag.get(stage, 0.0):,.0f} behind"
            stages[stage] = {"state": state, "word": state, "one": one, "two": two}
        p50, _ = self.views.health.latency_ms
        silent = (time.time_ns() - self.heard_ns()) / 1e9
        up = self.views.connected and silent < 5
        told = "" if math.isnan(p50) else f"{p50:.0f} ms after the event"
        stages["views"] = {"state": "ok" if up else "down", "word": "live" if up else "silent", "two": told}
        return stages

    def _age(self) -> Age:
        """How far the desk has read: the most events any process has taken in; as old as the last answer."""
        processes = self.views.health.processes()
        newest = max((p.heard_ns for p in processes), default=0)
        return Age(int(max((p.events for p in processes), default=-1)), newest, newest)

    def _letter_age(self) -> Age:
        """How many there were, and when the last one came; where there was none, when that was last known."""
        counts = self.views.health.dead_letter_counts()
        note = ", ".join(f"{topic.removesuffix('.dead')} {n:,}" for topic, n in counts.items() if n)
        letters = self.views.health.dead_letters(1)
        told_ns = letters[0].append_ns if letters else self.heard_ns()
        return Age(sum(counts.values()), told_ns, self.heard_ns(), note)


def _state(mine: list[ProcessHealth], lag: float) -> tuple[str, str]:
    if not all(p.up for p in mine):
        return "down", "down"
    if lag > _LAG:
        return "slow", f"{lag:,.0f} behind"
    if _most(p.step_ms for p in mine) > _STEP_MS:
        return "slow", "slow step"
    if _most(p.commit_ms for p in mine) > _COMMIT_MS:
        return "slow", "slow commit"
    return "ok", "ok"


def _stage_row(p: ProcessHealth, lag: dict[str, float], restarts: dict[str, float]) -> dict[str, Any]:
    state, word = _state([p], lag.get(p.stage, 0.0))
    dead, again = sum(p.dead_letters.values()), restarts.get(p.stage, 0.0)
    return {
        "id": p.name,
        "name": p.name,
        "state": word,
        "tone": {"slow": "warn", "down": "bad"}.get(state, ""),
        "cls": "down-row" if state == "down" else "",
        "events_s": p.events_per_s,
        "lag": lag.get(p.stage),
        "step": _finite(p.step_ms),
        "commit": _finite(p.commit_ms),
        "dead": dead,
        "dead_tone": "bad" if dead else "mid",
        "restarts": again,
        "restart_tone": "warn" if again else "mid",
        "cpu": _finite(p.cpu),
        "memory": _finite(p.memory_mb),
        "age": round(p.age_s(), 1) if p.heard_ns else None,
    }


def _most(values: Any) -> float:
    finite = [v for v in values if math.isfinite(v)]
    return max(finite, default=math.nan)


def _finite(v: float) -> float | None:
    return v if math.isfinite(v) else None


def _ms(v: float) -> str:
    return "–" if math.isnan(v) else f"{v:,.0f} ms"
