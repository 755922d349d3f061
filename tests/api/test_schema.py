"""schemathesis over the whole OpenAPI schema, all checks: nothing is found."""

from __future__ import annotations

from pathlib import Path

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.api.served import served

#: Routes of each run, and the cases it makes at least: 5,000 together.
RUNS = {
    "orders": (r"/v1/(orders|executions|signals|instruments|books).*", 1_750),
    "portfolios": (r"/v1/(portfolios|limits|kill-switch).*", 1_500),
    "computing": (r"/v1/(pricing|shortfall|history|vols).*|/(healthz|readyz|metrics)", 1_800),
    "jobs": (r"/v1/jobs.*", 300),
}
_CASES = {"orders": 175, "portfolios": 148, "computing": 370, "jobs": 65}  # a route


# of what it sends it notes a repr, and warns where the body is long
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.parametrize("which", RUNS)
def test_nothing_is_found(tmp_path: Path, which: str) -> None:
    api = served(tmp_path, failures=1e6)  # keys are left out again and again, on purpose
    config = SchemathesisConfig.from_dict(
        {
            "headers": {"Authorization": api.headers("admin")["authorization"]},
            "request-timeout": 120,
            "generation": {"max-examples": _CASES[which], "database": "none", "deterministic": True},
            "checks": {
                # what the schema allows the exchange may still refuse: 422 with its reason
                "positive_data_acceptance": {"expected-statuses": ["2xx", "401", "403", "404", "409", "422"]},
                # DELETE of an order asks for its cancelling; the order stays, and tells what became of it
                "use_after_free": {"enabled": which != "orders"},
            },
            "phases": {"stateful": {"generation": {"max-examples": 10}}},
        }
    )
    schema = schemathesis.openapi.from_asgi("/schema/openapi.json", api.app, config=config)
    pattern, least = RUNS[which]
    cases, checks, found = 0, set(), []
    for event in from_schema(schema.include(path_regex=pattern)).execute():
        if isinstance(event, events.ScenarioFinished):
            cases += len(event.recorder.cases)
            for of in event.recorder.checks.values():
                checks |= {c.name for c in of}
                found += [(event.label, c.name, c.failure_info.failure) for c in of if c.failure_info is not None]
        elif isinstance(event, events.NonFatalError):
            found.append((event.label, "error", event.value))
        elif isinstance(event, events.FatalError):
            raise event.exception
    assert not found, found[:5]
    assert cases >= least
    assert len(checks) >= 10, checks
    print(f"{which}: {cases} cases, {len(checks)} checks")


def test_the_runs_have_every_route(tmp_path: Path) -> None:
    import re

    paths = served(tmp_path).app.openapi_schema.paths or {}
    assert all(any(re.fullmatch(pattern, path) for pattern, _ in RUNS.values()) for path in paths)
    assert sum(least for _, least in RUNS.values()) >= 5_000
