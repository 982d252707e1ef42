"""What the official chart's values asked for is in what our chart renders from the converted ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from airfleet.migrate.files import read_values
from airfleet.migrate.model import Status

CASES = sorted(
    path.stem for path in (Path(__file__).parent / "cases").glob("*.yaml") if not path.stem.endswith("-prod")
)


@pytest.mark.parametrize("name", CASES)
def test_every_case_renders_and_every_key_is_in_the_report(case, name: str) -> None:  # type: ignore[no-untyped-def]
    converted = case(name)
    assert converted.objects
    reported = {re.sub(r"\[[^\]]*\]", "", finding.key) for finding in converted.conversion.findings}
    source = read_values([Path(__file__).parent / "cases" / f"{name}.yaml"])
    for path in source.origins:
        key = ".".join(path)
        inside = any(key == found or key.startswith(f"{found}.") or found.startswith(f"{key}.") for found in reported)
        assert inside, f"{key} is not in the report"


@pytest.mark.parametrize("name", CASES)
def test_no_secret_of_the_input_is_in_the_values_the_report_or_the_commands(case, name: str) -> None:  # type: ignore[no-untyped-def]
    from airfleet.migrate.emit import values_text
    from airfleet.migrate.report import as_json, as_markdown, as_text

    conversion = case(name).conversion
    said = [values_text(conversion, {}), as_text(conversion), as_markdown(conversion), as_json(conversion)]
    for text in said:
        assert "not-to-be-shown" not in text
        assert "ZmVybmV0" not in text


def test_git_sync_becomes_a_git_bundle(case) -> None:  # type: ignore[no-untyped-def]
    config = case("small-team").config()
    (bundles,) = re.findall(r"dag_bundle_config_list = (.*)", config)
    (bundle,) = yaml.safe_load(bundles)
    assert bundle["classpath"].endswith("GitDagBundle")
    assert {key: value for key, value in bundle["kwargs"].items() if key != "git_conn_id"} == {
        "repo_url": "https://git.example.com/data/dags.git",
        "tracking_ref": "main",
        "subdir": "dags",
        "refresh_interval": 90,
    }


def test_credentials_of_a_private_repository_are_kept(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("private-git")
    assert converted.human == set()
    assert converted.conversion.values["dags"]["bundles"]["dags"]["git"]["secretName"] == "airflow-git"
    (command,) = [found.command for found in converted.conversion.commands if "airflow-git" in found.command]
    assert "get secret git-key " in command and "gitSshKey" in command
    assert "git.example.com ssh-ed25519" in command
    volumes = [volume for volume in converted.pod("worker")["spec"]["volumes"] if "airflow-git" in str(volume)]
    assert len(volumes) == 1


def test_logs_in_remote_storage(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("config")
    assert converted.conversion.values["logs"] == {
        "remote": {"type": "s3", "folder": "s3://logs/airflow", "connectionId": "aws"}
    }
    assert "remote_base_log_folder = s3://logs/airflow" in converted.config()


def test_cleaning_up_goes_on(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("operations")
    jobs = {name: found["spec"] for (kind, name), found in converted.objects.items() if kind == "CronJob"}
    assert sorted(spec["schedule"] for spec in jobs.values()) == ["0 * * * *", "30 3 * * *"]
    assert converted.conversion.values["maintenance"]["dbCleanup"] == {
        "enabled": True,
        "retentionDays": 30,
        "archive": True,
    }


def test_replicas_and_resources_are_as_asked_for(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("small-team")
    assert converted.objects["Deployment", "airflow-scheduler"]["spec"]["replicas"] == 2
    assert converted.base("scheduler")["resources"] == {
        "limits": {"cpu": "1", "memory": "2Gi"},
        "requests": {"cpu": "500m", "memory": "2Gi"},
    }


def test_none_of_our_defaults_is_left_beside_the_resources_of_the_input(case) -> None:  # type: ignore[no-untyped-def]
    # Airflow 2's webserver had requests and no limit: our memory limit would be below its request.
    resources = case("airflow-2").base("api-server")["resources"]
    assert resources["requests"] == {"cpu": "1", "memory": "2Gi"}
    assert not resources.get("limits")
    assert case("scheduling").base("bootstrap")["resources"] == {
        "requests": {"cpu": "100m", "memory": "1Gi"},
        "limits": {"memory": "1Gi"},
    }


def test_existing_secrets_are_used_as_they_are(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("existing-secrets")
    text = yaml.safe_dump(converted.pod("scheduler"))
    assert "name: data-database" in text
    assert [entry["name"] for entry in converted.pod("scheduler")["spec"]["imagePullSecrets"]] == [
        "registry-a",
        "registry-b",
    ]
    (keys,) = converted.conversion.commands
    for secret in ("data-fernet", "data-api", "data-jwt"):
        assert f"get secret {secret} " in keys.command
    assert "create secret generic airflow-keys" in keys.command


def test_the_ways_to_set_an_environment_variable_become_one(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("environment")
    for component in ("scheduler", "worker"):
        env = converted.env(component)
        assert env["TEAM"] == "data"
        assert env["AIRFLOW__API__EXPOSE_CONFIG"] == "True"
        assert env["AIRFLOW_CONN_WAREHOUSE"] == {"secretKeyRef": {"name": "connections", "key": "warehouse"}}
        assert env["RELEASE"] == "airflow-airflow"
        assert env["NODE"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}
        assert "AIRFLOW__CORE__FERNET_KEY" not in env
    assert converted.env("scheduler")["ONLY_HERE"] == "yes"
    assert "ONLY_HERE" not in converted.env("worker")
    assert converted.env("worker")["OVERRIDDEN"] == "kubernetes"
    assert {"env[AIRFLOW__CORE__FERNET_KEY]", "extraEnvFrom"} <= converted.human


def test_what_only_the_official_chart_can_fill_in_needs_a_human(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("templated")
    assert {"extraEnv", "podTemplate", "config.core.parallelism", "extraConfigMaps"} <= converted.human
    assert converted.conversion.values["config"] == {"core": {"max_active_tasks_per_dag": 48}}


def test_options_of_airflow_are_kept_renamed_or_left_to_the_chart(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("config")
    config = converted.config()
    for line in (
        "parallelism = 128",
        "max_active_tasks_per_dag = 20",
        "expose_config = True",
        "worker_pods_creation_batch_size = 8",
        "smtp_host = mail.example.com",
        "smtp_ssl = False",
        "logging_level = DEBUG",
    ):
        assert line in config, line
    assert converted.status("config.celery.worker_concurrency") is Status.DROPPED
    assert converted.status("config.core.executor") is Status.DROPPED
    assert converted.human == {"config.webserver.secret_key", "config.kubernetes_executor.worker_container_tag"}


def test_later_files_win_and_maps_are_merged(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("custom-image", "custom-image-prod")
    assert converted.base("scheduler")["image"] == "registry.example.com/data/airflow:2026-11-2"
    assert converted.base("scheduler")["imagePullPolicy"] == "Always"
    assert converted.objects["Deployment", "airflow-scheduler"]["spec"]["replicas"] == 3
    assert converted.pod("scheduler")["spec"]["nodeSelector"] == {"pool": "system"}
    (finding,) = [f for f in converted.conversion.findings if f.key == "scheduler.replicas"]
    assert finding.origin.file.endswith("custom-image-prod.yaml") and finding.origin.line == 6


def test_workers_get_what_the_layers_of_the_official_chart_come_to(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("workers")
    pod = converted.pod("worker")
    spec = pod["spec"]
    assert converted.base("worker")["resources"] == {
        "requests": {"cpu": "250m", "memory": "1Gi"},
        "limits": {"memory": "3Gi"},
    }
    assert spec["tolerations"] == [{"key": "tasks", "operator": "Exists", "effect": "NoSchedule"}]
    assert (spec["priorityClassName"], spec["runtimeClassName"]) == ("tasks", "gvisor")
    assert spec["terminationGracePeriodSeconds"] == 900
    assert pod["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "true"
    assert pod["metadata"]["annotations"]["team"] == "data"
    assert pod["metadata"]["labels"]["cost-centre"] == "42"
    assert spec["hostAliases"] == [{"ip": "10.0.0.5", "hostnames": ["legacy.example.com"]}]
    assert {"name": "scratch", "emptyDir": {"sizeLimit": "20Gi"}} in spec["volumes"]
    assert {"mountPath": "/scratch", "name": "scratch"} in converted.base("worker")["volumeMounts"]
    assert [container["name"] for container in spec["initContainers"]] == ["fetch", "proxy"]
    for key in ("workers.replicas", "workers.keda.enabled", "workers.celery.replicas"):
        assert converted.status(key) is Status.DROPPED


def test_a_component_replaces_the_settings_for_all_pods(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("scheduling")
    assert converted.pod("triggerer")["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert converted.pod("scheduler")["spec"]["nodeSelector"] == {"pool": "airflow"}
    assert converted.pod("worker")["spec"]["nodeSelector"] == {"pool": "airflow"}
    for component in ("scheduler", "worker", "triggerer"):
        spec = converted.pod(component)["spec"]
        assert spec["schedulerName"] == "my-scheduler"
        assert spec["tolerations"] == [{"key": "airflow", "operator": "Exists"}]
        assert converted.pod(component)["metadata"]["labels"]["owner"] == "data-platform"
        assert converted.pod(component)["metadata"]["annotations"]["example.com/scrape"] == "false"
    assert "podAntiAffinity" in converted.pod("dag-processor")["spec"]["affinity"]
    assert converted.pod("triggerer")["spec"]["terminationGracePeriodSeconds"] == 120


def test_security_contexts_are_laid_over_the_restricted_ones(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("security")
    context = converted.pod("scheduler")["spec"]["securityContext"]
    assert (context["runAsUser"], context["fsGroup"], context["runAsNonRoot"]) == (1000, 0, True)
    assert converted.base("worker")["securityContext"]["readOnlyRootFilesystem"] is False
    assert converted.base("worker")["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert "rbac.create" in converted.human
    assert [kind for kind, _ in converted.objects if kind == "NetworkPolicy"]


def test_the_way_in_is_the_same(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("ingress")
    assert converted.human == set()
    ingress = converted.objects["Ingress", "airflow-api-server"]
    assert ingress["metadata"]["annotations"]["cert-manager.io/cluster-issuer"] == "letsencrypt"
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert ingress["spec"]["tls"] == [{"hosts": ["airflow.example.com"], "secretName": "airflow-tls"}]
    (rule,) = ingress["spec"]["rules"]
    assert (rule["host"], rule["http"]["paths"][0]["path"]) == ("airflow.example.com", "/airflow")
    assert "base_url = https://airflow.example.com/airflow" in converted.config()
    budget = converted.objects["PodDisruptionBudget", "airflow-api-server"]["spec"]
    assert (budget["minAvailable"], "maxUnavailable" in budget) == (1, False)
    scaler = converted.objects["HorizontalPodAutoscaler", "airflow-api-server"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 6)
    (metric,) = scaler["metrics"]
    assert metric["resource"]["target"]["averageUtilization"] == 70
    assert converted.objects["Service", "airflow-api-server"]["spec"]["type"] == "LoadBalancer"
    policies = yaml.safe_dump([found for (kind, _), found in converted.objects.items() if kind == "NetworkPolicy"])
    assert "kubernetes.io/metadata.name: ingress-nginx" in policies


def test_accounts_keep_their_names_and_annotations(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("security")
    assert converted.pod("scheduler")["spec"]["serviceAccountName"] == "existing-scheduler"
    annotations = converted.objects["ServiceAccount", "airflow-api-server"]["metadata"]["annotations"]
    assert annotations["iam.gke.io/gcp-service-account"] == "airflow@project.iam.gserviceaccount.com"
    worker = case("workers").objects["ServiceAccount", "airflow-worker"]["metadata"]["annotations"]
    assert worker["eks.amazonaws.com/role-arn"] == "arn:aws:iam::123456789012:role/tasks"


def test_logs_and_dags_on_volumes(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("logs")
    claim = converted.objects["PersistentVolumeClaim", "airflow-logs"]["spec"]
    assert claim["storageClassName"] == "nfs"
    assert claim["resources"]["requests"]["storage"] == "50Gi"
    for component in ("dag-processor", "worker", "triggerer"):
        mounts = {mount["mountPath"]: mount for mount in converted.base(component)["volumeMounts"]}
        assert mounts["/opt/airflow/dags"] == {
            "mountPath": "/opt/airflow/dags",
            "name": "dags",
            "readOnly": True,
            "subPath": "prod",
        }
        assert mounts["/etc/company"]["name"] == "certificates"
        volumes = {volume["name"]: volume for volume in converted.pod(component)["spec"]["volumes"]}
        assert volumes["dags"]["persistentVolumeClaim"] == {"claimName": "dags"}
    assert "volumeMounts[/opt/airflow/airflow.cfg]" in converted.human


def test_bundles_keep_their_names(case) -> None:  # type: ignore[no-untyped-def]
    (line,) = re.findall(r"dag_bundle_config_list = (.*)", case("bundles").config())
    bundles = {bundle["name"]: bundle for bundle in yaml.safe_load(line)}
    assert set(bundles) == {"team-a", "shared"}
    assert bundles["team-a"]["kwargs"] == {
        "git_conn_id": "git_a",
        "subdir": "dags",
        "tracking_ref": "main",
        "refresh_interval": 60,
    }
    assert bundles["shared"]["kwargs"] == {"path": "/opt/shared/dags"}


def test_mistakes_are_named_with_what_was_probably_meant(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("mistakes")
    assert {"schedulerr", "scheduler.replica", "dags.gitSync.brnch", "webserver", "executor"} <= converted.human
    assert "is it scheduler.replicas?" in converted.why("scheduler.replica")
    assert "is it scheduler?" in converted.why("schedulerr")
    assert "is it dags.gitSync.branch?" in converted.why("dags.gitSync.brnch")


def test_the_webserver_of_airflow_2_is_the_api_server(case) -> None:  # type: ignore[no-untyped-def]
    converted = case("airflow-2")
    assert converted.objects["Deployment", "airflow-api-server"]["spec"]["replicas"] == 2
    assert converted.conversion.values["admin"] == {"username": "root", "email": "root@example.com"}
    assert {"images.airflow.tag", "webserver.webserverConfig"} <= converted.human
    # the image that holds Airflow 2 is not carried over, or the chart's guard would refuse it
    assert converted.base("scheduler")["image"].startswith("registry.example.com/airflow:3.3")
