"""What the fleet toolkit has to know of a chart, and what it knows of airfleet's. Everything else is chart-agnostic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from airfleet.fleet.schema import Gates, Pins

if TYPE_CHECKING:
    from airfleet.fleet.gates import Health
    from airfleet.fleet.inside import Question
    from airfleet.fleet.live import Live

Objects = Iterable[Mapping[str, Any]]


class Adapter(Protocol):
    """What a chart means."""

    def pinned(self, pins: Pins) -> Mapping[str, Any]:
        """The values, below all layers, that follow from the versions."""
        ...

    def versions(self, objects: Objects) -> Mapping[str, str]:
        """Name -> version of what a release runs."""
        ...

    def purpose(self, obj: Mapping[str, Any]) -> str:
        """What an object is for, in a few words; empty if that is not known."""
        ...

    def health(self, live: Live, objects: Objects) -> Health:
        """Whether what runs there works."""
        ...

    def canary(self, live: Live, objects: Objects, gates: Gates, stop: Callable[[], bool]) -> str:
        """Use it for real, once; what was seen. Raises GateError if it fails."""
        ...

    def back(self, live: Live, before: Objects, after: Objects) -> tuple[list[str], str]:
        """What to warn of before going back from one set of objects to another, and why it is impossible, if it is."""
        ...

    def questions(self, live: Live, objects: Objects) -> Sequence[Question]:
        """What to ask from inside the cluster, beside whether images can be pulled."""
        ...


class Plain:
    """Any chart: nothing is known of it."""

    def pinned(self, pins: Pins) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def versions(self, objects: Objects) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def purpose(self, obj: Mapping[str, Any]) -> str:
        """Not known."""
        return ""

    def health(self, live: Live, objects: Objects) -> Health:
        """Good: whoever is through the rollout works."""
        from airfleet.fleet.gates import Health

        return Health()

    def canary(self, live: Live, objects: Objects, gates: Gates, stop: Callable[[], bool]) -> str:
        """Nobody knows how to use it. Raises GateError."""
        from airfleet.fleet.gates import GateError

        what = f"{live.cluster.name}: nothing is known of the chart, so no canary can run"
        raise GateError(what, fix="leave `canary` out of the gates, or set `adapter`")

    def back(self, live: Live, before: Objects, after: Objects) -> tuple[list[str], str]:
        """Nothing is known that would speak against it."""
        return [], ""

    def questions(self, live: Live, objects: Objects) -> Sequence[Question]:
        """Nothing is known that it would need."""
        return []


def of(name: str) -> Adapter:
    """The adapter that fleet.yaml names."""
    if name == "airflow":
        from airfleet.fleet.airflow import Airflow

        return Airflow()
    return Plain()
