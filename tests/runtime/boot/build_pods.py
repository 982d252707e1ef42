"""Prints the pods that the real KubernetesExecutor creates for queued tasks, as JSON lines.

build_pods.py QUEUE ...: one run of DAG `canary` per queue, its task `report` put into that queue. Run with the
configuration of a scheduler; the Kubernetes API is a server in this process that accepts every pod.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

pods: list[dict] = []
EMPTY = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []}
POD = {"name": "pods", "singularName": "pod", "kind": "Pod", "namespaced": True, "verbs": ["list"]}
DISCOVERY = {
    "/version": {"major": "1", "minor": "36"},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [POD]},
}


class Kubernetes(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        """Discovery, empty lists, and watches that wait for events which never come."""
        if "watch=" in self.path:
            threading.Event().wait()
        self.answer(200, DISCOVERY.get(self.path.partition("?")[0].rstrip("/"), EMPTY))

    def do_POST(self) -> None:
        pods.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer(201, pods[-1])

    def answer(self, status: int, body: dict) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


server = ThreadingHTTPServer(("127.0.0.1", 0), Kubernetes)
threading.Thread(target=server.serve_forever, daemon=True).start()
cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
context = {"name": "c", "context": {"cluster": "c", "user": "c"}}
kubeconfig = {
    "clusters": [cluster],
    "contexts": [context],
    "users": [{"name": "c", "user": {}}],
    "current-context": "c",
}
config_file = Path(os.environ["AIRFLOW_HOME"], "kubeconfig")
config_file.write_text(json.dumps(kubeconfig))
os.environ["AIRFLOW__KUBERNETES_EXECUTOR__IN_CLUSTER"] = "False"
os.environ["AIRFLOW__KUBERNETES_EXECUTOR__CONFIG_FILE"] = str(config_file)
os.environ["AIRFLOW__KUBERNETES_EXECUTOR__WORKER_PODS_CREATION_BATCH_SIZE"] = "16"

from airflow.api.common.trigger_dag import trigger_dag  # noqa: E402
from airflow.executors.workloads import ExecuteTask  # noqa: E402
from airflow.models.taskinstance import TaskInstance  # noqa: E402
from airflow.providers.cncf.kubernetes.executors.kubernetes_executor import KubernetesExecutor  # noqa: E402
from airflow.utils.session import create_session  # noqa: E402
from airflow.utils.state import DagRunState, TaskInstanceState  # noqa: E402
from airflow.utils.types import DagRunTriggeredByType  # noqa: E402

executor = KubernetesExecutor()
executor.job_id = 1
executor.start()
with create_session() as session:
    for queue in sys.argv[1:]:
        run = trigger_dag("canary", triggered_by=DagRunTriggeredByType.TEST, run_id=f"{queue}-{time.monotonic_ns()}")
        run = session.merge(run)
        run.set_state(DagRunState.RUNNING)
        ti = session.query(TaskInstance).filter_by(run_id=run.run_id, task_id="report").one()
        ti.state, ti.try_number, ti.queue, ti.queued_by_job_id = TaskInstanceState.QUEUED, 1, queue, 1
        session.flush()
        executor.queue_workload(ExecuteTask.make(ti, generator=executor.jwt_generator), session=session)
deadline = time.monotonic() + 60
while len(pods) < len(sys.argv[1:]):
    assert time.monotonic() < deadline, pods
    executor.heartbeat()
for pod in pods:
    print("POD " + json.dumps(pod), flush=True)
os._exit(0)  # end() would wait for these pods to finish; whoever started this ends its processes
