"""As much of Elasticsearch as Airflow's logs need, over TLS: _bulk, and _search by log_id, in the order of offsets;
_count, and single documents by their names.

No Elasticsearch of the client's version can be had as a package. This one refuses what the real one refuses: a client
without credentials, and one of a newer major version than its own.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

VERSION = 8


class Elasticsearch(ThreadingHTTPServer):
    """A server on the loopback interface; documents by index, and the credentials that it takes."""

    def __init__(self, folder: Path, authorization: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.authorization = authorization
        self.documents: dict[str, list[dict[str, Any]]] = {}
        self.refused: list[str] = []
        self.ca = folder / "ca.crt"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*_certificate(folder))
        self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}"


@contextmanager
def elasticsearch(folder: Path, credentials: str) -> Iterator[Elasticsearch]:
    """A running server that takes user:password, or an API key."""
    basic = f"Basic {base64.b64encode(credentials.encode()).decode()}"
    with Elasticsearch(folder, basic if ":" in credentials else f"ApiKey {credentials}") as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Elasticsearch

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.headers.get("Authorization") != self.server.authorization:
            self._refuse(401, "security_exception")
        elif f"compatible-with={VERSION}" not in self.headers.get("Accept", ""):
            self._refuse(400, "media_type_header_exception")
        elif self.path.split("?")[0].endswith("/_bulk"):
            lines = [json.loads(line) for line in body.splitlines()]
            for action, document in zip(lines[::2], lines[1::2], strict=True):
                self.server.documents.setdefault(action["index"]["_index"], []).append(document)
            self._answer(200, {"errors": False, "items": [{"index": {"status": 201}} for _ in lines[::2]]})
        else:
            index, _, call = self.path.strip("/").split("?")[0].partition("/")
            if call.startswith("_doc/"):
                self._document(index, call, body)
            elif call == "_count":
                self._answer(200, {"count": len(self.server.documents.get(index, []))})
            else:
                assert call == "_search", self.path
                self._answer(200, {"hits": {"hits": self._search(index, json.loads(body))}})

    do_GET = do_POST = do_DELETE = do_PUT  # noqa: N815 - names of http.server

    def _document(self, index: str, name: str, body: str) -> None:
        there = self.server.documents.setdefault(index, [])
        if self.command == "PUT":
            there.append({**json.loads(body), "_name": name})
        found = [document for document in there if document["_name"] == name]
        if self.command == "DELETE":
            there[:] = [document for document in there if document not in found]
        self._answer(200 if found else 404, {"found": bool(found), "_source": found[0] if found else None})

    def _search(self, index: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        query = asked["query"]["bool"]
        log_id = query["must"][0]["match_phrase"]["log_id"]
        (field, bound) = next(iter(query["filter"][0]["range"].items()))
        fit = [d for d in self.server.documents.get(index, []) if d["log_id"] == log_id and d[field] > bound["gt"]]
        found = sorted(fit, key=lambda d: d[asked["sort"][0]])[: asked["size"]]
        return [{"_index": index, "_id": str(number), "_source": document} for number, document in enumerate(found)]

    def _refuse(self, status: int, why: str) -> None:
        self.server.refused.append(why)
        self._answer(status, {"error": {"type": why}, "status": status})

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", f"application/vnd.elasticsearch+json;compatible-with={VERSION}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that signs itself, which is the authority too, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "elasticsearch")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    certificate, secret = folder / "ca.crt", folder / "server.key"
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    pem, pkcs8, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(pem, pkcs8, plain))
    return certificate, secret
