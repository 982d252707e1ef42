"""One source for the Airflow image."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chart_harness.objects import Pod, Rendered
from chart_harness.rules.registry import rule

_IMAGE = re.compile(r"[a-z0-9][a-z0-9.:_/-]*(@sha256:[0-9a-f]{64}|:[A-Za-z0-9_][A-Za-z0-9_.-]*)")


def own_images(pod: Pod) -> Iterator[tuple[str, str]]:
    """(place, image) of each container of the chart that runs Airflow's image."""
    for place, container in pod.named():
        if container["name"] in ("wait-for-migrations", "configure") or (
            pod.is_airflow and container["name"] == "base"
        ):
            yield place, container.get("image", "")


@rule
def airflow_has_one_image(r: Rendered) -> Iterator[str]:
    """Workers run what the control plane runs, byte for byte."""
    places = [found for pod in r.pods for found in own_images(pod)]
    images = {image for _, image in places}
    if len(images) > 1:
        yield from (f"{place} runs {image}" for place, image in places)


@rule
def images_are_pinned(r: Rendered) -> Iterator[str]:
    """Every image has a tag or a digest, and the tag is not `latest`."""
    for pod in r.pods:
        for place, container in pod.named():
            image = container.get("image", "")
            if not _IMAGE.fullmatch(image) or image.endswith(":latest"):
                yield f"{place} runs {image!r}"


@rule
def a_digest_wins(r: Rendered) -> Iterator[str]:
    """With image.digest, no Airflow container goes by a tag."""
    digest = r.release.value("image.digest")
    for pod in r.pods:
        for place, image in own_images(pod):
            if digest and not image.endswith(f"@{digest}"):
                yield f"{place} runs {image}, not {digest}"
