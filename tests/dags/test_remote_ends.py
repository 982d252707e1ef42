"""What the chart says of remote logs and Git repositories means to Airflow's own classes what it should.

A worker's airflow.cfg and environment, as rendered, in a fresh process; the mounted folders are somewhere else here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dags_harness import airflow, rendered

LOGS = """
import json
from airflow.sdk.log import load_remote_conn_id, load_remote_log_handler
log = load_remote_log_handler()
seen = {"class": type(log).__name__, "base": getattr(log, "remote_base", None), "connection": load_remote_conn_id()}
"""
S3 = """
session, client = log.hook.get_session(), log.hook.get_conn()
key = session.get_credentials()
seen |= {"endpoint": client.meta.endpoint_url, "region": client.meta.region_name, "key": key.access_key}
"""
GIT = """
import json, os, subprocess
from airflow.dag_processing.bundles.manager import DagBundlesManager
bundles = {b.name: b for b in DagBundlesManager().get_all_dag_bundles()}
about = lambda b: [type(b).__name__, str(b.repo_url), b.tracking_ref, b.subdir, b.sparse_dirs]
seen = {name: about(b) for name, b in bundles.items()}
with bundles["ssh"].hook.configure_hook_env():
    seen["ssh command"] = bundles["ssh"].hook.env["GIT_SSH_COMMAND"]
ask = lambda path: subprocess.run(
    ["git", "credential", "fill"], input=f"protocol=https\\nhost=git.example.com\\npath={path}\\n",
    env={**os.environ, "GIT_TERMINAL_PROMPT": "0"}, capture_output=True, text=True).stdout.split("\\n")
seen |= {"asked": ask("a.git"), "another": ask("b.git")}
"""
DONE = "\nprint(json.dumps(seen))"


def worker(tmp_path: Path, values: dict[str, Any], secrets: dict[str, str]) -> dict[str, str]:
    """The environment of a worker with these values and these files of mounted Secrets (path -> content)."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    objects = rendered(file)
    template = yaml.safe_load(objects["ConfigMap", "airflow-pod-templates"]["data"]["default.yaml"])
    files = {f"config/{name}": text for name, text in objects["ConfigMap", "airflow-worker-config"]["data"].items()}
    moved = lambda text: text.replace("/opt/airfleet/", f"{tmp_path}/mounted/")
    for name, text in {**files, **secrets}.items():
        path = tmp_path / "mounted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(moved(text))
    env = {e["name"]: moved(e["value"]) for e in template["spec"]["containers"][0]["env"]}
    return {**{k: v for k, v in env.items() if k not in ("HOME", "PYTHONPATH")}, "_AIRFLOW_PROCESS_CONTEXT": "client"}


def test_logs_in_s3_use_the_mounted_profile(tmp_path: Path) -> None:
    s3 = {"endpointUrl": "http://s3.example.com:7070", "region": "eu-central-1"}
    remote = {"type": "s3", "folder": "s3://bucket/airflow", "secretName": "keys", "s3": s3}
    keys = "[{}]\naws_access_key_id = {}\naws_secret_access_key = x\n"
    credentials = keys.format("default", "somebody-else") + keys.format("airflow-logs", "for-logs")
    env = worker(tmp_path, {"logs": {"remote": remote}}, {"log-credentials/credentials": credentials})
    assert airflow(LOGS + S3 + DONE, tmp_path, **env) == {
        "class": "S3RemoteLogIO",
        "base": "s3://bucket/airflow",
        "connection": "airfleet_logs",
        "endpoint": s3["endpointUrl"],
        "region": "eu-central-1",
        "key": "for-logs",
    }


def test_logs_by_a_connection_name_it(tmp_path: Path) -> None:
    remote = {"type": "s3", "folder": "s3://bucket/airflow", "connectionId": "log_store"}
    env = worker(tmp_path, {"logs": {"remote": remote}}, {})
    assert "AIRFLOW_CONN_AIRFLEET_LOGS" not in env
    assert airflow(LOGS + DONE, tmp_path, **env)["connection"] == "log_store"


@pytest.mark.parametrize("encrypt", [True, False])
def test_encryption_is_an_option_of_airflow(tmp_path: Path, encrypt: bool) -> None:
    remote = {"type": "s3", "folder": "s3://bucket/airflow", "s3": {"encrypt": encrypt}}
    env = worker(tmp_path, {"logs": {"remote": remote}}, {})
    read = (
        'import json\nfrom airflow.sdk.configuration import conf\nseen = conf.getboolean("logging", "encrypt_s3_logs")'
    )
    assert airflow(read + DONE, tmp_path, **env) is encrypt


def test_git_bundles_find_their_credentials(tmp_path: Path) -> None:
    repo = "https://git.example.com/a.git"
    bundles = {
        "dags-folder": None,
        "https": {"git": {"repo": repo, "ref": "v1", "subdir": "dags", "secretName": "token"}},
        "ssh": {"git": {"repo": "git@git.example.com:a.git", "sparseDirs": ["x"], "secretName": "key"}},
    }
    secrets = {"git/https/username": "me", "git/https/password": "p w\\n$(x)", "git/ssh/ssh-privatekey": "key"}
    env = worker(tmp_path, {"dags": {"bundles": bundles}}, secrets)
    mounted = tmp_path / "mounted" / "git" / "ssh"
    options = f"-i {mounted}/ssh-privatekey -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes"
    seen = airflow(GIT + DONE, tmp_path, **env)
    assert seen["https"] == ["GitDagBundle", repo, "v1", "dags", None]
    assert seen["ssh"] == ["GitDagBundle", "git@git.example.com:a.git", "main", None, ["x"]]
    assert seen["ssh command"] == f"ssh {options} -o UserKnownHostsFile={mounted}/known_hosts"
    assert {"username=me", "password=p w\\n$(x)"} <= set(seen["asked"])
    assert seen["another"] == [""]
