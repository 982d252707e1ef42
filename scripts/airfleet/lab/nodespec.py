"""What labinit is told about a node: its root file system, its sysctls and its daemons."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from airfleet.lab import components, configs
from airfleet.lab.node import VOLUMES, Node

# directories of the machine that a node runs its programs from; links among them are copied
_SYSTEM_DIRS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SYSTEM_FILES = ("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/ld.so.cache", "/etc/localtime")

_SYSCTLS = {"net/ipv4/ip_forward": "1", "net/bridge/bridge-nf-call-iptables": "1"}
_PRETEND = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def write(node: Node, cgroups: list[Path]) -> Path:
    """Make the node's directories and write its specification; returns the file."""
    root, logs = node.dir / "root", node.dir / "logs"
    for directory in (root, logs, root / "tmp", root / "etc", root / "var/log", root / "var/lib/kubelet"):
        directory.mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    volumes = node.lab.dir / "volumes"
    volumes.mkdir(exist_ok=True)
    spec = {
        "hostname": node.name,
        "cgroups": [str(c) for c in cgroups],
        "root": str(root),
        "binds": _binds(node, volumes),
        "links": {d: str(Path(d).readlink()) for d in _SYSTEM_DIRS if Path(d).is_symlink()},
        "files": configs.files(node),
        "sysctls": {k: v for k, v in _SYSCTLS.items() if node.lab.workers or "bridge" not in k},
        "pretend": _PRETEND if node.lab.workers else {},
        "logs": str(logs),
        "status": str(node.dir / "status.json"),
        "daemons": [asdict(d) for d in components.daemons(node)],
    }
    path = node.dir / "node.json"
    path.write_text(json.dumps(spec, indent=1))
    return path


def _binds(node: Node, volumes: Path) -> list[dict[str, object]]:
    read_only = [d for d in _SYSTEM_DIRS if Path(d).is_dir() and not Path(d).is_symlink()]
    read_only += [f for f in _SYSTEM_FILES if Path(f).exists()]
    read_only += [*node.lab.programs.values(), node.lab.base_images]
    own = [{"from": str(node.lab.dir), "to": str(node.lab.dir), "readonly": False}]
    own.append({"from": str(volumes), "to": VOLUMES, "readonly": False})
    return [{"from": path, "to": path, "readonly": True} for path in read_only] + own
