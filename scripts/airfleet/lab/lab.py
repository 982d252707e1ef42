"""A lab: one real Kubernetes cluster on this machine, with everything that can be done to it."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airfleet.errors import AirfleetError, UsageError
from airfleet.lab import state
from airfleet.lab.addresses import MAX_NODES
from airfleet.lab.loading import Loaded
from airfleet.lab.procs import boot_id
from airfleet.lab.state import LabRecord
from airfleet.process import Completed, run

if TYPE_CHECKING:
    from airfleet.lab.links import Link
    from airfleet.lab.status import LabStatus

PhaseReport = Callable[[str, float], None]


class Lab:
    """The lab of this name, whether it is up or not. Making the object touches nothing."""

    def __init__(self, name: str) -> None:
        self.name = state.check_name(name)

    @property
    def kubeconfig(self) -> Path:
        """An ordinary kubeconfig for the lab (mode 600), through 127.0.0.1; there while the lab is."""
        return state.lab_dir(self.name) / "kubeconfig"

    @property
    def inner_kubeconfig(self) -> Path:
        """A kubeconfig with the address that pods use, those of linked labs included."""
        return state.lab_dir(self.name) / "pki" / "admin.kubeconfig"

    @property
    def context(self) -> str:
        """The name of the only context in `kubeconfig`."""
        return f"airfleet-{self.name}"

    @property
    def record(self) -> LabRecord:
        """What is recorded about the lab. Raises AirfleetError if there is no such lab."""
        return state.require(self.name)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the nodes; the first is the control plane."""
        return self.record.nodes

    def is_up(self) -> bool:
        """Whether the lab came up and all of its nodes still run."""
        found = state.read(self.name)
        return found is not None and found.ready and all(found.running(n) for n in found.nodes)

    def up(
        self,
        *,
        nodes: int = 2,
        port: int | None = None,
        timeout: float = 120,
        on_phase: PhaseReport = lambda title, seconds: None,
    ) -> None:
        """Bring the lab up and return when it works: nodes Ready, DNS answering, a default StorageClass.

        nodes: how many; 0 gives an API server alone. port: of the API server on 127.0.0.1, a free one if None.
        timeout: seconds for the boot; building the programs the first time is not counted. on_phase is told each
        phase's title and seconds. What a lab of this name left behind by a crash is removed first.
        Raises AirfleetError if the machine can't run a lab, the lab is up already, or it does not come up; nothing is
        left behind then, nor after an interrupt.
        """
        if not 0 <= nodes <= MAX_NODES:
            raise UsageError(f"a lab can have 0 to {MAX_NODES} nodes, not {nodes}")
        from airfleet.lab import boot, images, preflight, programs, teardown

        preflight.check_machine()
        preflight.ensure_packages()
        built = programs.ensure()
        base_images = images.ensure(built)
        with state.locked(self.name):
            self._refuse_if_running()
            with boot.listen(port) as listener, _removed_if_it_fails(self.name):
                teardown.remove(self.name)
                record = self._record_new(nodes, listener, built, base_images)
                boot.boot(record, listener, timeout, on_phase)

    def down(self) -> None:
        """Remove the lab: its processes, network, control groups and files. Fine if there is none.

        Raises AirfleetError if another command is working on the lab, or if something can't be removed.
        """
        from airfleet.lab import teardown

        with state.locked(self.name):
            teardown.remove(self.name)

    def status(self) -> LabStatus:
        """How the lab is: nodes, daemons, memory and processor time. Takes a second, to measure the latter.

        Raises AirfleetError if there is no such lab.
        """
        from airfleet.lab import status

        return status.of(self.record)

    def footprint(self) -> dict[str, str]:
        """What the lab takes of the machine, in words: label -> figure."""
        return self.status().footprint()

    def stop_node(self, node: str) -> None:
        """Take a node down as a power cut does: its processes are killed, its cable is out, its disk stays.

        Raises UsageError if the lab has no such node.
        """
        from airfleet.lab import nodes

        with state.locked(self.name):
            nodes.stop(self.record, node)

    def start_node(self, node: str, *, timeout: float = 60) -> None:
        """Start a stopped node again and wait, up to timeout seconds, until it is Ready.

        Raises UsageError if the lab has no such node or it runs, AirfleetError if it is not Ready in time.
        """
        from airfleet.lab import boot

        with state.locked(self.name):
            boot.restart_node(self.record, node, timeout)

    def cut(self, node: str) -> None:
        """Pull a node's network cable; everything on it goes on running. Raises UsageError if there is no such node."""
        self._set_cable(node, plugged=False)

    def restore(self, node: str) -> None:
        """Put a node's network cable back. Raises UsageError if there is no such node."""
        self._set_cable(node, plugged=True)

    def link(self, other: str) -> Link:
        """The link to another lab: join() makes it, cut() and restore() change it.

        Raises AirfleetError if one of the labs is not there.
        """
        from airfleet.lab import links

        return links.between(self.name, other)

    def load(self, archives: Sequence[Path]) -> list[Loaded]:
        """Import image archives (OCI layout or `docker save`) into every node; skips what is there already.

        Raises AirfleetError if the lab is not up, or if an archive is none.
        """
        from airfleet.lab import loading

        return loading.load(self._require_up(), archives)

    def kubectl(
        self, *args: str, stdin: str | None = None, check: bool = True, timeout: float | None = None
    ) -> Completed:
        """Run the lab's own kubectl as the lab's administrator. timeout is in seconds.

        Raises AirfleetError if it takes longer or, with check, exits non-zero.
        """
        argv = [str(self.program("kubectl")), f"--kubeconfig={self.kubeconfig}", *args]
        return run(argv, stdin=stdin, check=check, timeout=timeout)

    def program(self, name: str) -> Path:
        """The path of one of the lab's programs: kubectl, ctr, etcd ... Raises AirfleetError if there is no lab."""
        candidates = [Path(directory) / name for directory in self.record.programs.values()]
        return next(path for path in candidates if path.exists())

    def _set_cable(self, node: str, *, plugged: bool) -> None:
        from airfleet.lab import network

        record = self.record
        network.set_cable(record.dir, record.number(node), plugged=plugged)

    def _refuse_if_running(self) -> None:
        found = state.read(self.name)
        if found is not None and any(found.running(n) for n in found.nodes):
            raise AirfleetError(
                f"lab {self.name} is up already",
                where=str(self.kubeconfig),
                fix=f"use it, or remove it: airfleet lab down --name {self.name}",
            )

    def _record_new(self, nodes: int, listener: socket.socket, built: dict[str, str], images: Path) -> LabRecord:
        from airfleet.lab import limits

        with state.locked(state.INDEX_LOCK):
            record = LabRecord(
                name=self.name,
                index=state.free_index(),
                nodes=tuple(f"{self.name}-{n}" for n in range(1, max(nodes, 1) + 1)),
                workers=nodes > 0,
                port=int(listener.getsockname()[1]),
                boot=boot_id(),
                programs=built,
                base_images=str(images),
            )
            state.write(record)
            limits.raise_limits()
        return record

    def _require_up(self) -> LabRecord:
        record = self.record
        if stopped := [n for n in record.nodes if record.running(n) is None]:
            raise AirfleetError(
                f"lab {self.name} is not up: {', '.join(stopped)} is not running",
                fix=f"airfleet lab down --name {self.name}, then airfleet lab up --name {self.name}",
            )
        return record


@contextmanager
def _removed_if_it_fails(name: str) -> Iterator[None]:
    """Remove the lab if the block fails or is interrupted; a second interrupt does not stop the removal."""
    from airfleet.lab import teardown

    try:
        yield
    except BaseException as e:
        with _uninterrupted():
            teardown.remove(name)
        if isinstance(e, OSError):  # a full disk, or a kernel that refuses what preflight could not know of
            raise AirfleetError(f"lab {name} could not be made", where=str(e.filename or ""), why=str(e)) from e
        raise


@contextmanager
def _uninterrupted() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
