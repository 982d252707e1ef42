"""A proxy in front of an API server that notes every request, and refuses each one that would write something."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from airfleet.kube import Cluster

READS = ("GET", "HEAD", "OPTIONS")
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass
class Recording:
    """What went through: (method, path, whether it was a dry run). writes are those that were refused."""

    kubeconfig: Path
    requests: list[tuple[str, str, bool]] = field(default_factory=list)

    @property
    def writes(self) -> list[tuple[str, str, bool]]:
        return [each for each in self.requests if each[0] not in READS and not each[2]]

    @property
    def dry_runs(self) -> list[tuple[str, str, bool]]:
        return [each for each in self.requests if each[0] not in READS and each[2]]


@contextmanager
def recording(cluster: Cluster, folder: Path) -> Iterator[Recording]:
    """Run the proxy; its kubeconfig, with the context `recorded`, has no credentials: the proxy has them."""
    found = Recording(folder / "recorded.kubeconfig")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            dry = parse_qs(url.query).get("dryRun") == ["All"]
            found.requests.append((self.command, url.path, dry))
            if self.command not in READS and not dry:
                self.answer(403, {"Content-Type": "application/json"}, refusal(self.command, url.path))
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            pool = cluster.api.rest_client.pool_manager
            done = pool.request(
                self.command, cluster.server + self.path, body=body, headers=headers, preload_content=False
            )
            kept = {name: value for name, value in done.headers.items() if name.lower() not in HOP}
            self.answer(done.status, kept, done.read(decode_content=False))

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "recorded", "cluster": {"server": address}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "recorded", "context": {"cluster": "recorded", "user": "nobody"}}],
    }
    found.kubeconfig.write_text(yaml.safe_dump(content))
    yield found
    server.shutdown()
    server.server_close()


def refusal(method: str, path: str) -> bytes:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403}
    return json.dumps({**status, "message": f"recorded: {method} {path} would write"}).encode()
