"""Tasks in several namespaces: prints, for each, where its pod is created and where its running log is looked for."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

from airflow.dag_processing.dagbag import DagBag
from airflow.providers.cncf.kubernetes.executors.kubernetes_executor import KubernetesExecutor
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from airflow.sdk import DAG, task
from airflow.serialization.serialized_objects import DagSerialization
from kubernetes.client import models as k8s


def override(**metadata: object) -> dict[str, object]:
    return {"pod_override": k8s.V1Pod(metadata=k8s.V1ObjectMeta(**metadata))}


with DAG("placed", schedule=None):

    @task
    def home() -> None: ...

    @task(queue="gpu")
    def gpu() -> None: ...

    @task(queue="gpu")
    def mapped(x: int) -> None: ...

    @task(queue="gpu", executor_config=override(namespace="mine"))
    def own() -> None: ...

    @task(queue="gpu", executor_config=override(labels={"team": "x"}))
    def labelled() -> None: ...

    home()
    gpu()
    mapped.expand(x=[1, 2])
    own()
    labelled()


def main(file: str) -> None:
    bag = DagBag(dag_folder=file)
    # What the scheduler and the API server know of a DAG is what was written to the database.
    dag = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(bag.dags["placed"]))))
    seen = {}
    for entry in dag.tasks:
        config = entry.executor_config or {}
        template = k8s.V1Pod(metadata=k8s.V1ObjectMeta(labels={"team": "data"}), spec=k8s.V1PodSpec(containers=[]))
        template.spec.containers.append(k8s.V1Container(name="base", image="image"))
        pod = PodGenerator.construct_pod(
            dag_id="placed",
            task_id=entry.task_id,
            pod_id="pod",
            try_number=1,
            kube_image=None,
            date=None,
            args=["x"],
            pod_override_object=PodGenerator.from_obj(config),
            base_worker_pod=template,
            namespace="home",
            scheduler_job_id="1",
            run_id="run",
        )
        looked_for = KubernetesExecutor()._get_pod_namespace(SimpleNamespace(executor_config=config))
        seen[entry.task_id] = [pod.metadata.namespace, looked_for, pod.metadata.labels["team"]]
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1])
