"""What a lab needs of the machine; everything that is missing is said at once."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

from airfleet.errors import AirfleetError
from airfleet.lab import cgroups
from airfleet.machine import ensure_commands, is_root
from airfleet.paths import state_dir

MINIMUM_KERNEL = (5, 4)
STATE_SPACE = 3 << 30  # bytes: what a small cluster with a few images takes

# command or file -> Debian package
NEEDS = {
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
    "umount": "mount",
    "busybox": "busybox-static",
}


def check_machine() -> None:
    """Raise one AirfleetError that names everything that keeps this machine from running a lab."""
    problems = [problem for check in _CHECKS if (problem := check())]
    if problems:
        raise AirfleetError(
            "this machine can't run a lab" + (f", for {len(problems)} reasons" if len(problems) > 1 else ""),
            why="\n".join(problems),
            fix="mend that, or use a cluster of your own: AIRFLEET_CONTEXT=name (docs/guide/lab.md)",
        )


def ensure_packages() -> None:
    """Install the Debian packages that are missing to run a lab, or raise AirfleetError with all of them."""
    ensure_commands(NEEDS)


def free_space(directory: Path) -> int:
    """The bytes that are free on the file system where a directory is or would be made."""
    # os.path.exists is False where Path.exists raises, for a user who may not look
    existing = next(d for d in (directory, *directory.parents) if os.path.exists(d))  # noqa: PTH110
    return shutil.disk_usage(existing).free


def check_space(directory: Path, needed: int, what_for: str) -> None:
    """Raise AirfleetError if the file system of directory has less than needed bytes free."""
    free = free_space(directory)
    if free < needed:
        raise AirfleetError(
            f"the disk is too full for {what_for}",
            where=str(directory),
            why=f"{free / 2**30:.1f} GiB are free, {needed / 2**30:.1f} are needed",
            fix="free some space, or point AIRFLEET_CACHE and AIRFLEET_STATE to another disk",
        )


def _check_linux() -> str:
    if platform.system() == "Linux":
        return ""
    return f"a lab needs Linux, this is {platform.system()}: use a Linux virtual machine"


def _check_processor() -> str:
    if platform.machine() in {"x86_64", "aarch64"}:
        return ""
    return f"the lab is built for x86_64 and aarch64, this is {platform.machine()}"


def _check_root() -> str:
    return "" if is_root() else "a lab needs root (network namespaces, mounts, control groups): use sudo"


def _check_kernel() -> str:
    release = platform.release()
    numbers = tuple(int(n) for n in release.split("-")[0].split(".")[:2] if n.isdigit())
    if platform.system() != "Linux" or numbers >= MINIMUM_KERNEL:
        return ""
    return f"Linux {'.'.join(map(str, MINIMUM_KERNEL))} or newer is needed, this is {release}"


def _check_overlayfs() -> str:
    return _loadable("overlay", "overlay" in _read("/proc/filesystems").split(), "overlayfs (images' layers)")


def _check_bridge_filter() -> str:
    present = Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists()
    return _loadable("br_netfilter", present, "br_netfilter (Services and policies between pods of one node)")


def _check_namespaces() -> str:
    lacking = [n for n in ("net", "mnt", "pid", "uts", "ipc") if not Path(f"/proc/self/ns/{n}").exists()]
    return f"the kernel lacks namespaces: {', '.join(lacking)}" if lacking and platform.system() == "Linux" else ""


def _check_network() -> str:
    """Try veth, bridge and nftables for real, in a network namespace that is gone right afterwards."""
    if platform.system() != "Linux" or not is_root() or not all(shutil.which(c) for c in ("unshare", "ip", "nft")):
        return ""  # said elsewhere, or about to be installed
    from airfleet.process import run

    trials = {
        "network namespaces": ["true"],
        "veth interfaces": ["ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth1"],
        "bridges": ["ip", "link", "add", "br0", "type", "bridge"],
        "nftables with NAT": ["nft", "add table ip t; add chain ip t c { type nat hook prerouting priority 0 ; }"],
    }
    for what, argv in trials.items():
        done = run(["unshare", "--net", *argv], check=False)
        if done.code != 0:
            return f"{what} can't be made: {(done.stderr or done.stdout).strip()[:200]}"
    return ""


def _check_cgroups() -> str:
    if platform.system() != "Linux":
        return ""
    found = cgroups.detect()
    lacking = [c for c in ("cpu", "memory", "pids") if not _has_controller(found, c)]
    return f"control groups lack {', '.join(lacking)} (mounted: {', '.join(found.mounts) or 'none'})" if lacking else ""


def _has_controller(found: cgroups.Hierarchies, controller: str) -> bool:
    mount = found.of_controller(controller)
    if mount is None:
        return False
    return found.version == 1 or controller in _read(str(mount / "cgroup.controllers")).split()


def _check_space() -> str:
    free = free_space(state_dir())
    if free >= STATE_SPACE:
        return ""
    where = f"{free / 2**30:.1f} GiB are free for {state_dir()}"
    return f"the disk is too full: {where}, a lab takes {STATE_SPACE >> 30} (AIRFLEET_STATE moves it)"


def _loadable(module: str, present: bool, what: str) -> str:
    """Load a kernel module if it is there to be loaded; a sentence if that does not help."""
    if present or platform.system() != "Linux":
        return ""
    if is_root() and shutil.which("modprobe"):
        from airfleet.process import run

        if run(["modprobe", module], check=False).code == 0:
            return ""
    return f"the kernel lacks {what}: modprobe {module}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


_CHECKS: tuple[Callable[[], str], ...] = (
    _check_linux,
    _check_processor,
    _check_root,
    _check_kernel,
    _check_namespaces,
    _check_overlayfs,
    _check_bridge_filter,
    _check_network,
    _check_cgroups,
    _check_space,
)
