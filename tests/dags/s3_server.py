"""As much of S3 as logs need: objects are put, looked for, listed, read and deleted; refused is what may not be done.

A real one, versitygw, holds the logs of the live tests (tests/lab); it can't be made to refuse one of these alone.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class S3(ThreadingHTTPServer):
    """A server on the loopback interface: objects by bucket/key, and every request."""

    def __init__(self, refused: Collection[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refused = refused
        self.objects: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def s3(*refused: str) -> Iterator[S3]:
    """A running server that refuses these: PUT, GET, DELETE, LIST."""
    with S3(refused) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: S3
    protocol_version = "HTTP/1.1"

    def do_any(self) -> None:
        url = urlsplit(self.path)
        place, query = url.path.strip("/"), parse_qs(url.query)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        action = "LIST" if "list-type" in query else self.command
        self.server.requests.append((action, place))
        if action in self.server.refused:
            self._answer(403, b"<Error><Code>AccessDenied</Code><Message>not for you</Message></Error>")
        elif action == "LIST":
            prefix = f"{place}/{query.get('prefix', [''])[0]}"
            keys = [key.partition("/")[2] for key in self.server.objects if key.startswith(prefix)]
            about = "<LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            found = "".join(f"<Contents><Key>{key}</Key>{about}</Contents>" for key in keys)
            self._answer(200, f"<ListBucketResult>{found}</ListBucketResult>".encode())
        elif action == "PUT":
            self.server.objects[place] = body
            self._answer(200, b"")
        elif place not in self.server.objects:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        elif action == "DELETE":
            del self.server.objects[place]
            self._answer(204, b"")
        else:
            self._answer(200, self.server.objects[place])

    do_GET = do_HEAD = do_PUT = do_DELETE = do_any  # noqa: N815 - names of http.server

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""
