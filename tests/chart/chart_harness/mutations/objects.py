"""Names, labels and references that are wrong."""

from __future__ import annotations

from chart_harness.mutations.edit import (
    ROLE,
    Mutation,
    drop,
    label,
    made,
    policy,
    scheduler,
    secret_volume,
    worker,
)

SCALE = {"scaleTargetRef": {"kind": "Deployment", "name": "airflow-scheduler"}}

MUTATIONS = [
    Mutation(
        "names_fit", "64 characters", lambda r: r.get("Service/airflow-postgres")["metadata"].update(name="a" * 64)
    ),
    Mutation("names_fit", "a capital", lambda r: r.get("Service/airflow-postgres")["metadata"].update(name="Airflow")),
    Mutation("names_start_with_the_release", "other", lambda r: r.get(ROLE)["metadata"].update(name="scheduler")),
    Mutation("objects_are_there_once", "twice", lambda r: r.objects.append(r.get("ConfigMap/airflow-config"))),
    Mutation(
        "everything_is_in_the_namespace", "default", lambda r: r.get(ROLE)["metadata"].update(namespace="default")
    ),
    Mutation("everything_is_in_the_namespace", "none", lambda r: r.get(ROLE)["metadata"].pop("namespace")),
    Mutation("nothing_is_cluster_scoped", "ClusterRole", lambda r: r.get(ROLE).update(kind="ClusterRole")),
    Mutation("labels_are_complete", "missing", lambda r: r.get(ROLE)["metadata"]["labels"].pop("helm.sh/chart")),
    Mutation("labels_are_complete", "other release", lambda r: label(r.get(ROLE), "app.kubernetes.io/instance", "x")),
    Mutation("label_values_are_valid", "too long", lambda r: label(r.get(ROLE), "team", "x" * 64)),
    Mutation("label_values_are_valid", "a number", lambda r: label(r.get(ROLE), "team", 1)),
    Mutation(
        "no_hooks", "a hook", lambda r: r.of("Job")[0]["metadata"].update(annotations={"helm.sh/hook": "pre-install"})
    ),
    Mutation(
        "only_data_outlives_the_release",
        "a Role that is kept",
        lambda r: r.get(ROLE)["metadata"].update(annotations={"helm.sh/resource-policy": "keep"}),
    ),
    Mutation(
        "only_data_outlives_the_release",
        "a claim that is not",
        lambda r: r.get("PersistentVolumeClaim/airflow-logs")["metadata"].pop("annotations"),
    ),
    Mutation("config_maps_exist", "gone", lambda r: drop(r, "ConfigMap/airflow-boot")),
    Mutation("config_maps_exist", "a key gone", lambda r: r.get("ConfigMap/airflow-boot")["data"].clear()),
    Mutation("config_maps_exist", "a worker's gone", lambda r: drop(r, "ConfigMap/airflow-worker-config")),
    Mutation(
        "secrets_exist",
        "no Job",
        lambda r: r.objects.remove(r.of("Job")[0]),
    ),
    Mutation("secrets_exist", "unknown", lambda r: scheduler(r)["volumes"].append(secret_volume("x", secretName="y"))),
    Mutation("secrets_exist", "pull secret", lambda r: scheduler(r).update(imagePullSecrets=[{"name": "nobody"}])),
    Mutation("service_accounts_exist", "gone", lambda r: drop(r, "ServiceAccount/airflow-triggerer")),
    Mutation("service_accounts_exist", "the default one", lambda r: scheduler(r).pop("serviceAccountName")),
    Mutation("service_accounts_exist", "a worker's", worker(lambda pod: pod["spec"].update(serviceAccountName="x"))),
    Mutation("claims_exist", "gone", lambda r: drop(r, "PersistentVolumeClaim/airflow-logs")),
    Mutation("volumes_and_mounts_match", "no volume", lambda r: scheduler(r)["volumes"].pop()),
    Mutation(
        "volumes_and_mounts_match",
        "not mounted",
        lambda r: scheduler(r)["volumes"].append({"name": "x", "emptyDir": {}}),
    ),
    Mutation("role_bindings_resolve", "no Role", lambda r: drop(r, ROLE)),
    Mutation("role_bindings_resolve", "nobody bound", lambda r: drop(r, "RoleBinding/airflow-scheduler")),
    Mutation(
        "role_bindings_resolve",
        "another namespace",
        lambda r: r.get("RoleBinding/airflow-scheduler")["subjects"][0].update(namespace="default"),
    ),
    Mutation(
        "workloads_select_their_own_pods",
        "too wide",
        lambda r: r.get("Deployment/airflow-scheduler")["spec"]["selector"].update(
            matchLabels={"app.kubernetes.io/name": "airfleet"}
        ),
    ),
    Mutation(
        "workloads_select_their_own_pods",
        "not its own",
        lambda r: r.get("Deployment/airflow-scheduler")["spec"]["selector"]["matchLabels"].update(x="y"),
    ),
    Mutation(
        "services_reach_a_port", "no pod", lambda r: r.get("Service/airflow-postgres")["spec"]["selector"].update(x="y")
    ),
    Mutation(
        "services_reach_a_port",
        "no port",
        lambda r: r.get("Service/airflow-postgres")["spec"]["ports"][0].update(targetPort="http"),
    ),
    Mutation(
        "selectors_select_something",
        "policy",
        lambda r: policy(r, "worker")["podSelector"]["matchLabels"].update(x="y"),
    ),
    Mutation(
        "selectors_select_something",
        "a policy's peer",
        lambda r: policy(r, "triggerer")["ingress"][0]["from"][0]["podSelector"]["matchLabels"].update(x="y"),
    ),
    Mutation(
        "selectors_select_something",
        "a budget",
        made("PodDisruptionBudget", "airflow-x", spec={"selector": {"matchLabels": {"app": "x"}}}),
    ),
    Mutation("targets_exist", "replicas are set", made("HorizontalPodAutoscaler", "airflow-x", spec=SCALE)),
    Mutation(
        "targets_exist",
        "no workload",
        made("HorizontalPodAutoscaler", "airflow-x", spec={"scaleTargetRef": {"kind": "Deployment", "name": "x"}}),
    ),
    Mutation(
        "targets_exist", "no Service", lambda r: r.get("StatefulSet/airflow-postgres")["spec"].update(serviceName="x")
    ),
    Mutation(
        "targets_exist",
        "no backend",
        made("HTTPRoute", "airflow-x", spec={"rules": [{"backendRefs": [{"name": "airflow-api-server", "port": 80}]}]}),
    ),
]
