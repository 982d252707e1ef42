"""The few questions that the lab itself asks its API server; everything else uses kubectl or a real client."""

from __future__ import annotations

import http.client
import json
import ssl
from datetime import datetime
from typing import Any

from airfleet.lab.state import LabRecord


def get(lab: LabRecord, path: str) -> Any | None:
    """The parsed JSON (or text) that a path of the API answers; None while the server is not there or refuses."""
    connection = http.client.HTTPSConnection("127.0.0.1", lab.port, timeout=5, context=_tls(lab))
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        return None
    return json.loads(body) if body.startswith(b"{") else body.decode()


def is_ready(lab: LabRecord) -> bool:
    """Whether the API server says that it is ready."""
    return get(lab, "/readyz") == "ok"


def ready_nodes(lab: LabRecord) -> set[str]:
    """The names of the nodes whose condition Ready is True."""
    answer = get(lab, "/api/v1/nodes")
    if answer is None:
        return set()
    return {n["metadata"]["name"] for n in answer["items"] if _condition(n, "Ready") == "True"}


def heard_from(lab: LabRecord, node: str, since: datetime) -> bool:
    """Whether a node is Ready and its kubelet has said so after this moment."""
    answer = get(lab, f"/api/v1/nodes/{node}")
    ready = [c for c in answer["status"].get("conditions", []) if c["type"] == "Ready"] if answer else []
    return any(
        c["status"] == "True" and datetime.fromisoformat(c["lastHeartbeatTime"]) >= since.replace(microsecond=0)
        for c in ready
    )


def default_storage_class(lab: LabRecord) -> str | None:
    """The name of the default StorageClass."""
    answer = get(lab, "/apis/storage.k8s.io/v1/storageclasses")
    for item in answer["items"] if answer else []:
        if item["metadata"].get("annotations", {}).get("storageclass.kubernetes.io/is-default-class") == "true":
            return str(item["metadata"]["name"])
    return None


def has_default_service_account(lab: LabRecord) -> bool:
    """Whether the controller manager works: the namespace default has its service account."""
    return get(lab, "/api/v1/namespaces/default/serviceaccounts/default") is not None


def _condition(node: dict[str, Any], kind: str) -> str:
    return next((c["status"] for c in node["status"].get("conditions", []) if c["type"] == kind), "Unknown")


def _tls(lab: LabRecord) -> ssl.SSLContext:
    pki = lab.dir / "pki"
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(str(pki / "admin.crt"), str(pki / "admin.key"))
    return context
