"""What a lab can have on top: metrics-server, whose figures HorizontalPodAutoscalers read."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING

from airfleet.errors import UsageError
from airfleet.lab import companions
from airfleet.lab.boot import MANIFESTS

if TYPE_CHECKING:
    from airfleet.lab import Lab

# name -> the APIService that tells whether it answers
_READY = {"metrics-server": "v1beta1.metrics.k8s.io"}


def names() -> list[str]:
    """Every add-on, sorted."""
    return sorted(_READY)


def check(name: str) -> str:
    """The name of an add-on. Raises UsageError if there is none of this name."""
    if name not in _READY:
        raise UsageError(f"there is no add-on {name!r}", fix=f"name one of {', '.join(names())}")
    return name


def install(lab: Lab, name: str, *, timeout: int = 120) -> None:
    """Install an add-on into a lab that is up, and wait until it answers; fine if it is there already.

    Raises UsageError for an unknown name, AirfleetError if it does not come up within timeout seconds.
    """
    ready = _READY[check(name)]
    image = companions.image(name)
    lab.load([image.archive])
    manifest = Template((MANIFESTS / "addons" / f"{name}.yaml").read_text()).substitute(IMAGE=image.ref)
    lab.kubectl("apply", "--server-side", "--filename", "-", stdin=manifest)
    lab.kubectl("wait", "--for=condition=Available", f"apiservice/{ready}", f"--timeout={timeout}s")
