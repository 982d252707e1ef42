"""What the official chart offers to a KubernetesExecutor, and what becomes of it here.

The table in docs/reference/compared-with-official.md is made from this list, and test_features.py renders each row that
a rendering can show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chart_harness.objects import Rendered
from chart_harness.render import CHART

PAGE = CHART.parent / "docs" / "reference" / "compared-with-official.md"
BEGIN, END = "<!-- features: made by `make bench-chart` -->", "<!-- end of features -->"


@dataclass(frozen=True)
class Feature:
    """One row: the official chart's keys, how it is here, and a rendering that shows it (values and what must hold)."""

    name: str
    official: str
    here: str
    values: Mapping[str, Any] = field(default_factory=dict)
    shown: Callable[[Rendered], Any] | None = None


def table() -> str:
    """The table, between its two marks."""
    rows = [f"| {f.name} | {f.official} | {f.here} | {'render' if f.shown else '-'} |" for f in FEATURES]
    head = ["| feature | official keys | here | shown by a |", "|---|---|---|---|"]
    return "\n".join([BEGIN, *head, *rows, END])


def write() -> None:
    """Put the table into the page."""
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + table() + rest.split(END)[1])


def has(*refs: str) -> Callable[[Rendered], bool]:
    """Every one of these objects (`Kind/name`) is there."""
    return lambda r: all(r.get(ref) for ref in refs)


def base(r: Rendered, component: str) -> dict[str, Any]:
    """A component's own container."""
    return next(c for c in r.pod(component).containers if c["name"] == "base")


def cfg(r: Rendered) -> str:
    """The control plane's airflow.cfg."""
    return str(r.get("ConfigMap/airflow-config")["data"]["airflow.cfg"])


GIT = {"dags": {"bundles": {"dags-folder": None, "team": {"git": {"repo": "https://git.example.com/team/dags.git"}}}}}
OUTSIDE = {"apiServer": {"ingress": {"enabled": True, "hosts": ["airflow.example.com"]}}}
MONITORED = {"metrics": {"enabled": True, "serviceMonitor": {"enabled": True}, "alerts": {"enabled": True}}}
FEATURES = (
    Feature("scheduler", "`scheduler`", "`scheduler`, a Deployment", {}, has("Deployment/airflow-scheduler")),
    Feature("API server", "`apiServer`", "`apiServer`", {}, has("Deployment/airflow-api-server")),
    Feature("DAG processor", "`dagProcessor`", "`dagProcessor`", {}, has("Deployment/airflow-dag-processor")),
    Feature(
        "triggerer",
        "`triggerer` (StatefulSet, 100 Gi claim)",
        "`triggerer`, a Deployment without a claim",
        {},
        has("Deployment/airflow-triggerer"),
    ),
    Feature(
        "statsd exporter", "`statsd`", "`metrics`", {"metrics": {"enabled": True}}, has("Deployment/airflow-metrics")
    ),
    Feature(
        "OpenTelemetry collector",
        "`otelCollector`",
        "left out: a collector is the platform's; Airflow sends to it with `config.metrics` and `config.traces`",
        {"config": {"traces": {"otel_on": True}}},
        lambda r: "[traces]\notel_on = True" in cfg(r),
    ),
    Feature(
        "PgBouncer", "`pgbouncer`", "`pgbouncer`", {"pgbouncer": {"enabled": True}}, has("Deployment/airflow-pgbouncer")
    ),
    Feature(
        "executor",
        "`executor`, a free string",
        "the KubernetesExecutor; the option can't be set to another",
        {},
        lambda r: "executor = KubernetesExecutor" in cfg(r),
    ),
    Feature(
        "worker pod settings",
        "`workers.kubernetes` over `workers`",
        "`workers`, and `podTemplates.<name>` over it",
        {"podTemplates": {"gpu": {"nodeSelector": {"gpu": "yes"}}}},
        lambda r: "gpu.yaml" in r.get("ConfigMap/airflow-pod-templates")["data"],
    ),
    Feature(
        "whole pod template",
        "`podTemplate`, one string",
        "left out: templates are laid over each other, any number of them, and every option of a pod is a value",
    ),
    Feature(
        "worker image",
        "`images.pod_template`, `config.kubernetes_executor.worker_container_*`",
        "`image`, the one source",
        {"image": {"repository": "r/af", "tag": "3.3.2"}},
        lambda r: base(r, "worker")["image"] == base(r, "scheduler")["image"] == "r/af:3.3.2",
    ),
    Feature(
        "accounts, runtime class, host aliases, priority, lifecycle, sidecars, init containers, volumes of workers",
        "below `workers.kubernetes`",
        "the same options for every pod, workers included",
        {"workers": {"runtimeClassName": "gvisor", "sidecars": {"proxy": {"image": "envoy:1"}}}},
        lambda r: r.pod("worker").spec["runtimeClassName"] == "gvisor",
    ),
    Feature(
        "Kerberos",
        "`kerberos`, `workers.*.kerberos*`",
        "left out: a sidecar and a volume of yours (`pod.sidecars`, `pod.volumes`)",
        {"pod": {"sidecars": {"kerberos": {"image": "krb:1"}}}},
        lambda r: any(c["name"] == "kerberos" for c in r.pod("worker").init_containers),
    ),
    Feature(
        "rights to start pods",
        "`allowPodLaunching`, for scheduler, worker and triggerer alike",
        "the scheduler's; a task has none unless its pod template names an account with some",
        {},
        lambda r: r.get("Role/airflow-scheduler") and not r.find("Role", "airflow-worker"),
    ),
    Feature(
        "git-sync",
        "`dags.gitSync`",
        "left out: Airflow's own Git bundles need no sidecar and give each run its version: `dags.bundles.<name>.git`",
        GIT,
        lambda r: "GitDagBundle" in cfg(r),
    ),
    Feature(
        "DAGs on a shared volume",
        "`dags.persistence`",
        "`pod.volumes`, `pod.volumeMounts` and a bundle with its `path`",
        {"dags": {"bundles": {"dags-folder": {"path": "/dags"}}}, "pod": {"volumeMounts": {"/dags": {"name": "d"}}}},
        lambda r: '"path": "/dags"' in cfg(r).replace('":"', '": "'),
    ),
    Feature(
        "DAG bundles", "`dagProcessor.dagBundleConfigList`", "`dags.bundles`, by name", GIT, lambda r: "team" in cfg(r)
    ),
    Feature(
        "DAGs in the image",
        "`images.airflow`",
        "the default bundle `dags-folder`",
        {},
        lambda r: "/opt/airflow/dags" in cfg(r),
    ),
    Feature(
        "airflow.cfg",
        "`config`, every value a template",
        "`config`, nothing is a template, null removes",
        {"config": {"core": {"parallelism": 7}, "workers": None}},
        lambda r: "parallelism = 7" in cfg(r) and "[workers]" not in cfg(r),
    ),
    Feature(
        "local settings, API server configuration",
        "`airflowLocalSettings`, `apiServer.apiServerConfig`",
        "`auth.webserverConfig`; other files by `pod.volumes`",
        {"auth": {"webserverConfig": "my-fab"}},
        lambda r: "my-fab" in str(r.pod("api-server").volumes),
    ),
    Feature(
        "URL of the Execution API",
        "computed",
        "computed, from the base URL's path too",
        {"apiServer": {"baseUrl": "https://x.example.com/a"}},
        lambda r: "/a/execution/" in cfg(r),
    ),
    Feature(
        "environment",
        "`env`, `secret`, `extraEnv`, `extraEnvFrom`",
        "`pod.env`: name -> value or source, and `pod.envFrom`",
        {"pod": {"env": {"A": "1", "B": {"secretKeyRef": {"name": "s", "key": "k"}}}}},
        lambda r: {"A", "B"} <= {e["name"] for e in base(r, "worker")["env"]},
    ),
    Feature(
        "built-in environment switches",
        "`enableBuiltInSecretEnvVars`, for all components at once",
        "not needed: secrets are files, and each component mounts only those that it reads",
        {},
        lambda r: "secret" not in str(base(r, "worker")["env"]).lower(),
    ),
    Feature(
        "Fernet, API and JWT keys",
        "`fernetKey*`, `apiSecretKey*`, `jwtSecret*`",
        "made once by the bootstrap Job, or `keys.secretName`",
        {"keys": {"secretName": "mine"}},
        lambda r: "mine" in str(r.pod("api-server").volumes),
    ),
    Feature(
        "Secrets and ConfigMaps of one's own",
        "`extraSecrets`, `extraConfigMaps`, hooks",
        "`extraObjects`, ordinary objects",
        {"extraObjects": {"mine": {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}}}},
        lambda r: any("mine" in o["metadata"]["name"] for o in r.of("ConfigMap")),
    ),
    Feature(
        "registry credentials",
        "`imagePullSecrets`",
        "`image.pullSecrets`",
        {"image": {"pullSecrets": ["reg"]}},
        lambda r: all(p.spec["imagePullSecrets"] == [{"name": "reg"}] for p in r.pods),
    ),
    Feature(
        "metadata database",
        "`data.metadataSecretName`, `data.metadataConnection`",
        "`database`: a Secret with a URL or with parts, TLS, short-lived passwords",
        {"database": {"secretName": "db"}},
        lambda r: "db" in str(r.pod("scheduler").volumes),
    ),
    Feature(
        "logs on a volume",
        "`logs.persistence`",
        "`logs.persistence`",
        {"logs": {"persistence": {"enabled": True}}},
        has("PersistentVolumeClaim/airflow-logs"),
    ),
    Feature(
        "remote logs",
        "`elasticsearch`, `opensearch`; others by `config.logging`",
        "`logs.remote`",
        {"logs": {"remote": {"type": "s3", "folder": "s3://logs/airflow"}}},
        lambda r: "remote_base_log_folder = s3://logs/airflow" in cfg(r),
    ),
    Feature(
        "log groomers",
        "`*.logGroomerSidecar`",
        "left out: logs in a pod have a size limit, remote ones the storage's own expiry",
        {},
        lambda r: not any("groomer" in c["name"] for p in r.pods for c in p.containers),
    ),
    Feature(
        "migration Job, first user",
        "`migrateDatabaseJob`, `createUserJob`, hooks",
        "one bootstrap Job without hooks; the password is random and in a Secret",
        {},
        lambda r: [j for j in r.of("Job") if "helm.sh/hook" not in str(j)],
    ),
    Feature(
        "waiting for migrations",
        "`*.waitForMigrations`",
        "an init container that costs one query",
        {},
        lambda r: r.pod("scheduler").init_containers[0]["name"] == "wait-for-migrations",
    ),
    Feature(
        "Ingress",
        "`ingress.apiServer`",
        "`apiServer.ingress`, `apiServer.httpRoute`",
        OUTSIDE,
        has("Ingress/airflow-api-server"),
    ),
    Feature(
        "autoscaling",
        "HPA for the API server; KEDA for the triggerer",
        "`autoscaling` of API server, Execution API and triggerer",
        {"triggerer": {"autoscaling": {"enabled": True}}},
        has("HorizontalPodAutoscaler/airflow-triggerer"),
    ),
    Feature(
        "disruption budgets",
        "`*.podDisruptionBudget`, off",
        "`podDisruptionBudget`, on where there is more than one pod",
        {"scheduler": {"replicas": 2}},
        has("PodDisruptionBudget/airflow-scheduler"),
    ),
    Feature(
        "accounts",
        "17 `serviceAccount` blocks",
        "one account for each component, `serviceAccount.name` and `.annotations`",
        {"workers": {"serviceAccount": {"annotations": {"role": "r"}}}},
        lambda r: r.get("ServiceAccount/airflow-worker")["metadata"]["annotations"] == {"role": "r"},
    ),
    Feature(
        "several namespaces",
        "`multiNamespaceMode`, a ClusterRole",
        "`podTemplates.<name>.namespace`: a Role in each",
        {"podTemplates": {"other": {"namespace": "tasks"}}},
        lambda r: any(o["metadata"]["namespace"] == "tasks" for o in r.of("Role")) and not r.of("ClusterRole"),
    ),
    Feature(
        "NetworkPolicies",
        "`networkPolicies`, which stop every task",
        "`networkPolicies`, on",
        {},
        has("NetworkPolicy/airflow-worker"),
    ),
    Feature(
        "security contexts",
        "`securityContexts`, replaced as a whole",
        "`podSecurityContext`, `securityContext`, merged; `restricted` by default",
        {"pod": {"podSecurityContext": {"supplementalGroups": [5]}}},
        lambda r: r.pod("worker").spec["securityContext"]["runAsNonRoot"] is True,
    ),
    Feature(
        "OpenShift",
        "`rbac.createSCCRoleBinding` (anyuid)",
        "`openshift`: no fixed user, restricted-v2",
        {"openshift": True},
        lambda r: not any("runAsUser" in p.spec["securityContext"] for p in r.pods),
    ),
    Feature(
        "cleanup",
        "`cleanup`, `databaseCleanup`",
        "`maintenance.podCleanup`, `maintenance.dbCleanup`",
        {"maintenance": {"podCleanup": {"enabled": True}, "dbCleanup": {"enabled": True}}},
        has("CronJob/airflow-pod-cleanup", "CronJob/airflow-db-cleanup"),
    ),
    Feature(
        "probes",
        "`airflow jobs check`",
        "HTTP, or one query without Airflow",
        {},
        lambda r: all("airfleet_heartbeat" in str(base(r, c)["livenessProbe"]) for c in ("triggerer", "dag-processor")),
    ),
    Feature(
        "scheduling of pods",
        "global and per component, one or the other",
        "`pod` and each block, merged",
        {"pod": {"nodeSelector": {"a": "b"}}, "scheduler": {"nodeSelector": {"c": "d"}}},
        lambda r: r.pod("scheduler").spec["nodeSelector"] == {"a": "b", "c": "d"},
    ),
    Feature(
        "priority classes, quotas, limit ranges",
        "`priorityClasses`, `quotas`, `limits`",
        "left out: the platform's objects; `extraObjects` takes those of the namespace, `priorityClassName` names one",
        {"pod": {"priorityClassName": "high"}},
        lambda r: all(p.spec["priorityClassName"] == "high" for p in r.pods),
    ),
    Feature("schema", "828 KB, open at the root", "closed at every level of our own objects"),
    Feature("parameter reference", "from the schema", "[values.md](values.md), from `values.yaml`"),
    Feature(
        "monitoring objects (not in the official chart)",
        "-",
        "`metrics.serviceMonitor`, `metrics.alerts`, `metrics.dashboards`",
        MONITORED,
        has("ServiceMonitor/airflow-metrics", "PrometheusRule/airflow-alerts"),
    ),
)
