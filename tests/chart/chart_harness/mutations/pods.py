"""Pods and images that are wrong."""

from __future__ import annotations

import json
from typing import Any

from chart_harness.mutations.edit import Mutation, base, env, scheduler, spec, worker


def _unlook(container: dict[str, Any]) -> None:
    """Start a boot file's program at once."""
    container["command"] = container["command"][4:]


MUTATIONS = [
    Mutation(
        "names_in_a_pod_are_unique", "container", lambda r: scheduler(r)["initContainers"].append({"name": "base"})
    ),
    Mutation("names_in_a_pod_are_unique", "env", lambda r: base(r)["env"].append({"name": "HOME", "value": "/"})),
    Mutation(
        "names_in_a_pod_are_unique",
        "mount",
        lambda r: base(r)["volumeMounts"].append({"name": "x", "mountPath": "/tmp/"}),
    ),
    Mutation(
        "names_in_a_pod_are_unique", "volume", lambda r: scheduler(r)["volumes"].append(scheduler(r)["volumes"][0])
    ),
    Mutation(
        "names_in_a_pod_are_unique", "port", lambda r: base(r)["ports"].append({"name": "x", "containerPort": 8974})
    ),
    Mutation("pods_are_restricted", "hostNetwork", lambda r: scheduler(r).update(hostNetwork=True)),
    Mutation("pods_are_restricted", "root", lambda r: scheduler(r)["securityContext"].update(runAsUser=0)),
    Mutation("pods_are_restricted", "no seccomp", lambda r: scheduler(r)["securityContext"].pop("seccompProfile")),
    Mutation("pods_are_restricted", "may be root", lambda r: scheduler(r)["securityContext"].pop("runAsNonRoot")),
    Mutation("pods_are_restricted", "escalation", lambda r: base(r)["securityContext"].pop("allowPrivilegeEscalation")),
    Mutation("pods_are_restricted", "privileged", lambda r: base(r)["securityContext"].update(privileged=True)),
    Mutation("pods_are_restricted", "capabilities", lambda r: base(r)["securityContext"].pop("capabilities")),
    Mutation(
        "pods_are_restricted",
        "hostPath",
        lambda r: scheduler(r)["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
    ),
    Mutation("pods_are_restricted", "hostPort", lambda r: base(r)["ports"][0].update(hostPort=80)),
    Mutation(
        "pods_are_restricted", "an init container", lambda r: scheduler(r)["initContainers"][0].pop("securityContext")
    ),
    Mutation(
        "pods_are_restricted", "a worker", worker(lambda pod: pod["spec"]["containers"][0].pop("securityContext"))
    ),
    Mutation(
        "openshift_says_who_pods_run_as", "a uid", lambda r: scheduler(r)["securityContext"].update(runAsUser=50000)
    ),
    Mutation(
        "openshift_says_who_pods_run_as",
        "a worker's container",
        worker(lambda pod: pod["spec"]["containers"][0]["securityContext"].update(runAsUser=50000)),
    ),
    Mutation(
        "root_file_systems_are_read_only",
        "writable",
        lambda r: base(r)["securityContext"].update(readOnlyRootFilesystem=False),
    ),
    Mutation("root_file_systems_are_read_only", "no /tmp", lambda r: base(r)["volumeMounts"].clear()),
    Mutation(
        "empty_dirs_have_a_limit",
        "none",
        worker(lambda pod: pod["spec"]["volumes"].append({"name": "x", "emptyDir": {}})),
    ),
    Mutation("containers_have_resources", "none", lambda r: base(r).pop("resources")),
    Mutation("containers_have_resources", "no memory limit", lambda r: base(r)["resources"].pop("limits")),
    Mutation("containers_have_resources", "limit below", lambda r: base(r)["resources"]["limits"].update(memory="1Mi")),
    Mutation(
        "tokens_are_mounted_only_where_used", "not said", lambda r: scheduler(r).pop("automountServiceAccountToken")
    ),
    Mutation(
        "tokens_are_mounted_only_where_used",
        "a worker's",
        worker(lambda pod: pod["spec"].update(automountServiceAccountToken=True)),
    ),
    Mutation(
        "tokens_are_mounted_only_where_used",
        "one for an init container",
        lambda r: scheduler(r)["initContainers"][0]["volumeMounts"].append(
            {"name": "service-account", "mountPath": "/token"}
        ),
    ),
    Mutation(
        "tokens_are_mounted_only_where_used",
        "none",
        lambda r: scheduler(r)["volumes"].remove(
            next(v for v in scheduler(r)["volumes"] if v["name"] == "service-account")
        ),
    ),
    Mutation(
        "tokens_are_mounted_only_where_used",
        "an account's",
        lambda r: r.get("ServiceAccount/airflow-worker").update(automountServiceAccountToken=True),
    ),
    Mutation("probes_ask_what_is_there", "port", lambda r: base(r)["livenessProbe"]["httpGet"].update(port="http")),
    Mutation("probes_ask_what_is_there", "path", lambda r: base(r)["livenessProbe"]["httpGet"].update(path="/healthz")),
    Mutation("long_running_containers_are_probed", "liveness", lambda r: base(r).pop("livenessProbe")),
    Mutation(
        "long_running_containers_are_probed",
        "readiness",
        lambda r: spec(r, "Deployment/airflow-api-server")["containers"][0].pop("readinessProbe"),
    ),
    Mutation("boot_files_exist", "gone", lambda r: r.get("ConfigMap/airflow-boot")["data"].pop("airfleet_launch.py")),
    Mutation(
        "boot_files_exist", "another name", lambda r: base(r).update(command=["python", "/opt/airfleet/boot/x.py"])
    ),
    Mutation("boot_files_of_an_image_are_checked", "no look", lambda r: _unlook(scheduler(r)["initContainers"][0])),
    Mutation(
        "boot_files_of_an_image_are_checked",
        "another digest",
        worker(lambda pod: pod["spec"]["containers"][0]["command"].__setitem__(3, "0" * 16)),
    ),
    Mutation(
        "boot_files_of_an_image_are_checked",
        "a ConfigMap",
        lambda r: r.get("ConfigMap/airflow-config")["metadata"].update(name="airflow-boot"),
    ),
    Mutation("service_links_are_off", "default", lambda r: scheduler(r).pop("enableServiceLinks")),
    Mutation(
        "airflow_has_one_image",
        "a worker's",
        worker(lambda pod: pod["spec"]["containers"][0].update(image="apache/airflow:3.3.1")),
    ),
    Mutation(
        "airflow_has_one_image", "an init container's", lambda r: scheduler(r)["initContainers"][0].update(image="x:1")
    ),
    Mutation("images_are_pinned", "latest", lambda r: base(r).update(image="apache/airflow:latest")),
    Mutation("images_are_pinned", "no tag", lambda r: base(r).update(image="apache/airflow")),
    Mutation(
        "a_digest_wins", "a tag", worker(lambda pod: pod["spec"]["containers"][0].update(image="apache/airflow:3.3.2"))
    ),
    Mutation(
        "workers_are_what_the_executor_needs",
        "name",
        worker(lambda pod: pod["spec"]["containers"][0].update(name="x")),
    ),
    Mutation("workers_are_what_the_executor_needs", "restart", worker(lambda pod: pod["spec"].pop("restartPolicy"))),
    Mutation(
        "workers_are_what_the_executor_needs", "a pod's name", worker(lambda pod: pod["metadata"].update(name="x"))
    ),
    Mutation(
        "workers_are_what_the_executor_needs",
        "args",
        worker(lambda pod: pod["spec"]["containers"][0].update(args=["x"])),
    ),
    Mutation(
        "the_default_template_is_there",
        "gone",
        lambda r: r.get("ConfigMap/airflow-pod-templates")["data"].pop("default.yaml"),
    ),
    Mutation(
        "the_default_template_is_there",
        "subPath",
        lambda r: [m.update(subPath="x") for m in base(r)["volumeMounts"] if m["name"] == "pod-templates"],
    ),
    Mutation(
        "nothing_is_mounted_by_sub_path", "boot", lambda r: [m.update(subPath="x") for m in base(r)["volumeMounts"]]
    ),
    Mutation(
        "queues_lead_to_templates",
        "no file",
        lambda r: r.get("ConfigMap/airflow-pod-templates")["data"].pop("highmem.yaml"),
    ),
    Mutation(
        "queues_lead_to_templates",
        "no route",
        lambda r: env(base(r), "AIRFLOW__SDK__QUEUE_TO_COORDINATOR", json.dumps({"highmem": "nobody"})),
    ),
    Mutation(
        "queues_lead_to_templates", "none routed", lambda r: env(base(r), "AIRFLOW__SDK__QUEUE_TO_COORDINATOR", "{}")
    ),
]
