"""Names, rights, and objects that the official chart makes beside Airflow's own."""

from __future__ import annotations

from airfleet.migrate.migration import Migration, Rule, ask, drop, when
from airfleet.migrate.model import Entry

_OBJECTS = ask("objects of your own: apply them beside the release")


def _executor(m: Migration, entry: Entry) -> None:
    if entry.value == "KubernetesExecutor":
        m.drop(entry, "the KubernetesExecutor is the only executor here")
    else:
        m.ask(
            entry,
            "each task has a pod of its own here; say what the tasks of each queue need in podTemplates",
        )


def _full_name(m: Migration, entry: Entry) -> None:
    if m.said("useStandardNaming"):
        m.put(entry, "fullnameOverride", entry.value)
    else:
        m.drop(entry, "it does nothing without useStandardNaming")


def _rbac(m: Migration, entry: Entry) -> None:
    m.ask(entry, "the chart makes Roles (never ClusterRoles); who makes them in your cluster?")


RULES: dict[str, Rule] = {
    "executor": _executor,
    "fullnameOverride": _full_name,
    "nameOverride": drop("objects are named after the release"),
    "useStandardNaming": drop("objects are named after the release"),
    "_rpcServer": drop("a part of chart 1.15 that never ran"),
    "revisionHistoryLimit": drop("Kubernetes keeps ten ReplicaSets"),
    "airflowHome": ask("the chart mounts what it needs below /opt/airflow; does the image need another home?"),
    "airflowConfigAnnotations": drop("a change of the configuration restarts what reads it"),
    "airflowLocalSettings": ask("put the file into the image; a pod_mutation_hook is usually a pod template here"),
    "rbac.create": _rbac,
    "rbac.createSCCRoleBinding": ask(
        "pods run under OpenShift's restricted-v2 constraint: set no uid (docs/guide/security.md)"
    ),
    "allowPodLaunching": drop("only the scheduler starts pods"),
    "allowJobLaunching": ask(
        "tasks have no rights in the Kubernetes API; give a ServiceAccount of yours the right for Jobs"
    ),
    "multiNamespaceMode": ask(
        "there is no ClusterRole here: name the namespace of each pod template in podTemplates.<name>.namespace"
    ),
    "kerberos": when("kerberos.enabled", ask("Kerberos: mount krb5.conf and the keytab, and set config.kerberos")),
    "priorityClasses": ask("PriorityClasses belong to the cluster; apply them beside the release"),
    "quotas": _OBJECTS,
    "limits": _OBJECTS,
    "extraSecrets": ask("apply these Secrets beside the release: the chart holds no secret values"),
    "extraConfigMaps": _OBJECTS,
    "extraEnvFrom": ask("name each variable in pod.env, with a secretKeyRef or configMapKeyRef"),
}
