"""Metrics: the exporter, from its pinned Go module. The operators' kinds stay off, since their CRDs are not there."""

from __future__ import annotations

from typing import Any

from airfleet.lab import companions
from lab_harness.release import Release


def prepare(release: Release) -> dict[str, Any]:
    exporter = companions.image("statsd-exporter")
    release.lab.load([exporter.archive])
    repository, _, tag = exporter.ref.rpartition(":")
    image = {"repository": repository, "tag": tag}
    return {"metrics": {"enabled": True, "image": image, "dashboards": {"enabled": True}}}


def scrape(release: Release) -> list[str]:
    """The lines that Prometheus would get."""
    (pod,) = release.pods("metrics")
    with release.cluster.connection(release.namespace, pod.metadata.name, 9102) as connection:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode().splitlines()
