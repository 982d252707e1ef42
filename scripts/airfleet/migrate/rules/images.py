"""Images, and which Airflow runs in them."""

from __future__ import annotations

import re

from airfleet.migrate.migration import Migration, Rule, ask, drop, move
from airfleet.migrate.model import Entry

_VERSION = re.compile(r"^v?(\d+)\.(\d+)(?:\.\d+)?")
_STOCK = "apache/airflow"


def airflow_version(m: Migration) -> tuple[int, int] | None:
    """Major and minor version that the input runs, as far as its tag or airflowVersion tells."""
    tag = str(m.said("images.airflow.tag") or m.said("defaultAirflowTag") or "")
    found = _VERSION.match(tag) or _VERSION.match(str(m.said("airflowVersion") or ""))
    return (int(found[1]), int(found[2])) if found else None


def _repository(m: Migration, entry: Entry) -> None:
    if entry.path == ("defaultAirflowRepository",) and m.said("images.airflow.repository"):
        m.drop(entry, "images.airflow.repository wins over it")
    else:
        m.put(entry, "image.repository", entry.value)


def _pinned(target: str) -> Rule:
    """A tag or digest: kept if it holds an Airflow that this chart runs."""

    def apply(m: Migration, entry: Entry) -> None:
        winner = "images.airflow.tag" if target == "tag" else "images.airflow.digest"
        if entry.path[0].startswith("default") and m.said(winner):
            m.drop(entry, f"{winner} wins over it")
        elif airflow_version(m) == (3, 3):
            m.put(entry, f"image.{target}", str(entry.value))
        elif (m.said("images.airflow.repository") or m.said("defaultAirflowRepository")) == _STOCK:
            m.drop(entry, "the chart's own default holds the Airflow 3.3 that it is for")
        else:
            m.ask(entry, f"image.{target}: build the image with Airflow 3.3 and name it there")

    return apply


def _worker_image(m: Migration, entry: Entry) -> None:
    what = entry.path[-1]
    if entry.value in (None, "", m.said(f"images.airflow.{what}"), m.said(f"defaultAirflow{what.capitalize()}")):
        m.drop(entry, "workers run the same image as the rest")
    else:
        m.ask(entry, "workers would run another image than the rest; here `image` is the one source")


def _pull_secrets(m: Migration, entry: Entry) -> None:
    found = entry.value if isinstance(entry.value, list) else [entry.value]
    names = [name["name"] if isinstance(name, dict) else name for name in found]
    known = m.values.get("image", {}).get("pullSecrets", [])
    m.put(entry, "image.pullSecrets", known + [name for name in names if name not in known])


RULES: dict[str, Rule] = {
    "defaultAirflowRepository": _repository,
    "images.airflow.repository": _repository,
    "defaultAirflowTag": _pinned("tag"),
    "images.airflow.tag": _pinned("tag"),
    "defaultAirflowDigest": _pinned("digest"),
    "images.airflow.digest": _pinned("digest"),
    "images.airflow.pullPolicy": move("image.pullPolicy"),
    "airflowVersion": drop("the image tells; this chart is for Airflow 3.3"),
    "images.pod_template": _worker_image,
    "images.pod_template.pullPolicy": drop("workers run the same image as the rest"),
    "images.useDefaultImageForMigration": drop("the database is migrated by the image that runs"),
    "images.migrationsWaitTimeout": drop("pods wait for the database as long as it takes"),
    "images.flower": drop("there is no Flower without Celery"),
    "images.redis": drop("there is no Redis without Celery"),
    "images.gitSync": drop("there is no git-sync: Airflow's Git bundle clones"),
    "imagePullSecrets": _pull_secrets,
    "registry.secretName": _pull_secrets,
    "registry.connection": ask("make a Secret of type kubernetes.io/dockerconfigjson and name it in image.pullSecrets"),
}
