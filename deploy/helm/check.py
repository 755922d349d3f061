"""Checks of the chart and of compose.yaml, by their own tools: `make chart`.

For each of the value sets, alone and with each size: `helm lint --strict` and `helm template`; every object against
Kubernetes' schemas (kubernetes-validate), those of KEDA and of Prometheus' operator against their custom resources'
own; and what no schema knows: that pods run as nobody on a read-only root, that names which are referred to are there,
that a stage's file exists and takes its arguments, that stages scale by seconds of lag up to the partitions and have
disruption budgets. Values that are wrong have to be refused.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "qflib"
VERSION = "1.31.0"
#: Go modules, at these versions, that hold the schemas; `go mod download` fetches them and holds them to their sums.
MODULES = {
    "github.com/kedacore/keda/v2@v2.21.0": "config/crd/bases/keda.sh_scaledobjects.yaml",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd/"
    "monitoring.coreos.com_{}.yaml",
    "github.com/compose-spec/compose-go/v2@v2.16.2": "schema/compose-spec.json",
}
DESK = ("--set-string", "desk.deployment=a desk")  # of which the chart reads the partitions alone
#: A desk's file of other partitions than any set has.
OTHER = ("--set-json", 'desk.deployment="{\\"partitions\\": 77}"')
_OPERATOR = ("servicemonitors", "prometheusrules")
#: Kinds of operators whose schemas are not to be had this way.
UNCHECKED = {"Kafka", "KafkaNodePool"}
WRONG = ("kafka.partitions=0", "stages.exchange.replicas=0", "stages.exchange.replicas=9", "stages.ingest.replicas=2",
         "api.cpu=170", "nonsense=1", "postgresql.parameters.work_mem=4 MB",
         "history.size=ten", "desk.settings.OTHER=1")  # fmt: skip


def module(name: str) -> Path:
    """Where a Go module lies, fetched where it is not yet."""
    told = subprocess.run(["go", "mod", "download", "-json", name], check=True, capture_output=True, cwd="/")
    return Path(json.loads(told.stdout)["Dir"])


def custom_schemas() -> dict[str, dict[str, Any]]:
    """Kind -> schema, of KEDA and of Prometheus' operator."""
    made = {}
    keda, operator, _ = MODULES
    files = [module(keda) / MODULES[keda]]
    files += [module(operator) / MODULES[operator].format(k) for k in _OPERATOR]
    for file in files:
        crd = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]
        made[crd["names"]["kind"]] = strict(crd["versions"][0]["schema"]["openAPIV3Schema"])
    return made


def strict(schema: Any) -> Any:
    """A structural schema under which an unknown field is a fault, as `kubectl` has it."""
    if isinstance(schema, list):
        return [strict(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    made = {k: strict(v) for k, v in schema.items()}
    closed = made.get("type") == "object" and not made.get("x-kubernetes-preserve-unknown-fields")
    if closed and "additionalProperties" not in made and "metadata" not in made.get("properties", {"metadata": 0}):
        made["additionalProperties"] = False
    if isinstance(made.get("pattern"), str):  # Go allows flags after the beginning
        made["pattern"] = made["pattern"].replace("^(?i)", "(?i)^")
    if made.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
    return made


def rendered(values: Sequence[Path], *flags: str, desk: Sequence[str] = DESK) -> list[dict[str, Any]]:
    """The objects of a value set, and what lies over it."""
    command = ["helm", "template", "desk", str(CHART), "--kube-version", VERSION, *_given(values), *flags]
    told = subprocess.run([*command, *desk], check=False, capture_output=True, text=True)
    if told.returncode:
        raise ValueError(told.stderr)
    return [d for d in yaml.safe_load_all(told.stdout) if d]


def _given(values: Sequence[Path]) -> list[str]:
    return [word for file in values for word in ("-f", str(file))]


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
    secrets = {*told["desk"]["secrets"], told["api"].get("keysSecret"), told["dashboard"].get("keySecret")}
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
            if claim and ("PersistentVolumeClaim", claim) not in there and claim != told["history"]["existingClaim"]:
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
    schemas = custom_schemas()
    base = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    sizes = sorted((CHART / "values").glob("size-*.yaml"))
    sets = sorted(set((CHART / "values").glob("*.yaml")) - set(sizes))
    for values in [(one, *over) for one in sets for over in [(), *((size,) for size in sizes)]]:
        name = " ".join(p.stem for p in values)
        lint = ["helm", "lint", str(CHART), "--strict", *_given(values), *DESK]
        told = subprocess.run(lint, check=False, capture_output=True, text=True)
        if told.returncode:
            faults.append(told.stdout)
        objects = rendered(values)
        for o in objects:
            who = f"{name}: {o['kind']} {o['metadata']['name']}"
            try:
                if o["kind"] in schemas:
                    jsonschema.validate(o, schemas[o["kind"]])
                elif o["kind"] not in UNCHECKED:
                    kubernetes_validate.validate(o, VERSION.rpartition(".")[0], strict=True)
            except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as e:
                faults.append(f"{who}: {e.message}")
        over = base
        for file in values:
            over = merged(over, yaml.safe_load(file.read_text(encoding="utf-8")))
        faults += [f"{name}: {fault}" for fault in (*sound(objects, over), *scaled(objects, over))]
        rules(objects, faults)
        print(f"{name}: {len(objects)} objects", flush=True)
    for flag, wrong, desk in [*(("--set", w, DESK) for w in WRONG), ("--set", "kafka.replication=3", OTHER)]:
        try:
            rendered(sets[:1], flag, wrong, desk=desk)
            faults.append(f"{flag} {wrong} {' '.join(desk)} is taken")
        except ValueError:
            pass
    compose = json.loads((module(list(MODULES)[2]) / list(MODULES.values())[2]).read_text(encoding="utf-8"))
    jsonschema.validate(yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")), compose)
    print("\n".join(faults) or "nothing wrong")
    return bool(faults)


def rules(objects: list[dict[str, Any]], faults: list[str]) -> None:
    """Prometheus takes the rules as they come out of the templates."""
    for o in (o for o in objects if o["kind"] == "PrometheusRule"):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(o["spec"], file)
            file.flush()
            told = subprocess.run(
                ["promtool", "check", "rules", file.name], check=False, capture_output=True, text=True
            )
        if told.returncode:
            faults.append(f"{o['metadata']['name']}: {told.stderr}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
