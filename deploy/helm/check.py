"""Checks of the chart and of compose.yaml, by their own tools: `make chart`.

For each of the value sets, alone and with each size, and for one with all that can be secured: `helm lint --strict` and
`helm template` with a real desk's file; every object against Kubernetes' schemas (kubernetes-validate), those of KEDA,
Prometheus' operator and Strimzi against their custom resources' own (schemas/); and what no schema knows: that pods run
as nobody on a read-only root, that names which are referred to are there, that a stage's file exists and takes its
arguments, that stages scale by seconds of lag up to the partitions, and not at all by a silent monitor, that a process
meets Kafka with rights of its own, that the API sees what jobs made (demands.py). So for desks of every kind: those
stages run that the desk's file has. Values that are wrong have to be refused, and told why.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import demands  # beside this file
import jsonschema
import kubernetes_validate
import yaml

if TYPE_CHECKING:
    from qflib.desk.deployment import Deployment
    from qflib.desk.taken_along import TakenAlong

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "qflib"
SCHEMAS = Path(__file__).parent / "schemas"
VERSION = "1.31.0"
#: Over the production set: everything that a desk may be given to be asked, and to trust.
SECURED = """
desk:
  files: [{secretName: store-ca, mountPath: /etc/qflib/store}, {secretName: api-ca, mountPath: /etc/qflib/api}]
  settings: {QFLIB_API__TLS_AUTHORITY: /etc/qflib/api/ca.crt, AWS_REGION: eu-central-1}
api: {tlsSecret: api-tls, ingress: {annotations: {nginx.ingress.kubernetes.io/backend-protocol: HTTPS}}}
store: {migrateSecret: store-owner}
traces: {endpoint: "http://tempo.monitoring:4318"}
networkPolicy:
  storePeers: [{ipBlock: {cidr: 10.1.0.0/16}}]
  tracesPeers: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
"""
#: Over the set with an existing cluster: files in an object store, whose days are dropped; a name as long as may be.
BUCKET = """
desk: {settings: {QFLIB_STORE__URL: "s3://bucket/desk", QFLIB_STORE__RETENTION_DAYS: "30"}}
history: {enabled: false}
jobs: {a_name_of_21_lettersx: {schedule: "0 1 * * *", notebook: daily_risk}}
networkPolicy: {kafkaPeers: [{ipBlock: {cidr: 10.2.0.0/16}}], storePort: 443}
"""
#: What is refused, of which set, and a piece of what is said.
WRONG = (
    ("existing-cluster", "kafka.partitions=0", "kafka"),
    ("existing-cluster", "stages.exchange.replicas=0", "replicas"),
    ("existing-cluster", "stages.exchange.replicas=9", "a worker without a partition does nothing"),
    ("existing-cluster", "stages.exchange.max=1,stages.exchange.replicas=3", "below its 3 replicas"),
    ("existing-cluster", "stages.ingest.replicas=2", "ingest"),
    ("existing-cluster", "stages.ingest.resources.limits.memory=512m", "memory"),
    ("existing-cluster", "stages.ingest.resources.requests.cpu=4Gi", "cpu"),
    ("existing-cluster", "api.cpu=170", "cpu"),
    ("existing-cluster", "api.max=1", "api.max is 1, below its 2 replicas"),
    ("existing-cluster", "nonsense=1", "nonsense"),
    ("existing-cluster", "postgresql.parameters.work_mem=4 MB", "work_mem"),
    ("existing-cluster", "history.size=ten", "size"),
    ("existing-cluster", "desk.settings.OTHER=1", "OTHER"),
    ("existing-cluster", "jobs.report_.schedule=0 1 * * *,jobs.report_.notebook=daily_risk", "report_"),
    ("existing-cluster", "desk.settings.QFLIB_API__TLS_CERTIFICATE=/x", "api.tlsSecret"),
    ("existing-cluster", "autoscaling.keda=true,monitoring.serviceMonitor=false", "monitoring.serviceMonitor"),
    ("existing-cluster", "traces.endpoint=tempo:4318", "endpoint"),
    ("existing-cluster", "kafka.bootstrap=", "name an existing cluster in kafka.bootstrap"),
    ("production", "kafka.replication=4", "kafka.strimzi.brokers is 3"),
    ("production", "desk.secrets=null", "nothing says where the history is"),
    ("production", "dashboard.ingress.annotations=null", "a login is known to the pod that took it"),
    ("existing-cluster", "stages.portfolio=null", "stages.portfolio says nothing of its pods"),
)
#: Of compose.yaml: PostgreSQL's image does not start with an empty password, and Compose asks for what stands in any
#: profile, whether it is started or not.
REFUSED_EMPTY = ("POSTGRES_PASSWORD",)
#: Desks' files that are none, or another's, and what is said.
NO_DESK = (
    ("", "desk.deployment is empty"),
    ("a desk", "desk.deployment is no desk's file"),
    ("[1, 2]", "desk.deployment is no desk's file"),
    ('{"partitions": 4}', "desk.deployment is no desk's file"),
)


#: Desks' files as `qflib up` writes them: of the simulated market, and of what other desks are.
KINDS = ("simulated", "live", "with a strategy", "with promoted steps", "live, with a step")


@cache
def desk(partitions: int, kind: str = "simulated") -> Deployment:
    """A desk of a kind."""
    from qflib import settings
    from qflib.cli import deploying

    chosen, live = settings.load(), kind.startswith("live")
    wanted = deploying.Wanted("kraken" if live else "sim", steps=(), strategy=kind == "with a strategy")
    market = deploying.market(deploying.Wanted("sim"), chosen)
    if live:  # a venue tells neither history nor positions
        market = deploying.Market(market.instruments)
    made = deploying.deployment(wanted, chosen, market, partitions)
    steps = {"with promoted steps": (step("spread"), step("flow", events=True)), "live, with a step": (step("spread"),)}
    return replace(made, promoted=steps.get(kind, ()))


def step(name: str, folder: str = "/app/pipelines/steps", events: bool = False) -> TakenAlong:
    """A promoted step whose file lies in a folder."""
    from qflib.desk.taken_along import TakenAlong

    return TakenAlong(name, f"{folder}/{name}.py", "0" * 64, events=events)


def written(made: Deployment) -> Path:
    """A desk's file."""
    file = Path(tempfile.mkdtemp(prefix="qflib-chart-")) / "deployment.json"
    made.save(file)
    return file


@cache
def custom_schema(kind: str) -> dict[str, Any] | None:
    """The schema of a custom resource; None: it is Kubernetes' own."""
    file = SCHEMAS / f"{kind}.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def rendered(
    values: Sequence[Path], *flags: str, file: Path | None = None, release: str = "desk"
) -> list[dict[str, Any]]:
    """The objects of a value set, and what lies over it."""
    command = ["helm", "template", release, str(CHART), "--kube-version", VERSION, *given(values, file), *flags]
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    if told.returncode:
        raise ValueError(told.stderr)
    return [d for d in yaml.load_all(told.stdout, yaml.CSafeLoader) if d]


def given(values: Sequence[Path], file: Path | None = None) -> list[str]:
    """Flags of Helm: values, and a desk's file; default: one with their partitions."""
    made = file or written(desk(merged_of(values)["kafka"]["partitions"]))
    return [*(word for v in values for word in ("-f", str(v))), "--set-file", f"desk.deployment={made}"]


@cache
def read(file: Path) -> dict[str, Any]:
    """A file of values."""
    return dict(yaml.safe_load(file.read_text(encoding="utf-8")))


def merged_of(values: Sequence[Path]) -> dict[str, Any]:
    """The chart's values with these over them."""
    over = read(CHART / "values.yaml")
    for file in values:
        over = merged(over, read(file))
    return over


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Values as Helm merges them."""
    both = {k: merged(base[k], v) if isinstance(base.get(k), dict) and isinstance(v, dict) else v
            for k, v in over.items()}  # fmt: skip
    return base | both


def main() -> int:
    """Run all of it; what is wrong is printed."""
    faults: list[str] = []
    sizes = sorted((CHART / "values").glob("size-*.yaml"))
    sets = {p.stem: p for p in sorted(set((CHART / "values").glob("*.yaml")) - set(sizes))}
    folder = Path(tempfile.mkdtemp(prefix="qflib-chart-"))
    for name, over in (("secured", SECURED), ("bucket", BUCKET)):
        (folder / f"{name}.yaml").write_text(over, encoding="utf-8")
    tried = [(one, *over) for one in sets.values() for over in [(), *((size,) for size in sizes)]]
    tried += [(sets["production"], folder / "secured.yaml"), (sets["existing-cluster"], folder / "bucket.yaml")]
    for values in tried:
        faults += looked_at(values, "simulated")
    for kind in KINDS[1:]:
        faults += looked_at((sets["production"],), kind)
    faults += looked_at((sets["existing-cluster"], folder / "bucket.yaml"), "live", release="r" * 53)
    for name, wrong, said in WRONG:
        refused((sets[name],), ("--set", wrong), None, said, faults)
    for text, said in NO_DESK:
        file = folder / "no.json"
        file.write_text(text, encoding="utf-8")
        refused((sets["small"],), (), file, said, faults)
    refused((sets["small"],), (), written(desk(77)), "was written for 77 partitions", faults)
    faults += elsewhere(sets["small"])
    faults += composed()
    print("\n".join(faults) or "nothing wrong")
    return bool(faults)


def looked_at(values: Sequence[Path], kind: str, release: str = "desk") -> list[str]:
    """What is wrong with a value set, and what lies over it, on a desk of a kind."""
    told = merged_of(values)
    made = desk(told["kafka"]["partitions"], kind)
    name, file = f"{' '.join(p.stem for p in values)}, {kind}", written(made)
    lint = ["helm", "lint", str(CHART), "--strict", *given(values, file)]
    linted = subprocess.run(lint, check=False, capture_output=True, text=True)
    faults = [linted.stdout + linted.stderr] if linted.returncode else []
    objects = rendered(values, file=file, release=release)
    faults += [f"{o['kind']} {o['metadata']['name']}: {why}" for o in objects if (why := invalid(json.dumps(o)))]
    faults += demands.staged(objects, told, made)
    for demand in (demands.sound, demands.scaled, demands.wired, demands.timed, demands.fronted, demands.threaded):
        faults += demand(objects, told)
    print(f"{name}: {len(objects)} objects", flush=True)
    return [f"{name}: {fault}" for fault in faults]


def elsewhere(small: Path) -> list[str]:
    """A desk's file that the chart cannot see, and one that needs another file, which is mounted or refused."""
    faults: list[str] = []
    unseen = rendered((small,), "--set", "desk.existingConfigMap=mine,desk.stages={strategy}")
    faults += demands.staged(
        unseen, read(CHART / "values.yaml"), replace(desk(1, "live"), strategy=desk(1, "with a strategy").strategy)
    )
    far = written(replace(desk(1), promoted=(step("spread", "/home/me/runs/up/steps/spread-1"),)))
    refused((small,), (), far, "which no pod has", faults)
    refused(
        (small,), (), written(replace(desk(1), feed={"signals": "/home/me/signals.csv"})), "which no pod has", faults
    )
    mounted = '[{"secretName": "spread", "mountPath": "/home/me/runs/up/steps/spread-1"}]'
    rendered((small,), "--set-json", f"desk.files={mounted}", file=far)
    return faults


def composed() -> list[str]:
    """What is wrong with compose.yaml: nobody is let in by a password that was never set."""
    text = (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
    jsonschema.validate(yaml.safe_load(text), custom_schema("compose") or {})
    unset = [v for v in re.findall(r"\$\{(\w+)(?!\w|:\?)", text) if v not in REFUSED_EMPTY]
    return [f"compose.yaml: {v} may be left out" for v in unset]


def refused(values: Sequence[Path], flags: Sequence[str], file: Path | None, said: str, faults: list[str]) -> None:
    """Values, or a desk's file, that the chart may not take, and has to say why."""
    try:
        rendered(values, *flags, file=file)
        faults.append(f"{' '.join(flags)} {file or ''} is taken")
    except ValueError as e:
        if said not in str(e):
            faults.append(f"{' '.join(flags)} {file or ''} is refused by: {e}")


@cache
def invalid(text: str) -> str:
    """What the schema of an object's kind says against it, or Prometheus against rules; sets have most in common."""
    o = json.loads(text)
    try:
        if (schema := custom_schema(o["kind"])) is not None:
            jsonschema.validate(o, schema)
        else:
            kubernetes_validate.validate(o, VERSION.rpartition(".")[0], strict=True)
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as e:
        return str(e.message)
    if o["kind"] != "PrometheusRule":
        return ""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(o["spec"], file)
        file.flush()
        told = subprocess.run(["promtool", "check", "rules", file.name], check=False, capture_output=True, text=True)
    return told.stderr if told.returncode else ""


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
