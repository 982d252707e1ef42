"""DAGs of the release `full`: a task in each of its pod templates, which tells what its pod is, reaches and may do."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path

from airflow.sdk import Variable, dag, get_current_context, task

TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PLACES = ("default", "elsewhere", "walled", "caller")
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO")


def conf() -> dict:
    return get_current_context()["dag_run"].conf or {}


def kubernetes(namespace: str) -> dict[str, int]:
    """What the API answers to this pod's account."""
    from kubernetes import client, config

    config.load_incluster_config()
    core = client.CoreV1Api()
    asked = {
        "get configmap dags": lambda: core.read_namespaced_config_map("dags", namespace),
        "get configmap authority": lambda: core.read_namespaced_config_map("authority", namespace),
        "list configmaps": lambda: core.list_namespaced_config_map(namespace),
        "get secret log-keys": lambda: core.read_namespaced_secret("log-keys", namespace),
        "list pods": lambda: core.list_namespaced_pod(namespace),
    }
    return {what: status(ask, client.ApiException) for what, ask in asked.items()}


def status(ask, refused) -> int:
    try:
        ask()
    except refused as error:
        return error.status
    return 200


@dag(schedule=None)
def places():
    @task
    def look() -> dict:
        from probes import connects, environments, holds, readable_files  # only here: its DAGs are not this file's

        own = conf()
        secrets = re.compile(b"|".join(re.escape(text[::-1].encode()) for text in own["reversed"]))
        return {
            "pod": socket.gethostname(),
            "connects": {f"{host}:{port}": connects(host, port) for host, port in own["targets"]},
            "secrets": [str(path) for path in [*readable_files(), *environments()] if holds(path, secrets)],
            "may": {n: kubernetes(n) for n in own["namespaces"]} if TOKEN.exists() else "no token",
        }

    for place in PLACES:
        look.override(task_id=place, queue=place)()


def by_urllib(url: str) -> str:
    try:
        urllib.request.build_opener().open(url, timeout=20).close()  # urlopen() remembers its first proxies
    except urllib.error.HTTPError as error:
        return str(error.code)
    return "200"


def by_requests(url: str) -> str:
    import requests

    return str(requests.get(url, timeout=20).status_code)


def by_httpx(url: str) -> str:
    import httpx

    return str(httpx.get(url, timeout=20).status_code)


def by_git(url: str) -> str:
    argv = ["git", "-c", "credential.helper=", "ls-remote", url]
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_SYSTEM": "/dev/null"}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=30)
    if "could not read Username" in done.stderr:  # it has got as far as the server's 401
        return "401"
    raise OSError(done.stderr)


def outcome(ask, url: str, without: tuple[str, ...]) -> str:
    """An HTTP status, or what stood in the way."""
    kept = {name: os.environ.pop(name) for name in without if name in os.environ}
    try:
        return ask(url)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        if re.search("certificate verif|CERTIFICATE_VERIFY|server verification failed|SSL certificate problem", text):
            return "certificate"
        return "name" if re.search("resol|Name or service not known|No address|name resolution", text) else text
    finally:
        os.environ.update(kept)


@dag(schedule=None)
def go_outside():
    """Asks a server outside with each client that DAGs use: as the pod is, and without what the chart gave it."""

    @task
    def ask() -> dict:
        assert ssl.get_default_verify_paths().cafile  # SSL_CERT_FILE counts
        proxies = tuple(name for name in os.environ if name.lower() in ("http_proxy", "https_proxy"))
        clients = {"urllib": by_urllib, "requests": by_requests, "httpx": by_httpx, "git": by_git}
        ways = {"as it is": (), "no certificates": CERTIFICATES, "no proxy": proxies}
        url = conf()["url"]
        return {name: {way: outcome(f, url, without) for way, without in ways.items()} for name, f in clients.items()}

    ask()


@dag(schedule=None)
def linger():
    """A mapped task in the other namespace, which says its word and runs until a variable says go."""

    @task(queue="elsewhere")
    def wait(word: str) -> str:
        print(f"the word is {word}")
        while Variable.get("linger", default="") != "go":
            time.sleep(1)
        return word

    wait.expand(word=["amber", "umber"])


places()
go_outside()
linger()
