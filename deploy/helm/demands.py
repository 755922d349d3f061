"""What a rendered chart has to be that no schema knows: each generator tells what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qflib.desk.deployment import Deployment

ROOT = Path(__file__).parents[2]
#: By which ingress-nginx leads a browser to the pod that it came to first.
STICKY = {f"nginx.ingress.kubernetes.io/{k}": v for k, v in (("affinity", "cookie"), ("affinity-mode", "persistent"))}


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
        if own and name not in ("job", "migrate", "tend"):
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
        if name in ("api", "dashboard") and told["api"]["keysSecret"]:
            keys = f"{mounts['keys']['mountPath']}/keys.json"
            if settings["QFLIB_API__KEYS_FILE"] != keys or "subPath" in mounts["keys"]:
                yield f"{who} does not see keys that change"
        scheme = "HTTPS" if name == "api" and told["api"]["tlsSecret"] else None
        for probe in (c[p] for p in ("readinessProbe", "livenessProbe") if p in c and c[p].get("httpGet")):
            if probe["httpGet"]["port"] == "http" and probe["httpGet"].get("scheme") != scheme:
                yield f"{who} is probed by {probe['httpGet'].get('scheme')}"
    writers, readers = met.get("job", set()), met.get("dashboard", set())
    if any(t["metadata"]["labels"]["app.kubernetes.io/component"] == "job" for _, t in pods(objects)) and not (
        len(writers) == 1 and writers == met.get("api") and readers == {(c, False) for c, _ in writers}
    ):
        yield f"what jobs make is not what the faces show: {met}"
    yield from let_out(objects, told, int(settings["QFLIB_BROKER__BOOTSTRAP"].rpartition(":")[2]), bool(own))


def let_out(objects: list[dict[str, Any]], told: dict[str, Any], asked: int, own: bool) -> Iterator[str]:
    """What is wrong with where pods may go to; `asked` is Kafka's port, `own` whether it is the chart's."""
    rules = [(o["metadata"]["name"], e) for o in objects if o["kind"] == "NetworkPolicy"
             for e in o["spec"].get("egress", ())]  # fmt: skip
    egress = {p["port"]: (name, e) for name, e in rules for p in e.get("ports", ())}
    if asked not in egress or (told["traces"]["endpoint"] and told["traces"]["port"] not in egress):
        yield f"the network lets nothing but {sorted(egress)} through"
    n = told["networkPolicy"]
    bound = {asked: own or n["kafkaPeers"], n["storePort"]: n["storePeers"], told["traces"]["port"]: n["tracesPeers"]}
    for port, (name, rule) in egress.items():
        if bound.get(port) and not rule.get("to"):
            yield f"{name} lets pods go anywhere by {port}"


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


def staged(objects: list[dict[str, Any]], told: dict[str, Any], desk: Deployment) -> Iterator[str]:
    """What is wrong with which of the desk's stages run, and with what runs for a portfolio that it has not."""
    wanted = {"ingest", "archive", *desk.stages}
    run = {o["metadata"]["labels"]["app.kubernetes.io/component"] for o in objects if o["kind"] == "StatefulSet"}
    if run != wanted:
        yield f"of a desk with {sorted(wanted)} run {sorted(run)}"
    names = {o["metadata"]["name"] for o in objects if o["kind"] == "CronJob"}
    for name, job in told["jobs"].items():
        runs = any(n.endswith(f"-{name.replace('_', '-')}") for n in names)
        if runs != (desk.risk or not job.get("risk", False)):
            yield f"job {name} {'runs' if runs else 'does not run'} on a desk with {desk.stages}"


def timed(objects: list[dict[str, Any]], told: dict[str, Any]) -> Iterator[str]:
    """What is wrong with what runs at its times: alerts know it by its name, and none may hang or be kept for good."""
    for o in objects:
        who, name = f"{o['kind']} {o['metadata']['name']}", o["metadata"]["name"]
        known = o["kind"] not in ("CronJob", "Job") or "-qflib-" in name
        if not known or len(name) > (52 if o["kind"] in ("CronJob", "StatefulSet") else 63):
            yield f"{who} is no name that the alerts know, or too long"
        if o["kind"] == "CronJob" and not (
            o["spec"]["concurrencyPolicy"] == "Forbid"
            and o["spec"]["startingDeadlineSeconds"]
            and {"activeDeadlineSeconds", "ttlSecondsAfterFinished"} <= o["spec"]["jobTemplate"]["spec"].keys()
        ):
            yield f"{who} may hang, or stay"
    tends = any(o["kind"] == "CronJob" and o["metadata"]["name"].endswith("-tend") for o in objects)
    told_to = told["desk"]["settings"]
    files = told["history"]["enabled"] or "QFLIB_STORE__URL" in told_to
    if tends != (files and "QFLIB_STORE__RETENTION_DAYS" in told_to):
        yield f"days of files are {'' if tends else 'not '}dropped"


def fronted(objects: list[dict[str, Any]], told: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the way in: a login of the dashboard is known to one of its pods."""
    several = told["dashboard"]["max"] > 1
    for o in objects:
        led = STICKY.items() <= o["metadata"].get("annotations", {}).items()
        if several and not led and o["kind"] == "Ingress" and o["metadata"]["name"].endswith("-dashboard"):
            yield "a browser comes to a pod of the dashboard that does not know its login"


def threaded(objects: list[dict[str, Any]], told: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the chart's own brokers: they have threads for their cores."""
    for o in objects:
        if o["kind"] == "Kafka":
            config, cpu = o["spec"]["kafka"]["config"], str(told["kafka"]["strimzi"]["resources"]["requests"]["cpu"])
            cores = float(cpu.removesuffix("m")) / (1_000 if cpu.endswith("m") else 1)
            if config["num.io.threads"] < cores or config["num.network.threads"] < cores // 2:
                yield f"brokers of {cores:g} cores have threads for less"
