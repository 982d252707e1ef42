"""Every command that is said to look only sends nothing that could write, through a proxy that would refuse it."""

from __future__ import annotations

import pytest

from lab_harness.shop import Shop

# With their exit codes: the files are ahead of the release, nobody has changed it by hand, the storage class of its
# claim is not there, and no pod is ready, since this lab has no nodes.
COMMANDS = {
    ("plan", "--output", "plan.json"): 2,
    ("status", "--json"): 2,
    ("drift",): 0,
    ("diff", "--live"): 2,
    ("doctor",): 1,
    ("verify",): 1,
}


@pytest.mark.parametrize(("argv", "code"), COMMANDS.items(), ids=[argv[0] for argv in COMMANDS])
def test_it_asks_the_cluster_and_writes_nothing(shop: Shop, argv: tuple[str, ...], code: int) -> None:
    fleet = shop.checkout.root / "values/fleet.yaml"
    fleet.write_text(fleet.read_text() + "gates: {rollout: 2s}\n")
    shop.upgrade()
    shop.values(replicas=3, message="good day")
    before = len(shop.recorded.requests)
    done = shop.checkout.run(*argv)
    assert done.code == code, done.out + done.err
    assert len(shop.recorded.requests) > before
    assert shop.recorded.writes == []


def test_apply_writes_so_the_proxy_is_asked(shop: Shop) -> None:
    shop.upgrade()
    shop.values(replicas=3)
    assert shop.checkout.run("plan", "--output", "plan.json").code == 2
    done = shop.checkout.run("apply", "plan.json")
    assert done.code not in (0, 2)
    assert shop.recorded.writes
