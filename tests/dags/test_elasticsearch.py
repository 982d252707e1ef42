"""Logs in Elasticsearch: what the chart renders, in the real Airflow, writes and reads them with a mounted file's
credentials, over TLS that the chart's CA bundle vouches for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dags_harness import airflow, rendered
from elasticsearch_server import elasticsearch

TI = "SimpleNamespace(dag_id='d', task_id='t', run_id='r', map_index=-1, try_number=1, state='failed', key=1)"
WRITE = f"""
import json
from pathlib import Path
from types import SimpleNamespace
from airflow.sdk.configuration import conf
from airflow.sdk.log import load_remote_log_handler
log = load_remote_log_handler()
path = Path(conf.get("logging", "base_log_folder"), "attempt=1.log")
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text("".join(json.dumps({{"event": text, "level": "info"}}) + "\\n" for text in ("first", "second")))
log.upload("attempt=1.log", {TI})
print(json.dumps(type(log).__name__))
"""
READ = f"""
import json, logging
from types import SimpleNamespace
import airflow.logging_config
airflow.logging_config.configure_logging()
(handler,) = [h for h in logging.getLogger("airflow.task").handlers if hasattr(h, "io")]
ti = {TI}
lines, _ = handler._read(ti, 1)
print(json.dumps({{"lines": [line.event for line in lines], "link": handler.get_external_log_url(ti, 1)}}))
"""
LOADS = "import json, airflow.settings; airflow.settings.initialize(); print(json.dumps('loaded'))"


def components(folder: Path, url: str, credentials: str, ca: Path, **more: Any) -> dict[str, dict[str, str]]:
    """The environments of a worker, the API server and the scheduler; /opt/airfleet is in this folder."""
    values = folder / "values.yaml"
    block = {"url": url, "compatibleWith": "8", "frontend": "https://kibana.example.com/a%20b?q={log_id}", **more}
    remote = {"type": "elasticsearch", "secretName": "es", "elasticsearch": block}
    values.write_text(yaml.safe_dump({"logs": {"remote": remote}, "caBundle": {"configMap": "ca"}}))
    objects = rendered(values)
    mounted = folder / "mounted"
    moved = lambda text: text.replace("/opt/airfleet/", f"{mounted}/")
    for name in ("ca", "config", "log-credentials", "worker-config"):
        (mounted / name).mkdir(parents=True, exist_ok=True)
    (mounted / "ca/ca.crt").write_bytes(ca.read_bytes())
    (mounted / "log-credentials/credentials").write_text(f"{credentials}\n")
    for name in ("config", "worker-config"):
        text = objects["ConfigMap", f"airflow-{name}"]["data"]["airflow.cfg"]
        assert credentials not in text
        (mounted / name / "airflow.cfg").write_text(moved(text))
    template = yaml.safe_load(objects["ConfigMap", "airflow-pod-templates"]["data"]["default.yaml"])
    found = {"worker": template["spec"]}
    for name in ("api-server", "scheduler"):
        found[name] = objects["Deployment", f"airflow-{name}"]["spec"]["template"]["spec"]
    return {name: _environment(name, spec, moved) for name, spec in found.items()}


def _environment(name: str, spec: dict[str, Any], moved: Any) -> dict[str, str]:
    ours = ("AIRFLOW_CONFIG", "AIRFLEET_LOG_CREDENTIALS", "SSL_CERT_FILE")
    env = {e["name"]: moved(e["value"]) for e in spec["containers"][0]["env"] if e["name"] in ours}
    if name == "worker":
        env["AIRFLOW_CONFIG"] = env["AIRFLOW_CONFIG"].replace("/config/", "/worker-config/")
        env["_AIRFLOW_PROCESS_CONTEXT"] = "client"
    return env


@pytest.mark.parametrize("credentials", ["airflow:p:w/ö", "VnVhQ2ZHY0JDZGJrUW0="], ids=["password", "API key"])
def test_a_worker_writes_and_the_api_server_reads(tmp_path: Path, credentials: str) -> None:
    with elasticsearch(tmp_path, credentials) as server:
        env = components(tmp_path, server.url, credentials, server.ca)
        assert airflow(WRITE, tmp_path, **env["worker"]) == "ElasticsearchRemoteLogIO"
        assert server.refused == []
        (index, documents) = server.documents.popitem()
        assert (index, [d["event"] for d in documents]) == ("airflow-logs", ["first", "second"])
        assert {d["log_id"] for d in documents} == {"d-t-r--1-1"}
        server.documents[index] = documents
        seen = airflow(READ, tmp_path, **env["api-server"])
    assert seen["lines"][-2:] == ["first", "second"]
    assert server.url in seen["lines"]  # where it comes from, and no password
    assert seen["link"] == "https://kibana.example.com/a%20b?q=d-t-r--1-1"


def test_a_shipper_takes_the_lines_from_the_output(tmp_path: Path) -> None:
    with elasticsearch(tmp_path, "a:b") as server:
        env = components(tmp_path, server.url, "a:b", server.ca, shipper=True)
        airflow(WRITE, tmp_path, **env["worker"])
        assert server.documents == {}


def test_others_than_writers_and_readers_do_without_the_credentials(tmp_path: Path) -> None:
    with elasticsearch(tmp_path, "a:b") as server:
        env = components(tmp_path, server.url, "a:b", server.ca)
        assert "AIRFLEET_LOG_CREDENTIALS" not in env["scheduler"]
        assert airflow(LOADS, tmp_path, **env["scheduler"]) == "loaded"
