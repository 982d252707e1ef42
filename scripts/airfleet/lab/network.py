"""The lab's network: one switch in a network namespace of its own, one namespace per node, no route to anywhere else.

The namespaces are files below the lab's directory (net/switch, net/NODE), not names in /run/netns, so that nothing on
the machine is shared. Switches of two labs are in one address range: a link between them is one pair of interfaces.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from airfleet.lab.addresses import UNDERLAY, AddressPlan
from airfleet.process import run


def switch(lab_dir: Path) -> Path:
    """The namespace that holds the switch (bridge br0)."""
    return lab_dir / "net" / "switch"


def namespace(lab_dir: Path, node: str) -> Path:
    """The namespace of a node."""
    return lab_dir / "net" / node


def create_switch(lab_dir: Path) -> None:
    """Make the switch."""
    _create_namespace(switch(lab_dir))
    ip(switch(lab_dir), "link set lo up", "link add br0 type bridge", "link set br0 up")


def create_node(lab_dir: Path, plan: AddressPlan, nodes: tuple[str, ...], number: int) -> None:
    """Make a node's namespace, plug it into the switch and give it its address and routes."""
    name = nodes[number - 1]
    own = namespace(lab_dir, name)
    _create_namespace(own)
    port = f"port{number}"
    ip(switch(lab_dir), f"link add {port} type veth peer name eth0 netns {own}", f"link set {port} master br0 up")
    address = plan.node(number)
    others = [n for n in range(1, len(nodes) + 1) if n != number]
    ip(
        own,
        "link set lo up",
        f"addr add {address}/{UNDERLAY.prefixlen} dev eth0",
        "link set eth0 up",
        # the node's own processes reach Services: there must be a route before kube-proxy's rules rewrite the address
        f"route add {plan.services} dev eth0 src {address}",
        *(f"route add {plan.node_pods(n)} via {plan.node(n)}" for n in others),
    )


def set_cable(lab_dir: Path, number: int, *, plugged: bool) -> None:
    """Pull a node's cable out of the switch, or put it back."""
    ip(switch(lab_dir), f"link set port{number} {'up' if plugged else 'down'}")


def remove_node(lab_dir: Path, node: str, number: int) -> None:
    """Remove a node's namespace and with it its interfaces, routes and firewall rules."""
    # the kernel would remove the cable with the namespace, but some time later
    ip(switch(lab_dir), f"link del port{number}")
    _remove_namespace(namespace(lab_dir, node))


def remove_all(lab_dir: Path) -> None:
    """Remove every namespace of the lab; those that are gone already are fine."""
    for path in sorted((lab_dir / "net").glob("*")):
        _remove_namespace(path)


def routes(namespace_file: Path) -> list[str]:
    """The main routing table of a namespace, one route a line."""
    return run(["nsenter", f"--net={namespace_file}", "ip", "route"]).stdout.splitlines()


def _create_namespace(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    run(["unshare", f"--net={path}", "true"])


def _remove_namespace(path: Path) -> None:
    with suppress(FileNotFoundError):
        while is_mounted(path):
            run(["umount", path])
        path.unlink()


def is_mounted(path: Path) -> bool:
    """Whether something is mounted on exactly this path."""
    shown = str(path).replace(" ", "\\040")
    return any(line.split()[4] == shown for line in Path("/proc/self/mountinfo").read_text().splitlines())


def ip(namespace_file: Path, *commands: str) -> None:
    """Run `ip` commands in a namespace, in one process."""
    run(["nsenter", f"--net={namespace_file}", "ip", "-batch", "-"], stdin="\n".join(commands) + "\n")
