"""The rendered airflow.cfg means to Airflow what the values say."""

from __future__ import annotations

import configparser
import json
from pathlib import Path

import pytest

from dags_harness import PRESETS, airflow, rendered

READ = """
import json, warnings
warnings.simplefilter("error")  # a deprecated option must not slip in
from airflow.configuration import conf
known = {section: sorted(about["options"]) for section, about in conf.configuration_description.items()}
print(json.dumps({
    "known": known,
    "executor": conf.get("core", "executor"),
    "api": conf.get("core", "execution_api_server_url"),
    "bundles": conf.getjson("dag_processor", "dag_bundle_config_list"),
    "sensitive": sorted(map(list, conf.sensitive_config_values)),
}))
"""
BUNDLES = """
import json
from airflow.dag_processing.bundles.manager import DagBundlesManager
print(json.dumps({b.name: type(b).__name__ for b in DagBundlesManager().get_all_dag_bundles()}))
"""
AUTH_MANAGER = """
import json
from airflow.api_fastapi.app import get_auth_manager_cls
print(json.dumps(get_auth_manager_cls().__name__))
"""


def config_file(tmp_path: Path, preset: Path | None, name: str = "config") -> Path:
    path = tmp_path / "airflow.cfg"
    path.write_text(rendered(preset)["ConfigMap", f"airflow-{name}"]["data"]["airflow.cfg"])
    return path


@pytest.mark.parametrize("preset", [None, *PRESETS], ids=lambda preset: preset.stem if preset else "defaults")
@pytest.mark.parametrize("name", ["config", "worker-config"])
def test_airflow_knows_every_option(tmp_path: Path, preset: Path | None, name: str) -> None:
    path = config_file(tmp_path, preset, name)
    seen = airflow(READ, tmp_path, AIRFLOW_CONFIG=str(path))
    written = configparser.ConfigParser(interpolation=None)
    written.read(path)
    unknown = [
        f"{section}.{option}"
        for section in written.sections()
        for option in written[section]
        if option not in seen["known"].get(section, [])
    ]
    assert unknown == []
    assert seen["executor"] == "KubernetesExecutor"
    server = "execution-api" if ("Deployment", "airflow-execution-api") in rendered(preset) else "api-server"
    assert seen["api"] == f"http://airflow-{server}.airflow.svc:8080/execution/"


def test_the_secrets_options_can_be_read_by_command(tmp_path: Path) -> None:
    """Airflow reads X_CMD only for the options that it declares sensitive."""
    seen = airflow(READ, tmp_path, AIRFLOW_CONFIG=str(config_file(tmp_path, None)))
    for option in (
        ["database", "sql_alchemy_conn"],
        ["core", "fernet_key"],
        ["api", "secret_key"],
        ["api_auth", "jwt_secret"],
    ):
        assert option in seen["sensitive"]


def test_the_default_bundle_is_the_images_dags_folder(tmp_path: Path) -> None:
    config = config_file(tmp_path, None)
    seen = airflow(READ, tmp_path, AIRFLOW_CONFIG=str(config))
    assert [b["name"] for b in seen["bundles"]] == ["dags-folder"]
    assert airflow(BUNDLES, tmp_path, AIRFLOW_CONFIG=str(config)) == {"dags-folder": "LocalDagBundle"}


def test_the_auth_manager_is_fab(tmp_path: Path) -> None:
    assert airflow(AUTH_MANAGER, tmp_path, AIRFLOW_CONFIG=str(config_file(tmp_path, None))) == "FabAuthManager"


def test_the_queue_routes_name_classes_and_files_that_exist(tmp_path: Path) -> None:
    env = {
        e["name"]: e.get("value")
        for e in rendered()["Deployment", "airflow-scheduler"]["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    routes = json.loads(env["AIRFLOW__SDK__QUEUE_TO_COORDINATOR"])
    coordinators = json.loads(env["AIRFLOW__SDK__COORDINATORS"])
    files = set(rendered()["ConfigMap", "airflow-pod-templates"]["data"])
    assert routes == {"highmem": "highmem"}
    for coordinator in coordinators.values():
        module, _, name = coordinator["classpath"].rpartition(".")
        assert airflow(f"import json, {module}; print(json.dumps(hasattr({module}, {name!r})))", tmp_path) is True
        assert Path(coordinator["extra"]["pod_template_file"]).name in files
