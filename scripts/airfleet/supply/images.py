"""Which images a release runs: every container of every object, pod templates for tasks and image volumes included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from airfleet import helm
from airfleet.errors import AirfleetError
from airfleet.paths import project_root

_POD_TEMPLATES = "-pod-templates"  # the ConfigMap whose entries are pods


@dataclass(frozen=True, order=True)
class Image:
    """One image as a container names it, and the containers that do."""

    reference: str
    used_by: tuple[str, ...] = ()

    @property
    def full(self) -> str:
        """The reference with its registry, as the container runtime completes it."""
        first, slash, _ = self.reference.partition("/")
        if not slash:
            return f"docker.io/library/{self.reference}"
        named = "." in first or ":" in first or first == "localhost"
        return self.reference if named else f"docker.io/{self.reference}"

    @property
    def digest(self) -> str:
        """The digest, if the reference has one."""
        return self.reference.partition("@")[2]

    @property
    def repository(self) -> str:
        """Registry and name, without tag and digest."""
        name = self.full.partition("@")[0]
        head, slash, last = name.rpartition("/")
        return f"{head}{slash}{last.partition(':')[0]}"

    @property
    def tag(self) -> str:
        """The tag, if the reference has one."""
        return self.full.partition("@")[0].rpartition("/")[2].partition(":")[2]

    def mirrored(self, registry: str) -> str:
        """The reference in a mirror that keeps names, tags and digests and replaces the registry."""
        return f"{registry.rstrip('/')}/{self.full.partition('/')[2]}"


def release_images(values: Sequence[Path] = (), *, api_versions: Sequence[str] = ()) -> list[Image]:
    """The images of the chart with these values files. Raises AirfleetError if Helm does not render it."""
    text = helm.template(
        project_root() / "chart", release="airflow", namespace="airflow", values=values, api_versions=api_versions
    )
    return images_of(found for found in yaml.safe_load_all(text) if isinstance(found, dict))


def images_of(objects: Iterable[dict[str, Any]]) -> list[Image]:
    """The images of rendered objects, each with the containers that use it."""
    users: dict[str, set[str]] = {}
    for found in objects:
        name = f"{found.get('kind')}/{found.get('metadata', {}).get('name')}"
        for container, reference in _references(found):
            users.setdefault(reference, set()).add(f"{name} {container}")
        if found.get("kind") == "ConfigMap" and name.endswith(_POD_TEMPLATES):
            for file, text in (found.get("data") or {}).items():
                for container, reference in _references(yaml.safe_load(text)):
                    users.setdefault(reference, set()).add(f"{name} {file} {container}")
    return sorted(Image(reference, tuple(sorted(names))) for reference, names in users.items())


def mirror(images: Iterable[Image], registry: str) -> list[tuple[str, str]]:
    """(source, target) for each image. Raises AirfleetError if two sources would share a target."""
    pairs = [(image.full, image.mirrored(registry)) for image in images]
    targets: dict[str, str] = {}
    for source, target in pairs:
        if targets.setdefault(target, source) != source:
            raise AirfleetError(
                "two images would be the same one in the mirror",
                where=target,
                why=f"{targets[target]} and {source} differ in their registry only",
                fix="mirror them to different paths by hand",
            )
    return pairs


def _references(node: Any) -> Iterator[tuple[str, str]]:
    """(container or volume, image) anywhere below a node."""
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    if not isinstance(node, dict):
        return
    for kind in ("initContainers", "containers"):
        for container in node.get(kind) or () if isinstance(node.get(kind), list) else ():
            if isinstance(container, dict) and isinstance(container.get("image"), str):
                yield f"container {container.get('name')}", container["image"]
    for volume in node.get("volumes") or () if isinstance(node.get("volumes"), list) else ():
        source = volume.get("image") if isinstance(volume, dict) else None
        if isinstance(source, dict) and source.get("reference"):
            yield f"volume {volume.get('name')}", str(source["reference"])
    for value in node.values():
        yield from _references(value)
