"""Checks of the chart and of compose.yaml, by their own tools: `make chart`.

For each of the value sets, alone and with each size, and for one with all that can be secured: `helm lint --strict` and
`helm template` with a real desk's file; every object against Kubernetes' schemas (kubernetes-validate), those of KEDA,
Prometheus' operator and Strimzi against their custom resources' own (schemas/); and what no schema knows: that pods run
as nobody on a read-only root, that names which are referred to are there, that a stage's file exists and takes its
arguments, that stages scale by seconds of lag up to the partitions, and not at all by a silent monitor, that a process
meets Kafka with rights of its own, that the API sees what jobs made. Values that are wrong have to be refused, and told
why.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

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
    ("existing-cluster", "desk.settings.QFLIB_API__TLS_CERTIFICATE=/x", "api.tlsSecret"),
    ("existing-cluster", "autoscaling.keda=true,monitoring.serviceMonitor=false", "monitoring.serviceMonitor"),
    ("existing-cluster", "traces.endpoint=tempo:4318", "endpoint"),
    ("existing-cluster", "kafka.bootstrap=", "name an existing cluster in kafka.bootstrap"),
    ("production", "kafka.replication=4", "kafka.strimzi.brokers is 3"),
    ("production", "desk.secrets=null", "nothing says where the history is"),
)
#: Desks' files that are none, or another's, and what is said.
NO_DESK = (
    ("", "desk.deployment is empty"),
    ("a desk", "desk.deployment is no desk's file"),
    ("[1, 2]", "desk.deployment is no desk's file"),
    ('{"partitions": 4}', "desk.deployment is no desk's file"),
)


@cache
def desk(partitions: int) -> Path:
    """A desk's file, as `qflib up --source sim` writes it."""
    from qflib import settings
    from qflib.cli import deploying

    wanted, chosen = deploying.Wanted("sim", steps=()), settings.load()
    made = deploying.deployment(wanted, chosen, deploying.market(wanted, chosen), partitions)
    file = Path(tempfile.mkdtemp(prefix="qflib-chart-")) / "deployment.json"
    made.save(file)
    return file


@cache
def custom_schema(kind: str) -> dict[str, Any] | None:
    """The schema of a custom resource; None: it is Kubernetes' own."""
    file = SCHEMAS / f"{kind}.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def rendered(values: Sequence[Path], *flags: str, file: Path | None = None) -> list[dict[str, Any]]:
    """The objects of a value set, and what lies over it."""
    command = ["helm", "template", "desk", str(CHART), "--kube-version", VERSION, *given(values, file), *flags]
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    if told.returncode:
        raise ValueError(told.stderr)
    return [d for d in yaml.load_all(told.stdout, yaml.CSafeLoader) if d]


def given(values: Sequence[Path], file: Path | None = None) -> list[str]:
    """Flags of Helm: values, and a desk's file; default: one with their partitions."""
    made = file or desk(merged_of(values)["kafka"]["partitions"])
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


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Objects that make pods, and the pod's template."""
    for o in objects:
        spec = o.get("spec", {})
        template = spec.get("template") or spec.get("jobTemplate", {}).get("spec", {}).get("template")
        if template is not None and "spec" in template:
            yield o, template


def sound(objects: list[dict[str, Any]], told: dict[str, Any]) -> Iterator[str]:
    """What is wrong that no schema knows of."""
    from qflib.stream.stages import STAGES

    there = {(o["kind"], o["metadata"]["name"]) for o in objects}
    if len(there) != len(objects):
        yield "two objects have one name"
    secrets = {told["api"]["keysSecret"], told["api"]["tlsSecret"], *(f["secretName"] for f in told["desk"]["files"])}
    claims = {told["history"]["existingClaim"], told["reports"]["existingClaim"]}
    for o, template in pods(objects):
        who, spec = f"{o['kind']} {o['metadata']['name']}", template["spec"]
        if not spec["securityContext"]["runAsNonRoot"]:
            yield f"{who} may run as root"
        if o["kind"] in ("Deployment", "StatefulSet"):
            wanted = o["spec"]["selector"]["matchLabels"].items()
            if not wanted <= template["metadata"]["labels"].items():
                yield f"{who} does not select its own pods"
        for v in spec["volumes"]:
            if "configMap" in v and ("ConfigMap", v["configMap"]["name"]) not in there:
                yield f"{who} mounts a ConfigMap that is not there"
            claim = v.get("persistentVolumeClaim", {}).get("claimName")
            if claim and ("PersistentVolumeClaim", claim) not in there and claim not in claims:
                yield f"{who} mounts a claim that is not there"
            if "secret" in v and v["secret"]["secretName"] not in secrets:
                yield f"{who} mounts a Secret that no value names"
        for c in spec["containers"]:
            s = c["securityContext"]
            if not s["readOnlyRootFilesystem"] or s["allowPrivilegeEscalation"] or s["capabilities"]["drop"] != ["ALL"]:
                yield f"{who} may do more than it needs"
            if not {"requests", "limits"} <= c["resources"].keys() or "memory" not in c["resources"]["limits"]:
                yield f"{who} has no bound on its memory"
            if o["kind"] in ("Deployment", "StatefulSet") and "livenessProbe" not in c:
                yield f"{who} is never asked whether it lives"
            if o["kind"] == "StatefulSet":
                yield from stage(who, o["metadata"]["labels"]["app.kubernetes.io/component"], c["args"], STAGES)


def wired(objects: list[dict[str, Any]], told: dict[str, Any]) -> Iterator[str]:
    """What is wrong with how processes meet Kafka, each other, and those who ask them."""
    users = {o["metadata"]["name"]: o["spec"]["authorization"]["acls"] for o in objects if o["kind"] == "KafkaUser"}
    own = [o for o in objects if o["kind"] == "Kafka"]
    (settings,) = (o["data"] for o in objects if o["metadata"]["name"].endswith("-settings"))
    options = json.loads(settings.get("QFLIB_BROKER__OPTIONS", "{}"))
    if bool(own) != (options.get("security.protocol") == "SSL") or bool(own) != bool(users):
        yield "Kafka is met without a name"
    for listener in (n for k in own for n in k["spec"]["kafka"]["listeners"]):
        if not (listener["tls"] and listener["authentication"] and listener["networkPolicyPeers"]):
            yield f"listener {listener['name']} takes whoever comes"
    met: dict[str, set[tuple[str, bool]]] = {}
    for o, template in pods(objects):
        who, name = (
            f"{o['kind']} {o['metadata']['name']}",
            template["metadata"]["labels"]["app.kubernetes.io/component"],
        )
        (c,), volumes = template["spec"]["containers"], {v["name"]: v for v in template["spec"]["volumes"]}
        mounts = {m["name"]: m for m in c["volumeMounts"]}
        if own and name not in ("job", "migrate"):
            given = [s["secret"] for s in volumes["kafka"]["projected"]["sources"]]
            names = [s["name"] for s in given]
            files = {str(Path(mounts["kafka"]["mountPath"]) / i["path"]) for s in given for i in s["items"]}
            if names[0] != f"{own[0]['metadata']['name']}-cluster-ca-cert" or names[1] not in users:
                yield f"{who} meets Kafka as {names}"
            if not {v for k, v in options.items() if k.endswith("location")} <= files:
                yield f"{who} has no certificate where the settings look for it"
        if "reports" in mounts:
            claim = volumes["reports"]["persistentVolumeClaim"]["claimName"]
            met.setdefault(name, set()).add((claim, not mounts["reports"].get("readOnly", False)))
        scheme = "HTTPS" if name == "api" and told["api"]["tlsSecret"] else None
        for probe in (c[p] for p in ("readinessProbe", "livenessProbe") if p in c and c[p].get("httpGet")):
            if probe["httpGet"]["port"] == "http" and probe["httpGet"].get("scheme") != scheme:
                yield f"{who} is probed by {probe['httpGet'].get('scheme')}"
    writers, readers = met.get("job", set()), met.get("dashboard", set())
    if told["jobs"] and not (
        len(writers) == 1 and writers == met.get("api") and readers == {(c, False) for c, _ in writers}
    ):
        yield f"what jobs make is not what the faces show: {met}"
    egress = {
        p["port"]
        for o in objects
        if o["kind"] == "NetworkPolicy"
        for e in o["spec"].get("egress", ())
        for p in e.get("ports", ())
    }
    asked = int(settings["QFLIB_BROKER__BOOTSTRAP"].rpartition(":")[2])
    if asked not in egress or (told["traces"]["endpoint"] and told["traces"]["port"] not in egress):
        yield f"the network lets nothing but {sorted(egress)} through"


def scaled(objects: list[dict[str, Any]], told: dict[str, Any]) -> Iterator[str]:
    """What is wrong with how stages grow, and with what may be taken from them at once."""
    by_kind: dict[str, dict[str, Any]] = {}
    for o in objects:
        by_kind.setdefault(o["kind"], {})[o["metadata"]["name"]] = o.get("spec", o)
    most = told["kafka"]["partitions"]
    growing = by_kind.get("ScaledObject", {})
    for who, spec in by_kind["StatefulSet"].items():
        name = spec["selector"]["matchLabels"]["app.kubernetes.io/component"]
        grows = growing.get(who)
        if bool(grows) != bool(told["autoscaling"]["keda"] and told["stages"][name].get("max")):
            yield f"{who} should {'not ' if grows else ''}be scaled"
        if told["podDisruptionBudgets"] and by_kind["PodDisruptionBudget"].get(who, {}).get("maxUnavailable") != 1:
            yield f"{who} may be taken away whole"
        if grows is None and spec["replicas"] > most:
            yield f"{who} has workers without a partition"
        if grows is not None:
            least, limit = grows["minReplicaCount"], grows["maxReplicaCount"]
            if not least <= limit <= most or limit != min(told["stages"][name]["max"], most):
                yield f"{who} grows from {least} to {limit} on {most} partitions"
            query = grows["triggers"][0]["metadata"]["query"]
            if "qflib_lag_seconds" not in query or f'consumergroup="qflib.{name}"' not in query or "replicas" in spec:
                yield f"{who} does not grow by its own lag in seconds alone"
            silent = grows["triggers"][0]["metadata"].get("ignoreNullValues"), grows.get("fallback", {}).get("behavior")
            if silent != ("false", "currentReplicasIfHigher"):
                yield f"{who} shrinks where the monitor is silent"


def stage(who: str, name: str, args: list[str], known: Any) -> Iterator[str]:
    """What is wrong with a stage's command."""
    from qflib.stream.process import arguments

    if args[0] != f"pipelines/{name}.py" or not (ROOT / args[0]).is_file():
        yield f"{who} runs {args[0]}"
    if name not in {"ingest", "archive", *known}:
        yield f"{who} is no stage"
    told = arguments(name, [a.replace("$(ORDINAL)", "3") for a in args[1:]])
    if told.ordinal != 3 or told.metrics_port != 9400:
        yield f"{who} is not told its ordinal and its port"


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
    secured = Path(tempfile.mkdtemp(prefix="qflib-chart-")) / "secured.yaml"
    secured.write_text(SECURED, encoding="utf-8")
    tried = [(one, *over) for one in sets.values() for over in [(), *((size,) for size in sizes)]]
    for values in [*tried, (sets["production"], secured)]:
        name = " ".join(p.stem for p in values)
        lint = ["helm", "lint", str(CHART), "--strict", *given(values)]
        told = subprocess.run(lint, check=False, capture_output=True, text=True)
        if told.returncode:
            faults.append(told.stdout + told.stderr)
        objects, over = rendered(values), merged_of(values)
        unfit = (f"{o['kind']} {o['metadata']['name']}: {why}" for o in objects if (why := invalid(json.dumps(o))))
        found = (*unfit, *sound(objects, over), *scaled(objects, over), *wired(objects, over))
        faults += [f"{name}: {fault}" for fault in found]
        print(f"{name}: {len(objects)} objects", flush=True)
    for name, wrong, said in WRONG:
        refused((sets[name],), ("--set", wrong), None, said, faults)
    for text, said in NO_DESK:
        file = secured.with_name("no.json")
        file.write_text(text, encoding="utf-8")
        refused((sets["small"],), (), file, said, faults)
    refused((sets["small"],), (), desk(77), "was written for 77 partitions", faults)
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(compose, custom_schema("compose") or {})
    print("\n".join(faults) or "nothing wrong")
    return bool(faults)


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
