"""Secrets by the Kubernetes REST API, with nothing but the standard library."""

import base64
import contextlib
import json
import os
import ssl
import urllib.error
import urllib.request
from pathlib import Path

from airfleet_common import BootError, LaterError


class Secrets:
    """The Secrets of this pod's namespace, as far as its ServiceAccount may get and create them."""

    def __init__(self) -> None:
        mounted = "/var/run/secrets/kubernetes.io/serviceaccount"
        self._account = Path(os.environ.get("AIRFLEET_SERVICE_ACCOUNT_DIR", mounted))
        if not (self._account / "token").is_file():
            fix = "set automountServiceAccountToken: true for this pod"
            raise BootError("this pod has no service account token", where=str(self._account), fix=fix)
        host, port = (os.environ.get(f"KUBERNETES_SERVICE_{part}", "") for part in ("HOST", "PORT"))
        server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        self.namespace = (self._account / "namespace").read_text().strip()
        self._url = f"{os.getenv('AIRFLEET_KUBERNETES_URL', server)}/api/v1/namespaces/{self.namespace}/secrets"
        handlers: list = [urllib.request.ProxyHandler({})]  # a proxy of the environment is for the world outside
        if self._url.startswith("https:"):
            context = ssl.create_default_context(cafile=str(self._account / "ca.crt"))
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, name: str) -> dict[str, str] | None:
        """The decoded data of a Secret, or None if there is no such Secret."""
        if (body := self._call("GET", f"/{name}", name, None)) is None:
            return None
        pairs = (body.get("data") or {}).items()
        # Without a newline at the end, as `cat` in Airflow's *_CMD options reads it.
        return {key: base64.b64decode(value).decode(errors="replace").strip("\r\n") for key, value in pairs}

    def create(self, name: str, data: dict[str, str]) -> bool:
        """Make a Secret, which outlives the release; False if somebody else has just made it."""
        labels = {"app.kubernetes.io/managed-by": "airfleet-bootstrap", "app.kubernetes.io/part-of": "airflow"}
        labels["app.kubernetes.io/instance"] = os.environ.get("AIRFLEET_RELEASE", "airflow")
        body = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "stringData": data}
        body["metadata"] = {"name": name, "labels": labels}
        return self._call("POST", "", name, json.dumps(body).encode()) is not None

    def _call(self, method: str, path: str, name: str, body: bytes | None) -> dict | None:
        where = f"{method} Secret {self.namespace}/{name}"
        # Read at every call: the kubelet replaces a projected token long before it expires.
        headers = {"Authorization": f"Bearer {(self._account / 'token').read_text().strip()}"}
        request = urllib.request.Request(self._url + path, body, headers, method=method)  # noqa: S310
        request.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(request, timeout=15) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            if (method, error.code) in (("GET", 404), ("POST", 409)):
                return None
            with contextlib.suppress(OSError, ValueError, AttributeError):  # not every proxy answers in JSON
                error.msg = json.load(error).get("message", error.msg)
            # A Role takes a moment to be seen after it was made, so being denied may pass as well.
            passing = error.code in (401, 403, 429) or error.code >= 500
            kind = LaterError if passing else BootError
            raise kind(f"the Kubernetes API refuses {where}: {error.code} {error.msg}") from None
        except (OSError, ValueError) as error:
            raise LaterError(f"the Kubernetes API does not answer {where}: {error}") from None
