"""Every secret is replaced by its runbook while a task runs: the task succeeds at its first try, old secrets end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, InvalidToken

from airfleet.airflow_api import AirflowApi, TaskInstance
from airfleet.errors import AirfleetError
from airfleet.secrets.installed import Installed
from lab_harness.release import Release, until
from lab_harness.runbook import runbook

SESAME = "sesame-4711"
# Asks the triggerer's log server for a file that is not there, with a token signed by the key on standard input.
ASK_FOR_A_LOG = """
import jwt, sys, time, urllib.error, urllib.request
now, key = int(time.time()), sys.stdin.readline().strip()
claims = {"aud": "task-instance-logs", "iat": now, "nbf": now, "exp": now + 60, "filename": "no.log"}
token = jwt.encode(claims, key, algorithm="HS512", headers={"kid": "not-used"})
request = urllib.request.Request(f"http://{sys.argv[1]}:8794/log/no.log", headers={"Authorization": token})
try:
    print(urllib.request.urlopen(request, timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


@pytest.fixture(scope="module")
def installed(airflow: Release) -> Installed:
    return Installed(airflow.cluster, airflow.namespace, airflow.name)


@pytest.fixture(scope="module")
def held(airflow: Release) -> Iterator[str]:
    """A run of `hold`, whose task runs and reads a connection until `let_go`."""
    vault = {"connection_id": "held", "conn_type": "generic", "password": SESAME}
    airflow.api.request("POST", "/api/v2/connections", vault)
    run_id = airflow.start("hold", {"connection": "held", "reversed": SESAME[::-1]})
    until("the task to run", lambda: task(airflow, run_id).state == "running", 90)
    yield run_id
    for left in ("connections/held", "variables/release"):
        airflow.api.send("DELETE", f"/api/v2/{left}")


def task(airflow: Release, run_id: str) -> TaskInstance:
    return airflow.api.task_instances("hold", run_id)[0]


def let_go(airflow: Release) -> None:
    airflow.api.request("POST", "/api/v2/variables", {"key": "release", "value": "go"})


def still_runs(airflow: Release, run_id: str) -> None:
    found = task(airflow, run_id)
    assert (found.state, found.try_number) == ("running", 1)


def record(installed: Installed, kind: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(installed.config_map(f"{installed.fullname}-rotation").get(kind, "{}"))
    return found


def psql(airflow: Release, query: str) -> str:
    argv = ["exec", "airflow-postgres-0", "--", "psql", "-U", "airflow", "-d", "airflow", "-tAc", query]
    return airflow.kubectl(*argv).stdout.strip()


def test_the_administrators_password(airflow: Release, held: str) -> None:
    old = airflow.cluster.secret(airflow.namespace, "airflow-admin")
    told = runbook("reset-admin-password").run(airflow)
    new = airflow.cluster.secret(airflow.namespace, "airflow-admin")
    assert new["password"] in told
    assert new["username"] == old["username"]
    with pytest.raises(AirfleetError, match="401"):
        AirflowApi(airflow._connect).log_in(old["username"], old["password"])
    still_runs(airflow, held)


def test_the_fernet_key_also_after_an_interruption(airflow: Release, installed: Installed, held: str) -> None:
    old = airflow.cluster.secret(airflow.namespace, "airflow-keys")["fernet-key"]
    runbook("rotate-fernet-key").run(airflow, only=("Before",))
    interrupt(airflow, installed, "fernet", after=1)
    interrupt(airflow, installed, "fernet", after=4)
    told = runbook("rotate-fernet-key").run(airflow, only=("Commands", "Verify"))
    assert "put the new key first: it encrypts (done before)" in told
    new = airflow.cluster.secret(airflow.namespace, "airflow-keys")["fernet-key"]
    written = psql(airflow, "SELECT password FROM connection WHERE conn_id = 'held'").encode()
    with pytest.raises(InvalidToken):
        Fernet(old).decrypt(written)
    assert Fernet(new).decrypt(written).decode() == SESAME
    still_runs(airflow, held)


def interrupt(airflow: Release, installed: Installed, kind: str, after: int) -> None:
    """Start a rotation and kill it, with no time to put anything in order, when it has done so many steps."""
    argv = [str(Path(sys.executable).parent / "airfleet"), "secrets", "rotate", kind]
    argv += ["--kubeconfig", str(airflow.cluster.kubeconfig), "--context", airflow.cluster.context]
    argv += ["--namespace", airflow.namespace, "--release", airflow.name]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(f"{after} steps", lambda: int(str(record(installed, kind).get("done", 0))) >= after, 600)
        finally:
            process.send_signal(signal.SIGKILL)


def test_the_databases_password(airflow: Release, installed: Installed, held: str) -> None:
    old = airflow.cluster.secret(airflow.namespace, "airflow-database")
    runbook("rotate-database-password").run(airflow)
    new = airflow.cluster.secret(airflow.namespace, "airflow-database")
    line = json.dumps({"old": old["connection"], "new": new["connection"]})
    found = json.loads(installed.python("connects", "scheduler", line=line))
    assert "password authentication failed" in found["old"]["error"]
    assert found["new"]["user"] == new["username"] != old["username"]
    assert psql(airflow, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == "airflow"
    still_runs(airflow, held)


def test_the_apis_secret_key(airflow: Release, installed: Installed, held: str) -> None:
    old = airflow.cluster.secret(airflow.namespace, "airflow-keys")["api-secret-key"]
    runbook("rotate-api-secret-key").run(airflow)
    new = airflow.cluster.secret(airflow.namespace, "airflow-keys")["api-secret-key"]
    (triggerer,) = airflow.pods("triggerer")
    argv = ["python", "-c", ASK_FOR_A_LOG, triggerer.status.pod_ip]
    pod = installed.pod("api-server")
    asked = {key: installed.cluster.execute(airflow.namespace, pod, argv, line=key).strip() for key in (old, new)}
    assert asked == {old: "403", new: "404"}
    still_runs(airflow, held)


def test_the_jwt_secret_and_that_the_task_lives_through_all_of_it(
    airflow: Release, installed: Installed, held: str
) -> None:
    token = airflow.api.token
    with ThreadPoolExecutor(1) as pool:
        rotating = pool.submit(runbook("rotate-jwt-secret").run, airflow)
        until("the new secret to sign", lambda: switched(installed) or rotating.done(), 600)
        # The task's token is of the old secret, and so is the test's own: both are good until that is dropped.
        still_runs(airflow, held)
        let_go(airflow)
        told = rotating.result()
    assert "jwt-overlap" not in told.split("rotation of jwt: finished")[-1]
    refused = AirflowApi(airflow._connect, token).send("GET", "/api/v2/dags")
    assert refused == (403, '{"detail":"Invalid JWT token"}')  # api_fastapi/core_api/security.py of 3.3.2
    airflow._api = None
    ended = airflow.finish("hold", held)["wait"]
    assert (ended.state, ended.try_number) == ("success", 1), airflow.log(ended)


def switched(installed: Installed) -> bool:
    """Whether both secrets are accepted, and the new one signs."""
    facts = record(installed, "jwt").get("facts", {})
    return isinstance(facts, dict) and "switched" in facts


def test_afterwards_the_same_values_restart_nothing(airflow: Release) -> None:
    before = airflow.control_plane()
    airflow.install()
    assert airflow.control_plane() == before
