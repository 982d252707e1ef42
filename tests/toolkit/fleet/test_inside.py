"""What `doctor --inside` makes of real renderings of this chart, and what it does with a cluster that misbehaves.

The cluster is one in memory, which answers as a kubelet is told to: the faults are what a real one can't be made to
show. tests/lab/airflow/test_fleet.py asks a real one.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from airfleet.fleet import inside, visit
from airfleet.fleet.airflow import Airflow
from airfleet.fleet.doctor import Check
from airfleet.fleet.inside import NOTHING, Question, image_questions, job_of, look_at, pod_of, selects
from airfleet.fleet.inventory import read_fleet
from airfleet.fleet.live import Live
from airfleet.fleet.pod_security import violations
from airfleet.fleet.render import Rendering, render
from airfleet.fleet.resolve import resolve
from airfleet.fleet.strict import errors
from airfleet.fleet.visit import Visit
from airfleet.helm import helm
from airfleet.paths import project_root

URL = "postgresql://airflow:c4nary-p%40ss@db.example.com:5432/airflow"
IMAGE = "registry.example.com/data/airflow:3.3.2"
OIDC = {
    "enabled": True,
    "issuer": "https://login.example.com/",
    "clientId": "airflow",
    "secretName": "sso-client",
    "roleMapping": {"*": ["Viewer"]},
}
PATHS = {"ConfigMap": "api/v1", "Secret": "api/v1", "ServiceAccount": "api/v1", "Event": "api/v1", "Pod": "api/v1"}
PATHS |= {"NetworkPolicy": "apis/networking.k8s.io/v1", "Job": "apis/batch/v1", "Deployment": "apis/apps/v1"}
PATHS |= {"StatefulSet": "apis/apps/v1"}


@pytest.fixture(scope="module")
def example() -> Rendering:
    """The example fleet's cluster prod-eu-1."""
    read = read_fleet(project_root() / "values" / "fleet.yaml")
    (found,) = render(read, resolve(read, read.select(names=["prod-eu-1"])))
    return found


@pytest.fixture
def rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rendering]:
    """This project's chart with values of the test's own."""
    monkeypatch.setenv("AIRFLEET_HELM", str(helm()))

    def made(**values: Any) -> Rendering:
        chart = {"chart": str(project_root() / "chart"), "axes": ["env"], "release": "airflow", "namespace": "airflow"}
        cluster = {"axes": {"env": "lab"}, "kubernetes": "1.36", "context": "x", "values": values}
        files = {"fleet.yaml": chart, "base.yaml": {"image": {"repository": IMAGE.rpartition(":")[0]}}}
        files |= {"env/lab.yaml": {}, "clusters/lab.yaml": cluster}
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(yaml.safe_dump(content) if content else "")
        read = read_fleet(tmp_path / "fleet.yaml")
        (found,) = render(read, resolve(read, read.select()))
        return found

    return made


def secret(name: str, **data: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"kind": "Secret", "metadata": {"name": name}, "data": encoded}


BROUGHT = [
    secret("airflow-database", connection=URL),
    secret("git-dags", username="robot", password="another-canary"),
    {"kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": "x"}},
]


def ran(fine: bool = True, seen: str = "it answers", fix: str = "") -> dict[str, Any]:
    """The state of a pod whose program has answered."""
    return ended(json.dumps({"fine": fine, "seen": seen, "fix": fix}))


def ended(message: str, code: int = 0, reason: str = "Completed", container: str = "base") -> dict[str, Any]:
    state = {"terminated": {"exitCode": code, "reason": reason, "message": message}}
    return {"phase": "Succeeded", "containerStatuses": [{"name": container, "image": "x", "state": state}]}


def waits(reason: str, message: str, container: str = "base") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"name": container, "image": "x", "state": state}]}


def pulled(container: str) -> dict[str, Any]:
    """What containerd makes of an image in which the command is not."""
    return ended(f'exec: "{NOTHING}": stat {NOTHING}: no such file or directory', 128, "StartError", container)


@dataclass
class Api:
    """A cluster in memory: objects by their path, what belongs to a deleted one goes with it, and Jobs make pods."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: Callable[[str, dict[str, Any]], dict[str, Any] | None] = lambda asked, spec: {}
    refuse: Callable[[str, str], str] = lambda method, path: ""
    made: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    server: str = "https://in.memory"
    context: str = "x"

    def identity(self) -> str:
        return "uid"

    def add(self, *objects: Mapping[str, Any], manager: str = "helm") -> None:
        for obj in objects:
            metadata = {**obj["metadata"], "managedFields": [{"manager": manager}]}
            metadata |= {"uid": f"uid-{metadata['name']}", "resourceVersion": "1"}
            plural = re.sub("ys$", "ies", f"{obj['kind'].lower()}s")
            root = f"/{PATHS[obj['kind']]}/namespaces/{metadata.get('namespace') or 'airflow'}"
            self.objects[f"{root}/{plural}/{metadata['name']}"] = {**obj, "metadata": metadata}

    def ask(self, method: str, path: str, query: Any = None, body: Any = None, content: str = "") -> Any:
        if why := self.refuse(method, path):
            return 403, {"message": why}
        if method == "GET":
            return self._get(path, query or {})
        if method == "POST":
            assert f"{path}/{body['metadata']['name']}" not in self.objects
            assert not [*errors(body, "1.36")], [*errors(body, "1.36")]
            self.made.append((path, body))
            self.add(body, manager=query["fieldManager"])
            return 201, self.objects[f"{path}/{body['metadata']['name']}"]
        if path not in self.objects:
            return 404, {"message": "not found"}
        if method == "PATCH":
            assert content == "application/merge-patch+json"
            self.objects[path]["spec"] |= body["spec"]
            self._start(self.objects[path])
            return 200, self.objects[path]
        assert method == "DELETE"
        only = body.get("preconditions") or {}
        assert all(self.objects[path]["metadata"][key] == value for key, value in only.items())
        uid = self.objects.pop(path)["metadata"]["uid"]
        owned = [
            p for p, o in self.objects.items() if uid in [w["uid"] for w in o["metadata"].get("ownerReferences", ())]
        ]
        for each in owned:
            del self.objects[each]
        return 200, {}

    def _get(self, path: str, query: Mapping[str, str]) -> Any:
        if re.fullmatch("/(api|apis/[^/]+)/v1", path):
            kinds = [k for k, root in PATHS.items() if f"/{root}" == path]
            names = {kind: re.sub("ys$", "ies", f"{kind.lower()}s") for kind in kinds}
            return 200, {"resources": [{"kind": k, "name": n, "namespaced": True} for k, n in names.items()]}
        if path == "/api/v1/namespaces/airflow":
            return 200, {}
        if path.endswith(("/pods", "/events")):
            asked = query.get("labelSelector", "").partition("=")[2]
            wanted = query.get("fieldSelector", "").partition(",")[0].partition("=")[2]
            matches = lambda o: asked in str(o["metadata"].get("labels")) and wanted in str(o.get("involvedObject"))
            return 200, {"items": [o for p, o in self.objects.items() if p.startswith(path) and matches(o)]}
        found = self.objects.get(path)
        return (200, found) if found else (404, {"message": "not found"})

    def _start(self, job: Mapping[str, Any]) -> None:
        name, template = job["metadata"]["name"], job["spec"]["template"]
        status = self.pods(name.split("-")[2], template["spec"])
        if status is None:
            return
        labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
        metadata = {"name": f"{name}-x", "labels": labels, "ownerReferences": [{"uid": job["metadata"]["uid"]}]}
        spec = {**template["spec"], "nodeName": "node-1"}
        self.add({"kind": "Pod", "metadata": metadata, "spec": spec, "status": status})

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [body for _, body in self.made if body["kind"] == kind]


def answers(asked: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Every program has its answer, every image is there."""
    return pulled(spec["containers"][0]["name"]) if asked == "image" else ran(seen=f"{asked} answers")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit, "_POLL", 0)


def live(api: Api, rendering: Rendering) -> Live:
    return Live(rendering.resolved.cluster, api, "uid")  # type: ignore[arg-type]


def look(api: Api, rendering: Rendering, seconds: float = 60, stop: Callable[[], bool] = lambda: False) -> list[Check]:
    before = dict(api.objects)
    try:
        return Visit("airflow", seconds, stop)(live(api, rendering), rendering)
    finally:
        assert api.objects == before, "something stays"


def seen(checks: list[Check], name: str) -> list[str]:
    return [check.seen for check in checks if check.name == name]


def questions(rendering: Rendering, *there: Mapping[str, Any]) -> dict[str, Question]:
    api = Api()
    api.add(*there)
    return {each.name: each for each in Airflow().questions(live(api, rendering), rendering.objects)}


def template_of(question: Question) -> dict[str, Any]:
    return pod_of(question, "airflow")


def test_each_question_is_asked_as_the_component_that_needs_it(example: Rendering) -> None:
    found = questions(example, {"kind": "Deployment", "metadata": {"name": "airflow-pgbouncer"}})
    assert list(found) == ["database", "pooler", "logs", "identity"]
    assert found["identity"].skipped == "passwords are Airflow's own"
    account = {"database": "bootstrap", "pooler": "scheduler", "logs": "worker"}
    for name, component in account.items():
        template = template_of(found[name])
        assert template["spec"]["serviceAccountName"] == f"airflow-{component}"
        assert template["metadata"]["labels"]["app.kubernetes.io/component"] == component
        assert template["spec"]["imagePullSecrets"] == [{"name": "registry"}]
        assert template["spec"].get("initContainers") == []
        (container,) = template["spec"]["containers"]
        assert container["image"] == IMAGE
        assert container["command"][:2] == ["python", "-c"]
    asked = {name: found[name].command[3:] for name in account}
    assert asked == {"database": ("database",), "pooler": ("database",), "logs": ("logs", "client")}


def test_the_database_is_asked_with_the_files_that_its_users_mount(rendered: Callable[..., Rendering]) -> None:
    parts = {"host": "db", "name": "airflow", "user": "airflow", "secretName": "mine", "secretKeys": {"password": "pw"}}
    tls = {"mode": "verify-full", "ca": {"configMap": "authority", "key": "ca.pem"}}
    template = template_of(questions(rendered(database={**parts, "tls": tls}))["database"])
    volumes = {each["name"]: each for each in template["spec"]["volumes"]}
    assert volumes["airfleet-doctor"]["secret"]["secretName"] == "mine"
    assert volumes["airfleet-doctor"]["secret"]["items"] == [{"key": "pw", "path": "database/password"}]
    (container,) = template["spec"]["containers"]
    told = json.loads(next(each["value"] for each in container["env"] if each["name"] == "AIRFLEET_DATABASE"))
    assert (told["host"], told["tls"]["sslmode"]) == ("db", "verify-full")
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    assert {"/opt/airfleet/secrets", "/opt/airfleet/database-tls"} <= mounts


def test_what_comes_with_the_first_installation_is_skipped_before_it(rendered: Callable[..., Rendering]) -> None:
    new = rendered(postgres={"embedded": True}, pgbouncer={"enabled": True})
    assert "embedded PostgreSQL" in questions(new)["database"].skipped
    found = questions(new, {"kind": "StatefulSet", "metadata": {"name": "airflow-postgres"}})
    assert "PgBouncer" in found["pooler"].skipped
    source = template_of(found["database"])["spec"]["volumes"][-1]["secret"]
    assert source["secretName"] == "airflow-database"
    assert source["items"] == [{"key": "connection", "path": "connection"}]


def test_the_log_store_is_asked_by_whoever_finds_the_connection(rendered: Callable[..., Rendering]) -> None:
    assert questions(rendered())["logs"].skipped == "they go to no remote store"
    named = rendered(logs={"remote": {"type": "s3", "folder": "s3://b/a", "connectionId": "store"}})
    assert "the connection store" in questions(named)["logs"].skipped
    made = [secret("airflow-keys"), secret("airflow-admin")]
    found = questions(named, *made)["logs"]
    assert (found.command[3:], template_of(found)["spec"]["serviceAccountName"]) == (
        ("logs", "server"),
        "airflow-triggerer",
    )
    variable = {"pod": {"env": {"AIRFLOW_CONN_STORE": "aws://"}}}
    remote = {"type": "s3", "folder": "s3://b/a", "connectionId": "store"}
    assert questions(rendered(logs={"remote": remote}, **variable))["logs"].command[3:] == ("logs", "client")


def test_the_provider_is_the_one_of_the_values(rendered: Callable[..., Rendering]) -> None:
    asked = lambda **auth: questions(rendered(auth=auth))["identity"]
    base = {"apiServer": {"baseUrl": "https://airflow.example.com"}}
    found = questions(rendered(auth={"oidc": OIDC}, **base))["identity"]
    assert found.command[3:] == ("identity", "https://login.example.com/")
    keycloak = {"url": "https://sso.example.com/", "realm": "data", "clientId": "a", "secretName": "s"}
    found = questions(rendered(auth={"manager": "keycloak", "keycloak": keycloak}, **base))["identity"]
    assert found.command[3:] == ("identity", "https://sso.example.com/realms/data")
    assert asked(webserverConfig="mine").skipped == "nothing is known of a provider in the ConfigMap mine"


def test_a_pod_that_asks_gets_no_traffic_and_holds_nobody_up(rendered: Callable[..., Rendering]) -> None:
    logs = {"persistence": {"enabled": True}}
    auth = {"oidc": OIDC}
    spread = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "a"}]}}
    spread |= {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{}]}}}
    server = {"baseUrl": "https://a.example.com", "affinity": spread, "replicas": 2}
    rendering = rendered(auth=auth, logs=logs, apiServer=server)
    spec = template_of(questions(rendering)["identity"])["spec"]
    assert spec["readinessGates"]  # which nobody sets, so the pod is in no Service
    assert not {"readinessProbe", "livenessProbe", "startupProbe", "ports"} & set(spec["containers"][0])
    assert "topologySpreadConstraints" not in spec
    assert list(spec["affinity"]) == ["nodeAffinity"]
    assert {"name": "logs", "emptyDir": {}} in spec["volumes"]
    (server_of,) = (
        o for o in rendering.objects if o["metadata"]["name"] == "airflow-api-server" and o["kind"] == "Deployment"
    )
    assert "readinessProbe" in server_of["spec"]["template"]["spec"]["containers"][0]  # the rendering is as it was


def test_what_a_pods_own_containers_bring_is_brought_here_too(rendered: Callable[..., Rendering]) -> None:
    """A proxy to the database, or a password that is fetched; what waits for the migration would wait without end."""
    own = {"initContainers": {"fetch": {"image": "f"}}, "sidecars": {"proxy": {"image": "p"}}}
    spec = template_of(
        questions(rendered(pod=own, auth={"oidc": OIDC}, apiServer={"baseUrl": "https://a"}))["identity"]
    )
    names = [each["name"] for each in spec["spec"]["initContainers"]]
    assert names == ["fetch", "proxy"]


def test_encrypted_layers_are_opened_and_never_asked_about_with_placeholders(
    rendered: Callable[..., Rendering], tmp_path: Path
) -> None:
    rendered()
    sealed = "config: {core: {a: 'ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]'}}\nsops: {mac: x}\n"
    (tmp_path / "clusters" / "lab.sops.yaml").write_text(sealed)
    env = {**os.environ, "AIRFLEET_SOPS": "/bin/false", "KUBECONFIG": str(tmp_path / "none")}
    argv = [sys.executable, "-c", "from airfleet.cli import main; main()", "doctor", "--fleet", str(tmp_path)]
    done = subprocess.run([*argv, "--inside"], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, "AIRFLEET_SOPS is not SOPS" in done.stderr) == (1, True)
    without = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert (without.returncode, "there is no context x" in without.stdout) == (1, True)


def test_kubernetes_and_a_restricted_namespace_take_the_jobs(example: Rendering) -> None:
    asked = [*questions(example, {"kind": "Deployment", "metadata": {"name": "airflow-pgbouncer"}}).values()]
    asked += image_questions(example.objects, "airflow")
    for question in asked:
        if not question.skipped:
            job = job_of("airfleet-doctor-x-1", "airflow", template_of(question), 300)
            assert [*errors(job, "1.33")] == []
            assert [*violations(job["spec"]["template"]["spec"], "restricted")] == []
            ends = {"suspend": True, "activeDeadlineSeconds": 360, "ttlSecondsAfterFinished": 60, "backoffLimit": 0}
            assert job["spec"] | ends == job["spec"]


def test_dollars_of_the_program_are_not_expanded(example: Rendering) -> None:
    program = "print('$(HOME) $$ $x $')"
    question = replace(questions(example)["database"], command=("python", "-c", program))
    (container,) = template_of(question)["spec"]["containers"]
    expanded = re.sub(r"\$(\$|\(\w+\))", lambda match: "$" if match[1] == "$" else "?", container["command"][2])
    assert expanded == program


def test_each_image_is_asked_for_once_and_as_a_pod_that_has_it(example: Rendering) -> None:
    found = image_questions(example.objects, "airflow", [("airflow", IMAGE)])
    about = {each.pod["spec"]["containers"][0]["image"].split("/")[-1].split(":")[0]: each for each in found}
    assert set(about) == {"pgbouncer", "statsd-exporter"}
    spec = template_of(about["pgbouncer"])["spec"]
    assert spec["serviceAccountName"] == "airflow-pgbouncer"
    assert (spec["containers"][0]["command"], spec["volumes"]) == ([NOTHING], [])
    assert template_of(about["pgbouncer"])["metadata"]["labels"] == {inside.LABEL: "airflow"}  # no policy, no Service


def test_before_the_first_installation(example: Rendering) -> None:
    """Everything that is not there is made, belongs to a Job, and is gone again."""
    api = Api(pods=answers)
    api.add(*BROUGHT)
    checks = look(api, example)
    assert all(check.fine for check in checks), checks
    assert seen(checks, "database") == ["database answers"]
    assert seen(checks, "logs") == ["logs answers"]
    assert seen(checks, "pooler") == ["skipped: PgBouncer comes with the first installation"]
    images = seen(checks, "image")
    assert len(images) == 3
    assert f"{IMAGE}: there, on node-1" in images
    jobs = {job["metadata"]["name"]: job for job in api.of("Job")}
    assert sorted(name.split("-")[2] for name in jobs) == ["database", "image", "image", "logs"]  # Airflow's is shown
    for path, body in api.made:
        assert body["metadata"]["labels"]["airfleet/doctor"] == "airflow"
        if body["kind"] not in ("Job", "ServiceAccount"):
            (owner,) = body["metadata"]["ownerReferences"]
            assert (owner["kind"], owner["name"] in jobs, body["metadata"]["name"].startswith(owner["name"])) == (
                ("Job", True, True)
            )
            assert path.startswith("/api")
    accounts = {each["metadata"]["name"]: each["metadata"] for each in api.of("ServiceAccount")}
    assert set(accounts) == {f"airflow-{name}" for name in ("bootstrap", "worker", "pgbouncer", "metrics")}
    for metadata in accounts.values():  # what Helm takes for its own, should it stay
        assert metadata["annotations"]["meta.helm.sh/release-name"] == "airflow"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    rules = {each["metadata"]["name"].rpartition("-")[2] for each in api.of("NetworkPolicy")}
    assert rules == {"bootstrap", "worker"}


def test_the_pods_refer_to_what_is_rendered_not_to_what_is_there(example: Rendering) -> None:
    api = Api(pods=answers)
    api.add(*BROUGHT, {"kind": "ConfigMap", "metadata": {"name": "airflow-config"}, "data": {"airflow.cfg": "[old]"}})
    look(api, example)
    (job,) = (job for job in api.of("Job") if "-database-" in job["metadata"]["name"])
    names = {v["name"]: v["configMap"]["name"] for v in job["spec"]["template"]["spec"]["volumes"] if "configMap" in v}
    copies = {each["metadata"]["name"]: each["data"] for each in api.of("ConfigMap")}
    original = {o["metadata"]["name"]: o["data"] for o in example.objects if o["kind"] == "ConfigMap"}
    assert copies[names["config"]] == original["airflow-config"]
    assert copies[names["boot"]] == original["airflow-boot"]


def test_what_an_installed_release_has_is_not_made_again(example: Rendering) -> None:
    api = Api(pods=answers)
    api.add(*BROUGHT, secret("airflow-keys", **dict.fromkeys(("fernet-key", "api-secret-key", "jwt-secret"), "x" * 9)))
    api.add(*(o for o in example.objects if o["kind"] in ("ServiceAccount", "NetworkPolicy", "Deployment")))
    checks = look(api, example)
    assert seen(checks, "pooler") == ["pooler answers"]
    assert {body["kind"] for _, body in api.made} == {"Job", "ConfigMap"}


def test_a_secret_that_somebody_has_to_bring_is_named_and_nothing_hangs(example: Rendering) -> None:
    api = Api(pods=answers)
    api.add(secret("airflow-database", url=URL), BROUGHT[-1])
    checks = look(api, example)
    (database,) = (check for check in checks if check.name == "database")
    assert database.seen == "the Secret airflow-database has no key connection"
    assert database.fix == "add it; it has url"
    assert seen(checks, "logs") == ["the Secret git-dags is not there"]
    assert {job["metadata"]["name"].split("-")[2] for job in api.of("Job")} == {"image"}
    assert f"{IMAGE}: there, on node-1" in seen(checks, "image")  # which no question has shown by itself


def test_secrets_that_the_bootstrap_makes_may_be_missing_before_it(rendered: Callable[..., Rendering]) -> None:
    api = Api(pods=answers)
    api.add(*BROUGHT, secret("sso-client", **{"client-secret": "canary-client"}))
    rendering = rendered(auth={"oidc": OIDC}, apiServer={"baseUrl": "https://a.example.com"})
    assert seen(look(api, rendering), "identity") == ["identity answers"]
    (job,) = (job for job in api.of("Job") if "-identity-" in job["metadata"]["name"])
    (volume,) = (v for v in job["spec"]["template"]["spec"]["volumes"] if v["name"] == "secrets")
    optional = {s["secret"]["name"]: s["secret"].get("optional", False) for s in volume["projected"]["sources"]}
    assert optional == {
        "airflow-database": False,
        "airflow-keys": True,
        "airflow-jwt-overlap": True,
        "sso-client": False,
    }


def test_an_image_that_can_not_be_pulled_is_told_in_the_kubelets_words(example: Rendering) -> None:
    why = 'failed to pull and unpack image "x": not found'

    def pods(asked: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        wrong = spec["containers"][0]["image"] == IMAGE
        return waits("ErrImagePull", why, spec["containers"][0]["name"]) if wrong else answers(asked, spec)

    api = Api(pods=pods)
    api.add(*BROUGHT)
    checks = look(api, example)
    assert seen(checks, "image")[0] == f"{IMAGE}: ErrImagePull: {why}"  # once, though two questions run it
    assert [check.fine for check in checks if check.name == "image"] == [False, True, True]
    assert seen(checks, "database") == seen(checks, "logs") == ["not asked: its image is missing"]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (
            waits("CreateContainerConfigError", "no such key"),
            "the container base does not start: Create.*: no such key",
        ),
        (ended("Traceback\nBoom", 1, "Error"), r"the program ended with 1 \(Error\) and no answer: Traceback\nBoom"),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "low on memory"},
            "the pod failed: Evicted: low on memory",
        ),
        (
            {"initContainerStatuses": ended("no token", 3, "Error", "fetch")["containerStatuses"]},
            "the init container fetch ended with 3: no token",
        ),
    ],
)
def test_a_pod_that_does_not_come_to_an_answer(status: dict[str, Any], told: str) -> None:
    spec = {"containers": [{"name": "base", "image": "i"}], "initContainers": [{"name": "fetch", "image": "f"}]}
    answer = look_at({"spec": spec, "status": status}, Question("database", command=("python",)))
    assert answer is not None
    assert not answer.fine
    assert re.fullmatch(told, answer.seen)


def test_an_image_without_the_command_is_there_whatever_the_runtime_makes_of_it() -> None:
    spec = {"containers": [{"name": "base", "image": "i"}]}
    for status in (pulled("base"), waits("CreateContainerError", f"executable file `{NOTHING}` not found in $PATH")):
        answer = look_at({"spec": spec, "status": status}, Question("image"))
        assert (answer and answer.fine, answer and answer.images) == (True, ("i",))
    refused = look_at({"spec": spec, "status": waits("CreateContainerConfigError", "runs as root")}, Question("image"))
    assert refused is not None
    assert not refused.fine


def test_nothing_is_told_that_a_secret_holds(example: Rendering) -> None:
    told = f"cannot use {URL}: c4nary-p%40ss, c4nary-p@ss of airflow"
    api = Api(pods=lambda asked, spec: ran(False, told) if asked == "database" else answers(asked, spec))
    api.add(*BROUGHT)
    (line,) = seen(look(api, example), "database")
    assert "c4nary" not in line
    assert line.startswith("cannot use (secret): ")
    assert line.endswith(" of airflow")


def test_the_place_of_the_database_may_be_told_when_it_comes_from_a_secret(rendered: Callable[..., Rendering]) -> None:
    keys = {"host": "host", "password": "pw", "name": "dbname", "user": "user", "port": "port"}
    whole = secret("mine", host="db.example.com", pw="c4nary", dbname="metadata", user="robot", port="5432")
    told = "db.example.com:5432 refuses robot with c4nary for metadata"
    api = Api(pods=lambda asked, spec: ran(False, told) if asked == "database" else answers(asked, spec))
    api.add(whole, BROUGHT[-1])
    checks = look(api, rendered(database={"secretName": "mine", "secretKeys": keys}))
    assert seen(checks, "database") == ["db.example.com:5432 refuses robot with (secret) for metadata"]


@pytest.mark.parametrize("jobs", [1, 4], ids=["while it begins", "while it waits"])
def test_ctrl_c_leaves_nothing(example: Rendering, jobs: int) -> None:
    api = Api()  # its pods never answer
    api.add(*BROUGHT)
    with pytest.raises(InterruptedError):
        look(api, example, seconds=2, stop=lambda: len(api.of("Job")) == jobs)
    assert len(api.of("Job")) == jobs


def test_a_refusal_in_the_middle_leaves_nothing_and_is_told(example: Rendering) -> None:
    refuse = lambda method, path: "no configmaps for you" if (method, path[-10:]) == ("POST", "configmaps") else ""
    api = Api(pods=answers, refuse=refuse)
    api.add(*BROUGHT)
    (line,) = seen(look(api, example), "database")
    assert line == "the cluster refuses POST /api/v1/namespaces/airflow/configmaps: no configmaps for you"
    assert api.of("Job")


def test_what_can_not_be_deleted_is_said(example: Rendering, capsys: pytest.CaptureFixture[str]) -> None:
    api = Api(pods=answers, refuse=lambda method, path: "not yours" if method == "DELETE" else "")
    api.add(*BROUGHT)
    with pytest.raises(AssertionError, match="something stays"):
        look(api, example)
    assert re.search(
        r"/jobs/airfleet-doctor-database-\w+ on prod-eu-1 could not be deleted: not yours", capsys.readouterr().err
    )


def test_an_account_that_helm_has_taken_over_stays(example: Rendering) -> None:
    api = Api()
    account = "/api/v1/namespaces/airflow/serviceaccounts/airflow-bootstrap"

    def pods(asked: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        if asked == "database":
            api.objects[account]["metadata"]["managedFields"].append({"manager": "helm"})
        return answers(asked, spec)

    api.pods = pods
    api.add(*BROUGHT)
    Visit("airflow", 60, lambda: False)(live(api, example), example)
    assert [path for path in api.objects if "serviceaccounts" in path or "jobs" in path] == [account]


def test_a_pod_that_nobody_makes_or_starts_says_why(example: Rendering) -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}

    def pods(asked: str, spec: Mapping[str, Any]) -> dict[str, Any] | None:
        return {"database": None, "logs": {"conditions": [unscheduled]}}.get(asked, answers(asked, spec))

    api = Api(pods=pods)
    api.add(*BROUGHT)
    event = {"kind": "Event", "metadata": {"name": "e"}, "reason": "FailedCreate", "message": "exceeded quota: team"}
    started = Api._start

    def with_event(self: Api, job: Mapping[str, Any]) -> None:
        if "-database-" in job["metadata"]["name"]:
            uid = job["metadata"]["uid"]
            owned = {**event["metadata"], "ownerReferences": [{"uid": uid}]}
            self.add({**event, "metadata": owned, "involvedObject": {"uid": uid}})
        started(self, job)

    api._start = lambda job: with_event(api, job)  # type: ignore[method-assign]
    checks = look(api, example, seconds=0.05)
    assert seen(checks, "database") == ["no pod is admitted: FailedCreate: exceeded quota: team"]
    assert seen(checks, "logs") == ["no answer in 0 s: Unschedulable: 0/3 nodes"]


def test_a_namespace_that_is_not_there(example: Rendering) -> None:
    api = Api(pods=answers)
    api._get = lambda path, query: (404, {})  # type: ignore[method-assign]
    checks = look(api, example)
    assert seen(checks, "database") == ["the namespace airflow is not there"]
    assert api.made == []


def test_a_chart_of_which_nothing_is_known_is_asked_for_its_images(example: Rendering) -> None:
    api = Api(pods=answers)
    checks = Visit("none", 60, lambda: False)(live(api, example), example)
    assert {check.name for check in checks} == {"image"}
    assert len(checks) == 3


def test_a_release_of_another_chart_says_so(example: Rendering) -> None:
    empty = replace(example, text="")
    checks = Visit("airflow", 60, lambda: False)(live(Api(), example), empty)
    assert [(check.name, check.seen) for check in checks] == [("inside", "the release has no bootstrap Job")]


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
    ],
)
def test_selectors(selector: dict[str, Any], matches: bool) -> None:
    assert selects(selector, {"a": "1"}) is matches


@pytest.fixture(autouse=True)
def none_is_real(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test here may reach a cluster."""
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")
    yield
