"""Options of pods: for all of them, for a component, for the workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from airfleet.migrate.migration import Migration, Rule, TemplatedError, ask, drop, move, when
from airfleet.migrate.model import Entry, Path
from airfleet.migrate.official import moved_options

# The official chart's component -> ours.
COMPONENTS = {
    "scheduler": "scheduler",
    "webserver": "apiServer",  # Airflow 2's; apiServer's own keys come later and win
    "apiServer": "apiServer",
    "dagProcessor": "dagProcessor",
    "triggerer": "triggerer",
    "migrateDatabaseJob": "bootstrap",
    "statsd": "metrics",
    "pgbouncer": "pgbouncer",
    "cleanup": "maintenance",
    "databaseCleanup": "maintenance",
    "workers": "workers",
    "workers.kubernetes": "workers",
}
OPTIONAL = ("statsd", "pgbouncer", "cleanup", "databaseCleanup")
_OWN_SECRETS = {
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "database.secretName",
    "AIRFLOW__CORE__SQL_ALCHEMY_CONN": "database.secretName",
    "AIRFLOW__CORE__FERNET_KEY": "keys.secretName",
    "AIRFLOW__API__SECRET_KEY": "keys.secretName",
    "AIRFLOW__WEBSERVER__SECRET_KEY": "keys.secretName",
    "AIRFLOW__API_AUTH__JWT_SECRET": "keys.secretName",
}
_OFFICIAL_VOLUMES = ("dags", "config", "git-sync-ssh-key", "webserver-config", "api-server-config")
_OFFICIAL_FILES = ("airflow.cfg", "airflow_local_settings.py", "webserver_config.py")


def item(entry: Entry, name: object) -> Entry:
    """One item of a list, as a key of its own in the report."""
    return replace(entry, path=(*entry.path[:-1], f"{entry.path[-1]}[{name}]"))


def _items(m: Migration, entry: Entry, name: str) -> Iterator[tuple[Entry, dict[str, Any]]]:
    """The items of a list of mappings that all have the key `name`; asks if it is something else."""
    if not isinstance(entry.value, list) or not all(isinstance(x, dict) and name in x for x in entry.value):
        m.ask(entry, f"is not a list of mappings with a {name}, so it could not be read")
        return
    if not entry.value:
        m.drop(entry, "it is empty")
    for found in entry.value:
        yield item(entry, found[name]), dict(found)


def env(component: str) -> Rule:
    """A list of environment variables -> our map."""

    def apply(m: Migration, entry: Entry) -> None:
        for one, variable in _items(m, entry, "name"):
            _variable(m, one, component, str(variable["name"]), variable.get("valueFrom", variable.get("value", "")))

    return apply


def secret_env(m: Migration, entry: Entry) -> None:
    """`secret`: environment variables out of Secrets."""
    for one, variable in _items(m, entry, "envName"):
        reference = {"name": variable.get("secretName"), "key": variable.get("secretKey")}
        _variable(m, one, "pod", str(variable["envName"]), {"secretKeyRef": reference})


def _variable(m: Migration, entry: Entry, component: str, name: str, value: Any) -> None:
    plain = name.removesuffix("_CMD").removesuffix("_SECRET")
    if instead := _OWN_SECRETS.get(name) or _OWN_SECRETS.get(plain):
        m.ask(
            entry, f"{name} would be in every process's environment; the chart reads it from the Secret {instead} names"
        )
    elif name == "AIRFLOW__CORE__EXECUTOR":
        m.drop(entry, "the KubernetesExecutor is the only executor here")
    elif (option := _option(name)) in moved_options():
        new = moved_options()[option]
        if new is None:
            m.drop(entry, "Airflow 3 has no such option")
            return
        section, _, key = new.partition(".")
        m.put(
            entry,
            (component, "env", f"AIRFLOW__{section}__{key}".upper()),
            value,
            f"Airflow 3 calls it [{section}] {key}",
        )
    else:
        m.put(entry, (component, "env", name), value)


def _option(variable: str) -> str:
    section, _, key = variable.removeprefix("AIRFLOW__").lower().partition("__")
    return f"{section}.{key}" if variable.startswith("AIRFLOW__") else ""


def extra_env(m: Migration, entry: Entry) -> None:
    """`extraEnv` is the text of a list; what is left of a template in it is for a human."""
    import yaml

    try:
        text = m.filled(str(entry.value or ""))
        env("pod")(m, replace(entry, value=yaml.safe_load(text) or []))
    except TemplatedError:
        m.ask(entry, "it is a Helm template; write the variables that it comes to into pod.env")
    except yaml.YAMLError:
        m.ask(entry, "it is not YAML; write the variables into pod.env")


def volumes(*components: str) -> Rule:
    """A list of volumes -> our map by name."""

    def apply(m: Migration, entry: Entry) -> None:
        for one, volume in _items(m, entry, "name"):
            name = str(volume.pop("name"))
            if name in ("logs", "tmp", "boot", "secrets", *_OFFICIAL_VOLUMES):
                m.ask(one, f"the chart has a volume {name} of its own; choose another name, here and in the mounts")
            else:
                m.put_all(one, {(component, "volumes", name): volume for component in components})

    return apply


def mounts(*components: str) -> Rule:
    """A list of volume mounts -> our map by path."""

    def apply(m: Migration, entry: Entry) -> None:
        for one, mount in _items(m, entry, "mountPath"):
            path = str(mount.pop("mountPath"))
            if mount.get("name") in _OFFICIAL_VOLUMES:
                m.ask(one, f"it mounts the official chart's volume {mount['name']}, which does not exist here")
            elif path.endswith(_OFFICIAL_FILES) or path in ("/tmp", "/opt/airflow/logs"):  # noqa: S108
                m.ask(one, f"the chart puts its own {path.rpartition('/')[2]} there; find another way")
            else:
                m.put_all(one, {(component, "volumeMounts", path): mount for component in components})

    return apply


def containers(component: str, target: str) -> Rule:
    """A list of containers -> our map by name."""

    def apply(m: Migration, entry: Entry) -> None:
        names = [str(found["name"]) for found in entry.value or () if isinstance(found, dict) and "name" in found]
        ordered = target != "initContainers" or names == sorted(names)
        for one, container in _items(m, entry, "name"):
            name = str(container.pop("name"))
            borrowed = sorted({str(x.get("name")) for x in container.get("volumeMounts") or ()} & {*_OFFICIAL_VOLUMES})
            if borrowed:
                m.ask(one, f"it mounts the official chart's volume {', '.join(borrowed)}, which does not exist here")
            elif not ordered:
                m.ask(
                    one, "init containers run in the order of their names here; rename them to the order that they need"
                )
            else:
                m.put(
                    one,
                    (component, target, name),
                    container,
                    "the security context of `pod` applies unless it has its own",
                )

    return apply


def resources(component: str) -> Rule:
    """Requests and limits exactly as asked for: none of our defaults is left beside them."""

    def apply(m: Migration, entry: Entry) -> None:
        if not isinstance(entry.value, dict):
            m.drop(entry, "it is empty")
            return
        ours = m.chart.default((component, "resources")) or {}
        asked = {kind: dict(entry.value.get(kind) or {}) for kind in ("requests", "limits")}
        wanted = {kind: dict(amounts) for kind, amounts in asked.items()}
        for resource in {*asked["requests"], *asked["limits"]}:
            if resource not in asked["limits"] and resource in (ours.get("limits") or {}):
                wanted["limits"][resource] = None
            if resource not in asked["requests"] and resource in (ours.get("requests") or {}):
                wanted["requests"][resource] = asked["limits"][resource]  # as Kubernetes fills it in
        m.put(
            entry, (component, "resources"), {kind: amounts for kind, amounts in wanted.items() if amounts}, whole=True
        )

    return apply


def replaced_map(component: str, target: str, inherited: str = "") -> Rule:
    """A map that replaces the one for all pods in the official chart, where ours is laid over it: null what must go."""

    def apply(m: Migration, entry: Entry) -> None:
        value = dict(entry.value or {})
        for key in m.said(inherited) or {} if inherited else ():
            value.setdefault(key, None)
        m.put(entry, (component, target), value, whole=True)

    return apply


def security_context(component: str, target: str) -> Rule:
    """A security context, laid over our restricted one."""
    why = "laid over the chart's restricted context"
    return lambda m, entry: m.put(entry, (component, target), dict(entry.value or {}), why)


def safe_to_evict(component: str) -> Rule:
    """The annotation that the cluster autoscaler reads."""

    def apply(m: Migration, entry: Entry) -> None:
        key = "cluster-autoscaler.kubernetes.io/safe-to-evict"
        m.put(entry, (component, "annotations", key), str(bool(entry.value)).lower())

    return apply


def account(component: str, what: str) -> Rule:
    """`serviceAccount.*` of a component."""

    def apply(m: Migration, entry: Entry) -> None:
        if what == "create":
            m.drop(entry, "an account that serviceAccount.name names is not made by the chart")
        elif what == "automountServiceAccountToken" and component == "workers":
            m.put(entry, "workers.automountServiceAccountToken", bool(entry.value))
        elif what == "automountServiceAccountToken":
            m.drop(entry, "a container has a token only if it talks to the Kubernetes API")
        else:
            m.put(entry, (component, "serviceAccount", what), entry.value)

    return apply


def replicas(component: str) -> Rule:
    """The number of pods, unless an autoscaler sets it."""

    def apply(m: Migration, entry: Entry) -> None:
        if m.said(f"{entry.path[0]}.hpa.enabled"):
            m.drop(entry, "the autoscaler sets it")
        else:
            m.put(entry, (component, "replicas"), entry.value)

    return apply


def budget(component: str, what: str) -> Rule:
    """`podDisruptionBudget.config.*`: the two ways exclude each other."""

    def apply(m: Migration, entry: Entry) -> None:
        if not m.said(f"{entry.path[0]}.podDisruptionBudget.enabled"):
            m.drop(entry, "its podDisruptionBudget.enabled is off")
            return
        other = "minAvailable" if what == "maxUnavailable" else "maxUnavailable"
        root: Path = (component, "podDisruptionBudget")
        m.put_all(entry, {(*root, what): entry.value, (*root, other): None})

    return apply


def _options(component: str) -> dict[str, Rule]:
    """The rules that every component has, by the key below it."""
    simple = {
        "tolerations": "tolerations",
        "topologySpreadConstraints": "topologySpreadConstraints",
        "priorityClassName": "priorityClassName",
        "runtimeClassName": "runtimeClassName",
        "schedulerName": "schedulerName",
        "hostAliases": "hostAliases",
        "terminationGracePeriodSeconds": "terminationGracePeriodSeconds",
        "containerLifecycleHooks": "lifecycle",
        "podAnnotations": "annotations",
        "labels": "labels",
        "strategy": "strategy",
    }
    rules: dict[str, Rule] = {key: move(f"{component}.{target}") for key, target in simple.items()}
    own: dict[str, Callable[[], Rule]] = {
        "replicas": lambda: replicas(component),
        "nodeSelector": lambda: replaced_map(component, "nodeSelector", "nodeSelector"),
        "affinity": lambda: replaced_map(component, "affinity", "affinity"),
        "resources": lambda: resources(component),
        "env": lambda: env(component),
        "extraVolumes": lambda: volumes(component),
        "extraVolumeMounts": lambda: mounts(component),
        "extraContainers": lambda: containers(component, "sidecars"),
        "extraInitContainers": lambda: containers(component, "initContainers"),
        "securityContext": lambda: security_context(component, "podSecurityContext"),
        "securityContexts.pod": lambda: security_context(component, "podSecurityContext"),
        "securityContexts.container": lambda: security_context(component, "securityContext"),
        "safeToEvict": lambda: safe_to_evict(component),
        "podDisruptionBudget.enabled": lambda: drop("a PodDisruptionBudget comes with the second replica"),
        "podDisruptionBudget.config.maxUnavailable": lambda: budget(component, "maxUnavailable"),
        "podDisruptionBudget.config.minAvailable": lambda: budget(component, "minAvailable"),
        "command": lambda: ask("the chart starts Airflow itself; what should the command add?"),
        "args": lambda: ask("the chart starts Airflow itself; what should the arguments add?"),
        "annotations": lambda: ask("these are annotations of the Deployment, not of its pods; who reads them?"),
        "livenessProbe": lambda: drop("the chart's probes import nothing, so there is nothing to tune"),
        "readinessProbe": lambda: drop("the chart's probes import nothing, so there is nothing to tune"),
        "startupProbe": lambda: drop("the chart's startup probes wait long enough for a slow start"),
        "logGroomerSidecar": lambda: drop("there is no such container: the volume of a pod's logs has a size limit"),
        "waitForMigrations": lambda: drop("waiting for the database is the chart's own, and cheap"),
        "revisionHistoryLimit": lambda: drop("Kubernetes keeps ten ReplicaSets"),
        "updateStrategy": lambda: drop("there is no StatefulSet of Airflow's"),
        "persistence": lambda: drop(
            "no component has a volume of its own: logs go to logs.persistence or a remote storage"
        ),
        "serviceAccount.serviceAccountTokenVolume": lambda: drop("tokens are projected and bound already"),
    }
    rules |= {key: make() for key, make in own.items()}
    for what in ("name", "annotations", "create", "automountServiceAccountToken"):
        rules[f"serviceAccount.{what}"] = account(component, what)
    return rules


_CELERY = drop("it is about Celery's workers; each task has a pod of its own here")
_NOT_FOR_WORKERS = (
    "replicas", "keda", "hpa", "persistence", "livenessProbe", "updateStrategy", "strategy", "podManagementPolicy",
    "queue", "sets", "volumeClaimTemplates", "podDisruptionBudget.enabled", "podDisruptionBudget.config.maxUnavailable",
    "podDisruptionBudget.config.minAvailable", "args", "celery", "extraPorts", "revisionHistoryLimit", "annotations",
    "waitForMigrations", "logGroomerSidecar", "enableDefault",
)  # fmt: skip


def _all() -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for theirs, ours in COMPONENTS.items():
        own = {f"{theirs}.{key}": rule for key, rule in _options(ours).items()}
        if theirs in OPTIONAL:
            own = {key: when(f"{theirs}.enabled", rule) for key, rule in own.items()}
        rules |= own
    for key in _NOT_FOR_WORKERS:
        rules[f"workers.{key}"] = _CELERY
    for key in ("kerberosSidecar", "kerberosInitContainer"):
        for workers in ("workers", "workers.kubernetes"):
            rules[f"{workers}.{key}"] = ask(
                "Kerberos: add the container that renews tickets to workers.initContainers or sidecars"
            )
    for key in (
        "annotations",
        "restartPolicy",
        "ttlSecondsAfterFinished",
        "jobAnnotations",
        "useHelmHooks",
        "applyCustomEnv",
    ):
        rules[f"migrateDatabaseJob.{key}"] = drop(
            "the bootstrap Job is no hook, and is the same for every way to apply the chart"
        )
    rules["migrateDatabaseJob.enabled"] = ask("the bootstrap Job always migrates; who migrated so far?")
    for component in ("scheduler", "apiServer", "dagProcessor", "triggerer", "webserver"):
        rules[f"{component}.enabled"] = drop("Airflow 3 needs every component")
    rules |= {
        "securityContext": security_context("pod", "podSecurityContext"),
        "securityContexts.pod": security_context("pod", "podSecurityContext"),
        "securityContexts.container": security_context("pod", "securityContext"),
        "securityContexts.containers": security_context("pod", "securityContext"),
        "uid": move("pod.podSecurityContext.runAsUser"),
        "gid": move("pod.podSecurityContext.fsGroup"),
        "containerLifecycleHooks": move("pod.lifecycle"),
        "nodeSelector": move("pod.nodeSelector"),
        "affinity": move("pod.affinity"),
        "tolerations": move("pod.tolerations"),
        "topologySpreadConstraints": move("pod.topologySpreadConstraints"),
        "schedulerName": move("pod.schedulerName"),
        "labels": move("pod.labels", "on pods; other objects have the chart's own labels"),
        "airflowPodAnnotations": move("pod.annotations"),
        "env": env("pod"),
        "secret": secret_env,
        "extraEnv": extra_env,
        "volumes": volumes("pod"),
        "volumeMounts": mounts("pod"),
        "podTemplate": ask("a whole pod template: say what is special in it under `workers` or podTemplates.default"),
    }
    return rules


RULES = _all()
