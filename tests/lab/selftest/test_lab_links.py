"""Two labs with a cable between them: pods of one use the API server of the other until the cable is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from airfleet.errors import AirfleetError, UsageError
from airfleet.lab import Lab, network

if TYPE_CHECKING:
    from conftest import Probe

REMOTE = "selftest-remote"


@pytest.fixture(scope="module")
def remote() -> Iterator[Lab]:
    lab = Lab(REMOTE)
    lab.down()
    lab.up(nodes=0)
    yield lab
    lab.down()


def test_a_link_is_joined_cut_and_restored(probe: Probe, selftest: Lab, remote: Lab, until: Callable[..., Any]) -> None:
    server = remote.record.addresses.node(1)
    assert f"https://{server}:6443" in remote.inner_kubeconfig.read_text()
    probe.apply(*(probe.pod(f"client-{n}", node=node) for n, node in enumerate(selftest.nodes, start=1)))
    probe.wait_ready("client-1", "client-2")
    ask = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 1 nc {server} 6443 || echo gone"

    def answers() -> list[bool]:
        return ["HTTPS server" in probe.sh(client, ask) for client in ("client-1", "client-2")]

    link = selftest.link(REMOTE)
    with pytest.raises(AirfleetError, match="are not linked"):
        link.cut()
    assert answers() == [False, False]
    link.join()
    until("both nodes' pods reach the other lab", lambda: answers() == [True, True])
    with pytest.raises(AirfleetError, match="connected already"):
        remote.link(selftest.name).join()
    link.cut()
    assert answers() == [False, False]
    link.restore()
    until("the other lab is back", lambda: answers() == [True, True])


def test_a_node_that_comes_back_knows_the_way(selftest: Lab, remote: Lab) -> None:
    node = selftest.nodes[1]
    selftest.stop_node(node)
    selftest.start_node(node)
    plan = remote.record.addresses
    way = f"{plan.node_pods(1)} via {plan.node(1)} dev eth0"
    assert way in [r.strip() for r in network.routes(network.namespace(selftest.record.dir, node))]


def test_a_lab_is_not_linked_with_itself(selftest: Lab) -> None:
    with pytest.raises(UsageError, match="with itself"):
        selftest.link(selftest.name)
