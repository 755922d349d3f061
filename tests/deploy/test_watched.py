"""A running desk under Debian's Prometheus and Alertmanager: a fault is seen at the receiver, and that it is over."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import httpx
import pytest

from tests.deploy.boards import boards
from tests.deploy.watching import Watching, watching


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watching]:
    yield from watching(tmp_path_factory.mktemp("watched"), "--rate", "2000", "--faces")


def test_every_picture_of_grafana_has_series(watched: Watching) -> None:
    watched.until(lambda: watched.query('qflib_snapshot_seconds_count{stage="exchange"} > 0'), "no snapshot")
    httpx.get(f"http://127.0.0.1:{watched.environment['QFLIB_API__PORT']}/readyz")
    for _, panels in boards().BOARDS.values():
        for panel in panels:
            for expression in panel.expressions:
                watched.until(lambda e=expression: watched.query(e), f"{panel.title} is empty: {expression}", 20.0)


def test_a_record_is_traced_from_stage_to_stage(watched: Watching) -> None:
    stages = {f"qflib.{s}" for s in ("ingest", "normalize", "exchange", "exposures", "portfolio")}

    def whole() -> bytes | None:
        seen: dict[bytes, set[str]] = {}
        for service, span in list(watched.spans.log):
            seen.setdefault(span.trace_id, set()).add(service)
        return next((trace for trace, services in seen.items() if services >= stages), None)

    trace = watched.until(whole, "no trace goes through all stages", 30.0)
    spans = [(service, s) for service, s in watched.spans.log if s.trace_id == trace]
    (root,) = [s for service, s in spans if service == "qflib.ingest"]
    for service, s in spans:
        assert s.start_time_unix_nano <= s.end_time_unix_nano
        if s is not root:
            assert s.parent_span_id == root.span_id
            assert s.start_time_unix_nano >= root.start_time_unix_nano, service
            told = {a.key: a.value for a in s.attributes}
            assert told["qflib.batch"].string_value.count("/") >= 2
            assert told["messaging.kafka.offset"].int_value >= 0


def test_a_stage_that_stands_still_is_told_and_its_mend_too(watched: Watching) -> None:
    since = watched.send("portfolio-0", signal.SIGSTOP)
    watched.fired("QflibProcessDown", since, process="portfolio-0", severity="critical")
    mended = watched.send("portfolio-0", signal.SIGCONT)
    watched.cleared("QflibProcessDown", mended, process="portfolio-0")


@pytest.mark.faults
def test_a_stage_is_stopped_and_another_killed(watched: Watching) -> None:
    since = watched.send("exchange-0", signal.SIGSTOP)
    watched.send("normalize-0", signal.SIGKILL)
    watched.fired("QflibProcessDown", since, process="exchange-0", severity="critical")
    watched.fired("QflibWorkerRestarted", since, stage="normalize", severity="warning")
    watched.fired("QflibStageBehind", since, consumergroup="qflib.exchange")
    mended = watched.send("exchange-0", signal.SIGCONT)
    watched.cleared("QflibProcessDown", mended, process="exchange-0")
    watched.cleared("QflibStageBehind", mended, consumergroup="qflib.exchange")
    watched.cleared("QflibWorkerRestarted", since, stage="normalize")
