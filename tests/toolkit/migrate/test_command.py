"""`airfleet migrate-values` as one runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from airfleet.lab import Lab
from airfleet.migrate.convert import convert

CASES = Path(__file__).parent / "cases"


def airfleet(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from airfleet.cli import main; main()", *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def simple(folder: Path, more: str = "") -> Path:
    file = folder / "values.yaml"
    file.write_text(
        f"executor: KubernetesExecutor\ndata: {{metadataSecretName: db}}\nscheduler: {{replicas: 2}}\n{more}"
    )
    return file


def test_values_go_to_stdout_and_the_report_to_stderr(tmp_path: Path) -> None:
    done = airfleet("migrate-values", str(simple(tmp_path)))
    assert done.returncode == 0
    assert yaml.safe_load(done.stdout) == {"database": {"secretName": "db"}, "scheduler": {"replicas": 2}}
    assert "replicas: 2  # scheduler.replicas (values.yaml:3)" in done.stdout
    assert "values.yaml:3: scheduler.replicas -> scheduler.replicas" in done.stderr
    assert "3 keys: 2 translated, 1 dropped, 0 needs a human" in done.stderr


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (airfleet("migrate-values", str(CASES / "workers.yaml")) for _ in range(2))
    assert (one.stdout, one.stderr) == (two.stdout, two.stderr)


def test_a_key_for_a_human_is_exit_code_2(tmp_path: Path) -> None:
    done = airfleet(
        "migrate-values", str(simple(tmp_path, "podTemplate: 'apiVersion: v1'\n")), "-o", str(tmp_path / "out.yaml")
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert (tmp_path / "out.yaml").exists()
    assert "values.yaml:4: podTemplate: a whole pod template" in done.stderr


def test_an_unreadable_file_is_one_message_and_exit_code_3(tmp_path: Path) -> None:
    done = airfleet("migrate-values", str(tmp_path / "none.yaml"))
    assert done.returncode == 3
    assert "No such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_report_as_json_and_as_markdown(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    done = airfleet("migrate-values", str(simple(tmp_path)), "--json", "--report", str(report))
    document = json.loads(done.stdout)
    assert document["values"]["scheduler"] == {"replicas": 2}
    (finding,) = [found for found in document["findings"] if found["key"] == "scheduler.replicas"]
    assert (finding["status"], finding["to"], finding["line"]) == ("translated", ["scheduler.replicas"], 3)
    assert "| `scheduler.replicas` |" in report.read_text()
    assert "```bash\nkubectl" in report.read_text()


def test_the_commands_keep_keys_and_connection_without_showing_them(api_server: Lab) -> None:
    """Against a real API server: the new Secrets hold what the old ones hold."""
    old = {
        "airflow-fernet-key": {"fernet-key": "fernet-value"},
        "airflow-api-secret-key": {"api-secret-key": "api-value"},
        "airflow-jwt-secret": {"jwt-secret": "jwt-value"},
        "git-key": {"gitSshKey": "key-value\n"},
        "airflow-metadata": {
            "connection": "postgresql://airflow:p%40ss@airflow-pgbouncer.airflow:6543/airflow-metadata?sslmode=x"
        },
    }
    api_server.kubectl("create", "namespace", "airflow")
    for name, data in old.items():
        text = yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
        api_server.kubectl("apply", "-n", "airflow", "-f", "-", stdin=text)
    conversion = convert([CASES / "with-pgbouncer.yaml"])
    path = f"{Path(api_server.program('kubectl')).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "KUBECONFIG": str(api_server.kubeconfig)}
    printed = ""
    git = [found for found in convert([CASES / "private-git.yaml"]).commands if "airflow-git" in found.command]
    for command in [*conversion.commands, *git]:
        done = subprocess.run(
            ["bash", "-ec", command.command], capture_output=True, text=True, check=True, env=environment
        )
        printed += done.stdout + done.stderr
    made = {
        name: json.loads(api_server.kubectl("get", "secret", "-n", "airflow", name, "-o", "json").stdout)["data"]
        for name in ("airflow-keys", "airflow-database", "airflow-git")
    }
    import base64

    plain = {
        name: {key: base64.b64decode(value).decode() for key, value in data.items()} for name, data in made.items()
    }
    assert plain["airflow-keys"] == {
        "fernet-key": "fernet-value",
        "api-secret-key": "api-value",
        "jwt-secret": "jwt-value",
    }
    assert plain["airflow-git"] == {
        "ssh-privatekey": "key-value\n",
        "known_hosts": "git.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample\n",
    }
    # the way through the old release's PgBouncer ends with it
    assert plain["airflow-database"] == {
        "connection": "postgresql://airflow:p%40ss@db.example.com:5432/airflow?sslmode=x"
    }
    assert "value" not in printed and "p%40ss" not in printed
