"""As much of the Kubernetes API as the bootstrap talks to: Secrets of one namespace, created and got over HTTP."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class KubernetesApi:
    """secrets: name -> object as stored. faults: answers given instead, one after another, as (status, message)."""

    url: str = ""
    account: Path = Path()
    namespace: str = "team-a"
    token: str = "canary-service-account-token"
    secrets: dict[str, dict] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)

    def put(self, name: str, **data: str) -> None:
        encoded = {key.replace("_", "-"): base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self.secrets[name] = {"metadata": {"name": name}, "data": encoded}

    def data(self, name: str) -> dict[str, str]:
        return {key: base64.b64decode(value).decode() for key, value in self.secrets[name]["data"].items()}

    def environment(self) -> dict[str, str]:
        return {"AIRFLEET_KUBERNETES_URL": self.url, "AIRFLEET_SERVICE_ACCOUNT_DIR": str(self.account)}


@contextmanager
def kubernetes_api(folder: Path) -> Iterator[KubernetesApi]:
    """A running server, with the files that a pod would find mounted in `folder`."""
    api = KubernetesApi(account=folder)
    (folder / "token").write_text(api.token)
    (folder / "namespace").write_text(api.namespace)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def answer(self, status: int, body: dict) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def refused(self) -> bool:
            api.calls.append((self.command, self.path))
            if self.headers["Authorization"] != f"Bearer {api.token}":
                self.answer(401, {"message": "Unauthorized"})
            elif api.faults:
                status, message = api.faults.pop(0)
                self.answer(status, {"message": message})
            else:
                return False
            return True

        def do_GET(self) -> None:
            if self.refused():
                return
            name = self.path.rpartition("/")[2]
            found = self.path.startswith(f"/api/v1/namespaces/{api.namespace}/secrets/") and api.secrets.get(name)
            self.answer(200, found) if found else self.answer(404, {"message": f'secrets "{name}" not found'})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.refused():
                return
            name = body["metadata"]["name"]
            if name in api.secrets:
                self.answer(409, {"message": f'secrets "{name}" already exists'})
                return
            api.put(name, **body.pop("stringData"))
            api.secrets[name] |= body
            self.answer(201, api.secrets[name])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
