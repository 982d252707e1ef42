"""The Execution API apart, and tasks kept away from the API server."""

from __future__ import annotations

from typing import Any

from lab_harness.full import places
from lab_harness.release import Release


def prepare(release: Release) -> dict[str, Any]:
    """Everybody may use the API but tasks: other parts' servers and clients go on as before."""
    not_a_worker = [{"key": "app.kubernetes.io/component", "operator": "NotIn", "values": ["worker"]}]
    tasks = [release.namespace, places.elsewhere(release)]
    elsewhere = [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": tasks}]
    clients = [
        {"podSelector": {"matchExpressions": not_a_worker}},
        {"namespaceSelector": {"matchExpressions": elsewhere}},
    ]
    return {"executionApi": {"enabled": True}, "networkPolicies": {"clients": clients}}
