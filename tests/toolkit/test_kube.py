"""The calls that the toolkit makes to a cluster, against a real API server."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path

import pytest
import yaml

from airfleet.errors import AirfleetError
from airfleet.kube import Cluster
from airfleet.lab import Lab


@pytest.fixture
def cluster(api_server: Lab) -> Cluster:
    return Cluster(api_server.kubeconfig, api_server.context)


def test_a_clusters_identity_is_the_uid_of_kube_system(cluster: Cluster, api_server: Lab) -> None:
    told = api_server.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}").stdout
    assert cluster.identity() == told


def test_a_namespace_is_made_once_and_its_labels_are_kept_up(cluster: Cluster) -> None:
    cluster.ensure_namespace("labelled", {"a": "1"})
    cluster.ensure_namespace("labelled", {"b": "2"})
    labels = cluster.core.read_namespace("labelled").metadata.labels
    assert (labels["a"], labels["b"]) == ("1", "2")


def test_a_config_map_is_replaced_whole(cluster: Cluster) -> None:
    cluster.ensure_namespace("maps", {})
    cluster.put_config_map("maps", "dags", {"a.py": "1", "b.py": "2"})
    cluster.put_config_map("maps", "dags", {"a.py": "3"})
    assert cluster.core.read_namespaced_config_map("dags", "maps").data == {"a.py": "3"}


def test_a_secret_is_decoded(cluster: Cluster) -> None:
    cluster.ensure_namespace("secrets", {})
    data = {"password": base64.b64encode("pässword".encode()).decode()}
    cluster.core.create_namespaced_secret("secrets", {"metadata": {"name": "s"}, "data": data})
    assert cluster.secret("secrets", "s") == {"password": "pässword"}


def test_a_refusal_says_what_it_was_for(cluster: Cluster) -> None:
    with pytest.raises(AirfleetError) as refused:
        cluster.secret("default", "no-such-secret")
    assert refused.value.what == "could not read the Secret no-such-secret"
    assert "404" in refused.value.why


def test_a_cluster_that_does_not_answer_is_a_clear_error(cluster: Cluster, tmp_path: Path) -> None:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    with pytest.raises(AirfleetError) as refused:
        dataclasses.replace(cluster, kubeconfig=tmp_path / "config").identity()
    assert refused.value.where == "https://127.0.0.1:1"
    assert "is the cluster up" in refused.value.fix
