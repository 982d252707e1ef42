"""One operator at a time: a Lease in the release's namespace, renewed while it is held."""

from __future__ import annotations

import getpass
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from airfleet import console
from airfleet.errors import AirfleetError
from airfleet.fleet.live import Live

SECONDS = 30
"""A Lease that was not renewed for so long may be taken: its holder is dead."""


def holder() -> str:
    """Who holds a lock, for others to read."""
    return f"{getpass.getuser()}@{socket.gethostname()}:{os.getpid()}"


@contextmanager
def locked(live: Live, purpose: str) -> Iterator[None]:
    """Hold the release's Lease. Raises AirfleetError, and changes nothing, if somebody else does."""
    name = f"airfleet-{live.cluster.release}"
    me = holder()
    _take(live, name, me, purpose)
    stop = threading.Event()
    thread = threading.Thread(target=_renew, args=(live, name, me, stop), daemon=True, name=f"renew {name}")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        _give_back(live, name, me)


def _take(live: Live, name: str, me: str, purpose: str) -> None:
    from kubernetes.client import ApiException

    namespace = live.cluster.namespace
    now = datetime.now(UTC)
    spec = {"holderIdentity": me, "leaseDurationSeconds": SECONDS, "acquireTime": _micro(now), "renewTime": _micro(now)}
    body: dict[str, Any] = {"metadata": {"name": name, "annotations": {"airfleet/purpose": purpose}}, "spec": spec}
    live.check()
    live.kube.ensure_namespace(namespace, {})
    try:
        live.coordination.create_namespaced_lease(namespace, body, _request_timeout=30)
        return
    except ApiException as e:
        if e.status != 409:
            raise AirfleetError(
                "could not take the lock", where=f"{live.cluster.name} {namespace}/{name}", why=str(e.reason)
            ) from e
    found = live.kube.call("read the lock", live.coordination.read_namespaced_lease, name, namespace)
    renewed = found.spec.renew_time
    if found.spec.holder_identity and renewed and renewed + timedelta(seconds=SECONDS) > now:
        raise _held(live, name, found)
    # The version makes it a compare-and-swap: of two that take a dead one's lock, one is refused.
    body["metadata"]["resourceVersion"] = found.metadata.resource_version
    try:
        live.coordination.replace_namespaced_lease(name, namespace, body, _request_timeout=30)
    except ApiException as e:
        raise _held(live, name, found) from e


def _held(live: Live, name: str, found: Any) -> AirfleetError:
    purpose = (found.metadata.annotations or {}).get("airfleet/purpose", "")
    return AirfleetError(
        f"{live.cluster.name} is being changed by {found.spec.holder_identity or 'somebody else'}",
        where=f"Lease {live.cluster.namespace}/{name}",
        why=f"since {found.spec.acquire_time:%Y-%m-%d %H:%M:%S} UTC: {purpose}",
        fix=f"wait for it; a lock whose holder is dead can be taken {SECONDS} s after its last sign of life",
    )


def _renew(live: Live, name: str, me: str, stop: threading.Event) -> None:
    while not stop.wait(SECONDS / 3):
        body = {"spec": {"renewTime": _micro(datetime.now(UTC)), "holderIdentity": me}}
        try:
            live.kube.call(
                "renew the lock", live.coordination.patch_namespaced_lease, name, live.cluster.namespace, body
            )
        except AirfleetError as e:
            console.say(f"  the lock on {live.cluster.name} was not renewed: {e.why}")


def _give_back(live: Live, name: str, me: str) -> None:
    try:
        found = live.kube.call("read the lock", live.coordination.read_namespaced_lease, name, live.cluster.namespace)
        if found.spec.holder_identity == me:
            live.kube.call(
                "give the lock back", live.coordination.delete_namespaced_lease, name, live.cluster.namespace
            )
    except AirfleetError as e:
        console.say(f"  the lock on {live.cluster.name} could not be given back and ends in {SECONDS} s: {e.why}")


def _micro(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
