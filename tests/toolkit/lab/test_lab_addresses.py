from __future__ import annotations

from itertools import combinations

import pytest

from airfleet.lab.addresses import MAX_LABS, MAX_NODES, UNDERLAY, AddressPlan


def test_no_two_labs_share_an_address() -> None:
    plans = [AddressPlan(i) for i in range(MAX_LABS)]
    networks = [n for p in plans for n in (p.underlay, p.pods, p.services)]
    assert not [(a, b) for a, b in combinations(networks, 2) if a.overlaps(b)]


def test_nodes_of_all_labs_are_on_one_link() -> None:
    assert all(AddressPlan(i).underlay.subnet_of(UNDERLAY) for i in range(MAX_LABS))


def test_every_node_has_pods_of_its_own_within_the_lab() -> None:
    plan = AddressPlan(3)
    blocks = [plan.node_pods(n) for n in range(1, MAX_NODES + 1)]
    assert len(set(blocks)) == MAX_NODES
    assert all(block.subnet_of(plan.pods) for block in blocks)


def test_well_known_addresses() -> None:
    plan = AddressPlan(0)
    assert str(plan.node(1)) == "10.210.0.1"
    assert str(plan.kubernetes_service) == "10.160.0.1"
    assert plan.dns in plan.services


@pytest.mark.parametrize("index", [-1, MAX_LABS])
def test_indexes_out_of_range_are_refused(index: int) -> None:
    with pytest.raises(ValueError, match="lab index"):
        AddressPlan(index)


@pytest.mark.parametrize("number", [0, MAX_NODES + 1])
def test_node_numbers_out_of_range_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match="node number"):
        AddressPlan(0).node(number)
