"""One Kubernetes cluster: which one it is, and the few calls that the toolkit makes to it.

A cluster is always named by a kubeconfig file and a context; the user's current context is never read or followed.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from airfleet.errors import AirfleetError


@dataclass(frozen=True)
class Cluster:
    """A cluster, by the kubeconfig file and the context that reach it."""

    kubeconfig: Path
    context: str

    @cached_property
    def api(self) -> Any:
        """A `kubernetes.client.ApiClient` for this cluster, and no process-wide configuration.

        Raises AirfleetError if the file or the context can't be used.
        """
        from kubernetes import client, config

        settings = client.Configuration()
        try:
            config.load_kube_config(
                config_file=str(self.kubeconfig),
                context=self.context,
                client_configuration=settings,
                persist_config=False,
            )
        except config.ConfigException as e:
            raise AirfleetError(
                f"the context {self.context} can't be used",
                where=str(self.kubeconfig),
                why=str(e),
                fix="`kubectl config get-contexts` lists the contexts of a kubeconfig",
            ) from e
        settings.retries = 3
        return client.ApiClient(settings)

    @cached_property
    def core(self) -> Any:
        """The core API of this cluster."""
        from kubernetes import client

        return client.CoreV1Api(self.api)

    @cached_property
    def apps(self) -> Any:
        """The API of Deployments and StatefulSets of this cluster."""
        from kubernetes import client

        return client.AppsV1Api(self.api)

    @property
    def server(self) -> str:
        """URL of the API server."""
        return str(self.api.configuration.host)

    def identity(self) -> str:
        """UID of the namespace kube-system: what tells one cluster from another.

        Raises AirfleetError if the cluster does not answer or refuses.
        """
        return str(self.call("read the namespace kube-system", self.core.read_namespace, "kube-system").metadata.uid)

    def version(self) -> str:
        """The version of the API server, such as v1.36.3. Raises AirfleetError if it does not answer."""
        from kubernetes import client

        found = self.call("ask for the version", client.VersionApi(self.api).get_code)
        return str(found.git_version)

    def call(self, purpose: str, method: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the kubernetes client; a failure becomes an AirfleetError that says what it was for."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return method(*args, _request_timeout=30, **kwargs)
        except ApiException as e:
            raise AirfleetError(f"could not {purpose}", where=self.context, why=f"{e.status} {_message(e)}") from e
        except HTTPError as e:
            fix = "is the cluster up, and is this the right context?"
            raise AirfleetError(f"could not {purpose}", where=self.server, why=str(e)[:300], fix=fix) from e

    def ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None, content: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Send a request for a path of the API, such as /apis/apps/v1; the status and the answer's JSON.

        content is the type of the body, which is sent as JSON. Raises AirfleetError if the cluster does not answer.
        """
        from urllib.parse import urlencode

        from urllib3.exceptions import HTTPError

        settings = self.api.configuration
        headers = {
            "Accept": "application/json",
            "User-Agent": "airfleet",
            "Content-Type": content or "application/json",
        }
        headers |= {auth["key"]: auth["value"] for auth in settings.auth_settings().values() if auth["in"] == "header"}
        url = f"{settings.host}{path}{'?' if query else ''}{urlencode(query or {})}"
        sent = None if body is None else json.dumps(body).encode()
        try:
            answer = self.api.rest_client.pool_manager.request(method, url, body=sent, headers=headers, timeout=30)
        except HTTPError as e:
            fix = "is the cluster up, and is this the right context?"
            raise AirfleetError(f"could not ask for {path}", where=self.server, why=str(e)[:300], fix=fix) from e
        try:
            found = json.loads(answer.data)
        except ValueError:
            found = {"message": answer.data.decode(errors="replace")[:300]}
        return answer.status, found if isinstance(found, dict) else {"message": str(found)}

    def exists(self, method: Any, *args: Any) -> bool:
        """Whether a read finds its object."""
        from kubernetes.client import ApiException

        try:
            method(*args, _request_timeout=30)
        except ApiException as e:
            if e.status == http.HTTPStatus.NOT_FOUND:
                return False
            raise AirfleetError(f"could not look for {'/'.join(args)}", where=self.context, why=_message(e)) from e
        return True

    def ensure_namespace(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a namespace if it is missing, and see that it carries these labels."""
        if not self.exists(self.core.read_namespace, name):
            body = {"metadata": {"name": name, "labels": dict(labels)}}
            self.call(f"create the namespace {name}", self.core.create_namespace, body)
        elif labels:
            body = {"metadata": {"labels": dict(labels)}}
            self.call(f"label the namespace {name}", self.core.patch_namespace, name, body)

    def put_config_map(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """Create a ConfigMap, or replace all of its data."""
        body = {"metadata": {"name": name}, "data": dict(data)}
        if self.exists(self.core.read_namespaced_config_map, name, namespace):
            method = self.core.replace_namespaced_config_map
            self.call(f"write the ConfigMap {name}", method, name, namespace, body)
        else:
            self.call(f"create the ConfigMap {name}", self.core.create_namespaced_config_map, namespace, body)

    def secret(self, namespace: str, name: str) -> dict[str, str]:
        """The decoded data of a Secret."""
        found = self.call(f"read the Secret {name}", self.core.read_namespaced_secret, name, namespace)
        return {key: base64.b64decode(value).decode() for key, value in (found.data or {}).items()}

    def pods(self, namespace: str, selector: str) -> list[Any]:
        """The pods that a label selector matches."""
        return list(self.call("list pods", self.core.list_namespaced_pod, namespace, label_selector=selector).items)

    def execute(
        self,
        namespace: str,
        pod: str,
        argv: Sequence[str],
        *,
        line: str = "",
        container: str = "base",
        timeout: int = 300,
    ) -> str:
        """Run a command in a pod's container and return what it printed.

        line is the one line of its standard input: secrets go there, never into argv. timeout is in seconds.
        Raises AirfleetError if the command exits non-zero.
        """
        from kubernetes import client
        from kubernetes.client import ApiException
        from kubernetes.stream import stream

        where = f"{namespace}/{pod}"
        core = client.CoreV1Api(client.ApiClient(self.api.configuration))  # see connection()
        method = core.connect_get_namespaced_pod_exec
        streams = {"stdin": True, "stdout": True, "stderr": True, "tty": False, "_preload_content": False}
        try:
            running = stream(method, pod, namespace, container=container, command=list(argv), **streams)
            running.write_stdin(line + "\n")
            running.run_forever(timeout=timeout)
        except (ApiException, OSError) as e:
            why = str(getattr(e, "reason", None) or e)
            raise AirfleetError(f"could not run {argv[0]} in a pod", where=where, why=why) from e
        # Asked for before the exit code: the client reads the remaining output with the channel of the code.
        stdout, stderr = str(running.read_stdout(timeout=0)), str(running.read_stderr(timeout=0))
        finished = not running.is_open()
        running.close()
        if not finished:
            raise AirfleetError(f"{argv[0]} did not finish in {timeout} s", where=where)
        if running.returncode != 0:
            why = (stderr.strip() or stdout.strip())[-2000:]
            raise AirfleetError(f"{argv[0]} exited with {running.returncode} in a pod", where=where, why=why)
        return stdout

    @contextmanager
    def connection(self, namespace: str, pod: str, port: int) -> Iterator[http.client.HTTPConnection]:
        """An HTTP connection to a pod's port through the API server, as `kubectl port-forward` makes it."""
        from kubernetes import client
        from kubernetes.stream import portforward

        # The stream helper swaps the client's request method for the call: a client of its own keeps others out of it.
        core = client.CoreV1Api(client.ApiClient(self.api.configuration))
        forward = portforward(core.connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port))
        connection = http.client.HTTPConnection("localhost", port, timeout=60)
        connection.sock = _Socket(forward.socket(port))
        try:
            yield connection
        finally:
            forward.close()


class _Socket:
    """The client's port-forward socket, with the one option that http.client sets left out."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        inner.settimeout(60)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _message(e: Any) -> str:
    try:
        return str(json.loads(e.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(e.reason)
