"""Deletes workers' pods that ended a while ago and that the executor left. Runs as `python -c`."""

import json
import os
import sys
from datetime import datetime, timedelta, timezone

from kubernetes import client, config

config.load_incluster_config()
api = client.CoreV1Api()
own = json.loads(os.environ["AIRFLEET_CLEANUP"])
before = datetime.now(timezone.utc) - timedelta(minutes=own["minutes"])  # noqa: UP017
failed = 0


def ended(pod):
    """When its last container ended; an evicted pod has none."""
    states = [s.state.terminated for s in pod.status.container_statuses or [] if s.state.terminated]
    return max((s.finished_at for s in states if s.finished_at), default=pod.metadata.creation_timestamp)


found = [api.list_namespaced_pod(namespace, label_selector=own["selector"]) for namespace in own["namespaces"]]
for pod in (pod for pods in found for pod in pods.items):
    name = pod.metadata.name
    if pod.status.phase not in ("Succeeded", "Failed") or pod.metadata.deletion_timestamp or ended(pod) > before:
        continue
    print("would delete" if own["dryRun"] else "deleting", name, pod.status.phase, ended(pod))
    # The pod that was looked at, not another one of its name.
    options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=pod.metadata.uid))
    try:
        if not own["dryRun"]:
            api.delete_namespaced_pod(name, pod.metadata.namespace, body=options)
    except client.ApiException as error:
        if error.status not in (404, 409):  # gone already
            print(f"could not delete {name}: {error.status} {error.reason}", file=sys.stderr)
            failed = 1
sys.exit(failed)
