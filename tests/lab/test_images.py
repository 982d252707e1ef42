"""The built images, run as a container runtime would run them: a read-only root, no privilege, any user id."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from airfleet import image
from airfleet.helm import run_helm
from airfleet.image.build import images_dir
from airfleet.image.contents import contents
from airfleet.image.recipe import base_digest, inputs_dir
from airfleet.machine import is_root
from airfleet.paths import project_root
from airfleet.supply.images import Image as SupplyImage
from airfleet.supply.sbom import document

pytestmark = pytest.mark.skipif(not is_root(), reason="images are built and entered as root")

AIRFLOW = 50000
ARBITRARY = 1000700000  # what OpenShift gives a namespace

# Mounts, then the program as pid 1 of its own pid namespace, under another user id and with no way to more rights.
ENTER = """
root=$1 user=$2 group=$3 directory=$4; shift 4
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount -t tmpfs dev "$root/dev"
mkdir -m 1777 "$root/dev/shm"
for device in null zero full random urandom; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
while [ "$1" != -- ]; do mount --bind "${1#*=}" "$root/${1%%=*}"; shift; done
shift
exec chroot --userspec="$user:$group" --groups="$group" "$root" env -i --chdir="$directory" "$@"
"""


@dataclass(frozen=True)
class Unpacked:
    """An image's files, and how its containers start."""

    root: Path
    config: dict[str, Any]

    def command(
        self,
        args: Sequence[str],
        user: int,
        group: int = 0,
        env: Mapping[str, str] | None = None,
        mounts: Mapping[str, Path] | None = None,
    ) -> list[str]:
        variables = [*self.config["Env"], *(f"{name}={value}" for name, value in (env or {}).items())]
        return [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", ENTER, "enter"),
            *(str(self.root), str(user), str(group), self.config["WorkingDir"]),
            *(f"{where}={directory}" for where, directory in (mounts or {}).items()),
            *("--", *variables, *self.config["Entrypoint"], *args),
        ]

    def run(self, args: Sequence[str], user: int, **how: Any) -> subprocess.CompletedProcess[str]:
        command = self.command(args, user, **how)
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def unpack(kind: str, place: Path) -> Unpacked:
    """What `ctr images import` and a snapshotter make of the archive (it has no whiteouts that matter here)."""
    with tarfile.open(image.ensure(kind).archive) as archive:
        archive.extractall(place / "archive", filter="data")
    manifest = json.loads((place / "archive" / "manifest.json").read_text())[0]
    for layer in manifest["Layers"]:
        (place / "root").mkdir(exist_ok=True)
        into = ["--directory", place / "root", "--file", place / "archive" / layer]
        subprocess.run(["tar", "--extract", "--zstd", "--numeric-owner", "--same-permissions", *into], check=True)
    config = json.loads((place / "archive" / manifest["Config"]).read_text())["config"]
    return Unpacked(place / "root", config)


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    return unpack("airflow", tmp_path_factory.mktemp("airflow"))


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    return unpack("postgres", tmp_path_factory.mktemp("postgres"))


@pytest.fixture
def airflow_home(tmp_path: Path) -> dict[str, Any]:
    """With a read-only root airflow.cfg must exist and logs must be writable; no database is waited for."""
    (tmp_path / "airflow.cfg").touch()
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs").chmod(0o777)
    return {
        "env": {"AIRFLOW_CONFIG": "/opt/airflow/config/airflow.cfg", "CONNECTION_CHECK_MAX_COUNT": "0"},
        "mounts": {"opt/airflow/config": tmp_path, "opt/airflow/logs": tmp_path / "logs"},
    }


@pytest.mark.parametrize("user", [AIRFLOW, ARBITRARY])
@pytest.mark.parametrize(
    "args",
    [["version"], ["airflow", "version"], ["bash", "-c", "airflow version"], ["python", "-m", "airflow", "version"]],
    ids=" ".join,
)
def test_every_form_of_the_entrypoint(
    airflow: Unpacked, airflow_home: dict[str, Any], args: list[str], user: int
) -> None:
    done = airflow.run(args, user, **airflow_home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "3.3.2"


def test_a_user_outside_group_0_is_refused(airflow: Unpacked, airflow_home: dict[str, Any]) -> None:
    done = airflow.run(["version"], 1234, group=1234, **airflow_home)
    assert done.returncode == 1
    assert "group id 0" in done.stderr


def test_commands_wait_for_the_database_and_say_that_it_did_not_answer(
    airflow: Unpacked, airflow_home: dict[str, Any]
) -> None:
    airflow_home["env"] |= {
        "CONNECTION_CHECK_MAX_COUNT": "1",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://nobody@127.0.0.1:1/nothing",
    }
    done = airflow.run(["version"], AIRFLOW, **airflow_home)
    assert done.returncode == 1
    assert "the metadata database did not answer" in done.stderr


def test_signals_reach_the_program_and_its_exit_code_comes_back(
    airflow: Unpacked, airflow_home: dict[str, Any]
) -> None:
    script = "trap 'exit 7' TERM; kill -TERM $$; sleep 30"
    assert airflow.run(["bash", "-c", script], AIRFLOW, **airflow_home).returncode == 7


LOADED_BYTECODE = """
import airflow.sdk, importlib.util, sys
cached = {m.__cached__ for m in list(sys.modules.values()) if getattr(m, "__cached__", None)}
headers = [open(path, "rb").read(8) for path in cached]
print(len(headers), {int.from_bytes(header[4:8], "little") for header in headers})
"""


def test_what_is_imported_has_bytecode_that_no_time_stamp_can_make_stale(
    airflow: Unpacked, airflow_home: dict[str, Any]
) -> None:
    done = airflow.run(["python", "-c", LOADED_BYTECODE], ARBITRARY, **airflow_home)
    assert done.returncode == 0, done.stderr
    count, flags = done.stdout.split(maxsplit=1)
    assert int(count) > 300
    assert flags.strip() == "{1}"  # 1: by hash of the source, and not checked


def test_the_boot_files_run_if_they_are_those_of_the_chart(airflow: Unpacked, airflow_home: dict[str, Any]) -> None:
    """The very command of a worker's pod template, with boot.source: image."""
    values = {"boot": {"source": "image"}, "image": {"repository": "registry.example.com/airflow"}}
    command = worker_command(values)
    run = lambda argv: airflow.run(["bash", "-c", 'exec "$@"', "--", *argv], ARBITRARY, **airflow_home)
    # The launcher executes what is no workload as it stands.
    done = run([*command, "python", "-c", "print('it ran')"])
    assert (done.returncode, done.stdout) == (0, "it ran\n"), done.stderr
    wrong = run([*command[:3], "0" * 16, *command[4:], "python", "-c", "print('it ran')"])
    assert wrong.returncode == 78
    assert f"the image has {command[3]}, the chart has {'0' * 16}" in wrong.stdout
    # An image of another origin has none.
    look = command[2].replace("/opt/airfleet/boot/digest", "/opt/airfleet/boot/none")
    missing = run([*command[:2], look, *command[3:], "python", "-c", "print('it ran')"])
    assert missing.returncode == 78
    assert "the image has none" in missing.stdout


def worker_command(values: dict[str, Any]) -> list[str]:
    rendered = run_helm(
        ["template", "airflow", str(project_root() / "chart"), "--values", "-"], stdin=json.dumps(values)
    ).stdout
    maps = (o for o in yaml.safe_load_all(rendered) if o and o["kind"] == "ConfigMap")
    (templates,) = [o["data"] for o in maps if o["metadata"]["name"] == "airflow-pod-templates"]
    command: list[str] = yaml.safe_load(templates["default.yaml"])["spec"]["containers"][0]["command"]
    return command


def test_an_image_holds_the_packages_of_its_lock_and_the_bill_says_so(airflow: Unpacked) -> None:
    found = contents(image.ensure("airflow").archive)
    lock = re.findall(
        r"^([a-z0-9][a-z0-9._-]*)==(\S+) ", (inputs_dir() / "requirements.lock").read_text(), re.MULTILINE
    )
    assert [(p.name, p.version) for p in found.python] == sorted((re.sub(r"[-_.]+", "-", n), v) for n, v in lock)
    packages = subprocess.run(
        ["dpkg-query", f"--admindir={airflow.root}/var/lib/dpkg", "--show", "--showformat=${Package} ${Version}\n"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert sorted(f"{p.name} {p.version}" for p in found.debian) == sorted(packages)
    ours = SupplyImage(image.reference("airflow"))
    bill = document(project_root() / "chart", [ours], {ours.reference: image.ensure("airflow")})
    assert len(bill["components"]) == 1 + len(lock) + len(packages)


def test_the_stock_image_has_none_as_the_official_one(tmp_path: Path) -> None:
    stock = unpack("airflow-stock", tmp_path)
    assert not (stock.root / "opt/airfleet").exists()
    assert not list((stock.root / "home/airflow/.local").rglob("*.pyc"))
    assert list((stock.root / "usr/lib/python3.11").rglob("*.pyc"))


@pytest.mark.parametrize("kind", ["airflow", "postgres"])
def test_nothing_of_the_building_machine_is_inside(kind: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(kind).root
    assert not list(root.glob("etc/apt/sources.list*/*"))
    assert not (root / "etc/apt/sources.list").exists()
    assert not list(root.glob("etc/apt/auth.conf*/*"))
    assert not list(root.glob("dev/*"))
    assert not (root / "etc/resolv.conf").read_text()
    machine = {cert.name for cert in Path("/usr/local/share/ca-certificates").rglob("*.crt")}
    assert not machine & {cert.name for cert in root.glob("usr/local/share/ca-certificates/**/*")}
    assert str(Path.home()).encode() not in b"".join(
        path.read_bytes() for path in root.glob("home/airflow/.local/*.cfg")
    )


def test_both_images_share_the_base_layer() -> None:
    layers = []
    for kind in ("airflow", "postgres"):
        with tarfile.open(image.ensure(kind).archive) as archive:
            manifest = archive.extractfile("manifest.json")
            assert manifest
            layers.append(json.load(manifest)[0]["Layers"])
    assert layers[0][0] == layers[1][0]
    assert layers[0][1] != layers[1][1]


def test_a_second_build_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the airflow layer and the archive; the shared layer and the wheels are taken over."""
    first = image.ensure("airflow")
    (tmp_path / "images").mkdir()
    for path in images_dir().glob(f"base-{base_digest()}.*"):
        (tmp_path / "images" / path.name).symlink_to(path)
    for path in images_dir().glob("wheels-*"):
        (tmp_path / "images" / path.name).symlink_to(path)
    monkeypatch.setenv("AIRFLEET_CACHE", str(tmp_path))
    second = image.ensure("airflow")
    assert second.archive != first.archive
    assert second.digest == first.digest
    assert second.archive.read_bytes() == first.archive.read_bytes()


POSTGRES = 999
PASSWORD = "s3cret of many words"


@dataclass(frozen=True)
class Volume:
    """A mounted volume as Kubernetes makes it for an fsGroup: owned by root, writable and inherited by the group."""

    path: Path

    @classmethod
    def make(cls, path: Path, group: int) -> Volume:
        path.mkdir()
        os.chown(path, 0, group)
        path.chmod(0o2775)
        return cls(path)


@contextmanager
def served(
    postgres: Unpacked, tmp_path: Path, volume: Volume, port: int, user: int = 999, group: int = 999, below: str = ""
) -> Iterator[str]:
    """PostgreSQL with its data on a volume (or below its root); yields the connection of the application's user."""
    password = tmp_path / "secret"
    password.mkdir(exist_ok=True)
    (password / "password").write_text(PASSWORD)
    run = tmp_path / "run"
    run.mkdir(exist_ok=True)
    run.chmod(0o777)
    command = postgres.command(
        ["postgres", "-c", "listen_addresses=127.0.0.1", "-c", f"port={port}"],
        user,
        group,
        env={
            "POSTGRES_USER": "airflow",
            "POSTGRES_DB": "airflow_db",
            "POSTGRES_PASSWORD_FILE": "/mnt/password",
            "PGDATA": f"/var/lib/postgresql/data{below}",
        },
        mounts={"var/lib/postgresql/data": volume.path, "run/postgresql": run, "mnt": password},
    )
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"postgresql://airflow@127.0.0.1:{port}/airflow_db"
    try:
        deadline = time.monotonic() + 60
        while query(url, "select 1").returncode != 0:
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.1)
        yield url
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGINT)
        assert process.wait(30) == 0, (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()


def query(url: str, sql: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    psql = image.postgres_programs().bin / "psql"
    argv = [str(psql), "--no-psqlrc", "--tuples-only", "--no-align", "--command", sql, url]
    env = {**os.environ, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "5"}
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=env)


@pytest.mark.parametrize(("user", "group", "port"), [(POSTGRES, POSTGRES, 54311), (ARBITRARY, 0, 54312)])
def test_postgres_makes_its_database_once_and_finds_it_again(
    postgres: Unpacked, tmp_path: Path, user: int, group: int, port: int
) -> None:
    volume = Volume.make(tmp_path / "volume", group)
    with served(postgres, tmp_path, volume, port, user, group, below="/pgdata") as url:
        assert query(url, "create table t as select 41 + 1 as n").returncode == 0
        assert "password authentication failed" in query(url, "select 1", password="wrong").stderr
    with served(postgres, tmp_path, volume, port, user, group, below="/pgdata") as url:
        assert query(url, "select n from t").stdout.strip() == "42"
        assert query(url, "show jit").stdout.strip() == "off"


def test_postgres_goes_below_a_volume_that_it_does_not_own(postgres: Unpacked, tmp_path: Path) -> None:
    volume = Volume.make(tmp_path / "volume", POSTGRES)
    with served(postgres, tmp_path, volume, 54314) as url:
        assert query(url, "show data_directory").stdout.strip() == "/var/lib/postgresql/data/pgdata"
    assert (volume.path / "pgdata" / "PG_VERSION").read_text().strip() == "15"


def test_postgres_takes_up_a_first_start_that_was_cut_off(postgres: Unpacked, tmp_path: Path) -> None:
    volume = Volume.make(tmp_path / "volume", POSTGRES)
    half_made = volume.path / "pgdata" / ".new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("15\n")
    for path in (half_made.parent, half_made, half_made / "PG_VERSION"):
        os.chown(path, POSTGRES, POSTGRES)
    with served(postgres, tmp_path, volume, 54313, below="/pgdata") as url:
        assert query(url, "select 1").stdout.strip() == "1"
    assert not half_made.exists()


def test_postgres_does_not_touch_a_directory_that_holds_something_else(postgres: Unpacked, tmp_path: Path) -> None:
    volume = Volume.make(tmp_path / "volume", POSTGRES)
    (volume.path / "pgdata").mkdir()
    (volume.path / "pgdata" / "precious").write_text("data")
    os.chown(volume.path / "pgdata", POSTGRES, POSTGRES)
    how = {"env": {"POSTGRES_PASSWORD": "x"}, "mounts": {"var/lib/postgresql/data": volume.path}}
    done = postgres.run(["postgres"], POSTGRES, group=POSTGRES, **how)
    assert done.returncode == 1
    assert "holds files but no database" in done.stderr
    assert (volume.path / "pgdata" / "precious").read_text() == "data"


def test_postgres_says_its_version_without_making_a_database(postgres: Unpacked, tmp_path: Path) -> None:
    done = postgres.run(["--version"], POSTGRES, group=POSTGRES, mounts={"var/lib/postgresql/data": tmp_path})
    assert done.stdout.startswith("postgres (PostgreSQL) 15.")
    assert not list(tmp_path.iterdir())


def test_postgres_asks_for_a_password(postgres: Unpacked, tmp_path: Path) -> None:
    volume = Volume.make(tmp_path / "volume", POSTGRES)
    done = postgres.run(["postgres"], POSTGRES, group=POSTGRES, mounts={"var/lib/postgresql/data": volume.path})
    assert done.returncode == 1
    assert "POSTGRES_PASSWORD_FILE" in done.stderr
