"""Links between labs: one cable between their switches, which can be cut and put back.

Linked labs reach each other's nodes (so each other's API servers) and pods; Services stay each cluster's own. Labs are
linked as a tree: a second way between two switches would be a loop, in which broadcasts circle for ever.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from airfleet.errors import AirfleetError, UsageError
from airfleet.lab import network, state
from airfleet.lab.state import LabRecord
from airfleet.process import run


@dataclass(frozen=True)
class Link:
    """The cable between two labs."""

    one: LabRecord
    other: LabRecord

    def join(self) -> None:
        """Plug the cable in, and tell every node where the other lab's pods are.

        Raises AirfleetError if the labs are connected already, directly or through other labs.
        """
        if self.other.index in connected(self.one):
            raise AirfleetError(f"labs {self.one.name} and {self.other.name} are connected already")
        far = network.switch(self.other.dir)
        network.ip(
            network.switch(self.one.dir),
            f"link add {_port(self.other)} type veth peer name {_port(self.one)} netns {far}",
            f"link set {_port(self.other)} master br0 up",
        )
        network.ip(far, f"link set {_port(self.one)} master br0 up")
        for here, there in ((self.one, self.other), (self.other, self.one)):
            for node in here.nodes:
                _route(here, node, there)

    def cut(self) -> None:
        """Pull the cable out: nothing passes, and neither side is told. Raises AirfleetError if there is no cable."""
        self._set("down")

    def restore(self) -> None:
        """Put the cable back. Raises AirfleetError if there is none."""
        self._set("up")

    def _set(self, direction: str) -> None:
        self._require()
        network.ip(network.switch(self.one.dir), f"link set {_port(self.other)} {direction}")

    def _require(self) -> None:
        if self.other.index not in _neighbours(self.one):
            raise AirfleetError(
                f"labs {self.one.name} and {self.other.name} are not linked",
                fix=f"airfleet lab link join {self.one.name} {self.other.name}",
            )


def between(one: str, other: str) -> Link:
    """The link between two labs, made or not. Raises UsageError or AirfleetError if they can't have one."""
    if one == other:
        raise UsageError("a lab can't be linked with itself")
    return Link(state.require(one), state.require(other))


def route_again(lab: LabRecord, node: str) -> None:
    """Tell a node that was started again where the pods of linked labs are."""
    for index in _neighbours(lab):
        if (there := _by_index().get(index)) is not None:
            _route(lab, node, there)


def connected(lab: LabRecord) -> set[int]:
    """The indexes of all labs that a lab is connected with, itself included."""
    by_index = _by_index()
    found: set[int] = set()
    todo = [lab.index]
    while todo:
        index = todo.pop()
        if index not in found and index in by_index:
            found.add(index)
            todo += _neighbours(by_index[index])
    return found


def _by_index() -> dict[int, LabRecord]:
    return {r.index: r for name in state.names() if (r := state.read(name)) is not None}


def _route(here: LabRecord, node: str, there: LabRecord) -> None:
    plan = there.addresses
    routes = [f"route replace {plan.node_pods(n)} via {plan.node(n)}" for n in range(1, len(there.nodes) + 1)]
    network.ip(network.namespace(here.dir, node), *routes)


def _port(lab: LabRecord) -> str:
    """The name of the interface, in another lab's switch, that leads to this lab."""
    return f"lab{lab.index}"


def _neighbours(lab: LabRecord) -> list[int]:
    listed = run(["nsenter", f"--net={network.switch(lab.dir)}", "ip", "-json", "link"]).stdout
    names = [interface["ifname"] for interface in json.loads(listed)]
    return [int(match[1]) for name in names if (match := re.fullmatch(r"lab(\d+)", name))]
