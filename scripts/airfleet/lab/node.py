"""One node of a lab: its name, its address, and where its programs and files are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airfleet.lab.state import LabRecord

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
POLICY_SOCKET = "/run/airfleet/netpol.sock"
PLUGINS = "/var/lib/kubelet/volume-plugins"  # the default is below /usr, which is the machine's
VOLUMES = "/srv/volumes"  # where every node sees the lab's volumes
API_PORT = 6443


@dataclass(frozen=True)
class Node:
    """One node of a lab, and where its programs and files are."""

    lab: LabRecord
    number: int
    cgroup: str  # absolute within every hierarchy, e.g. /airfleet/dev/dev-1

    @property
    def name(self) -> str:
        """The node's name in Kubernetes."""
        return self.lab.nodes[self.number - 1]

    @property
    def dir(self) -> Path:
        """The node's directory: root/ is its root file system, logs/ its daemons' logs."""
        return self.lab.dir / "nodes" / self.name

    @property
    def address(self) -> str:
        """The node's address."""
        return str(self.lab.addresses.node(self.number))

    @property
    def api(self) -> str:
        """The API server, as seen in the lab's network."""
        return f"https://{self.lab.addresses.node(1)}:{API_PORT}"

    def program(self, module: str, name: str) -> str:
        """The path of a program."""
        return str(Path(self.lab.programs[module]) / name)

    def pki(self, file: str) -> str:
        """The path of a key, a certificate or a component's kubeconfig."""
        return str(self.lab.dir / "pki" / file)
