"""Which addresses a lab uses. Every lab has a number of its own, so labs never overlap and can be joined by a link."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

MAX_LABS = 32
MAX_NODES = 100

# One network for the nodes of all labs: two labs whose switches are linked reach each other without further routes.
UNDERLAY = IPv4Network("10.210.0.0/16")
_FIRST_POD_BLOCK = 128  # pods of lab 0 are in 10.128.0.0/16
_FIRST_SERVICE_BLOCK = 160  # Services of lab 0 are in 10.160.0.0/16


@dataclass(frozen=True)
class AddressPlan:
    """The addresses of the lab with this index (0 to 31); nodes are numbered from 1."""

    index: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < MAX_LABS:
            raise ValueError(f"lab index {self.index} is not in 0..{MAX_LABS - 1}")

    @property
    def underlay(self) -> IPv4Network:
        """The part of UNDERLAY that holds this lab's nodes."""
        return IPv4Network(f"10.210.{self.index}.0/24")

    @property
    def pods(self) -> IPv4Network:
        """All pods of the lab."""
        return IPv4Network(f"10.{_FIRST_POD_BLOCK + self.index}.0.0/16")

    @property
    def services(self) -> IPv4Network:
        """The ClusterIPs of the lab."""
        return IPv4Network(f"10.{_FIRST_SERVICE_BLOCK + self.index}.0.0/16")

    @property
    def kubernetes_service(self) -> IPv4Address:
        """The ClusterIP of the Service `kubernetes`."""
        return self.services[1]

    @property
    def dns(self) -> IPv4Address:
        """The ClusterIP of the cluster's DNS."""
        return self.services[10]

    def node(self, number: int) -> IPv4Address:
        """The address of a node."""
        if not 1 <= number <= MAX_NODES:
            raise ValueError(f"node number {number} is not in 1..{MAX_NODES}")
        return self.underlay[number]

    def node_pods(self, number: int) -> IPv4Network:
        """The pods of a node: fixed, so that the network stands before the API server does."""
        return IPv4Network(f"10.{_FIRST_POD_BLOCK + self.index}.{number}.0/24")
