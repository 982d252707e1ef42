"""The Pod Security Standards, as a namespace can enforce them.

Source: the controls of https://kubernetes.io/docs/concepts/security/pod-security-standards/ as of Kubernetes 1.37.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_RESTRICTED_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_BASELINE_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
_SAFE_SYSCTLS = frozenset(
    [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    ]
)
_SECCOMP = ("RuntimeDefault", "Localhost")


def violations(pod: Mapping[str, Any], standard: str) -> Iterator[tuple[str, str]]:
    """What a pod's spec does that `restricted` or `baseline` forbids: in which container, if in one, and what."""
    if standard == "privileged":
        return
    context = pod.get("securityContext") or {}
    yield from (("", text) for text in _pod(pod, context, standard))
    for container in containers(pod):
        own = container.get("securityContext") or {}
        found = [*_baseline(container, own), *(_restricted(context, own) if standard == "restricted" else ())]
        yield from ((str(container.get("name")), text) for text in found)


def containers(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All of a pod's containers, those that come first included."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(field) or ()


def _pod(pod: Mapping[str, Any], context: Mapping[str, Any], standard: str) -> Iterator[str]:
    yield from (f"{field} is true" for field in ("hostNetwork", "hostPID", "hostIPC") if pod.get(field))
    for sysctl in context.get("sysctls") or ():
        if sysctl.get("name") not in _SAFE_SYSCTLS:
            yield f"it sets the sysctl {sysctl.get('name')}"
    for volume in pod.get("volumes") or ():
        kinds = set(volume) - {"name"}
        refused = kinds - _RESTRICTED_VOLUMES if standard == "restricted" else kinds & {"hostPath"}
        yield from (f"the volume {volume.get('name')} is a {kind}" for kind in sorted(refused))
    if (context.get("seccompProfile") or {}).get("type") == "Unconfined":
        yield "seccompProfile is Unconfined"


def _baseline(container: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[str]:
    if own.get("privileged"):
        yield "it is privileged"
    if any(port.get("hostPort") for port in container.get("ports") or ()):
        yield "it has a hostPort"
    if (own.get("procMount") or "Default") != "Default":
        yield f"procMount is {own['procMount']}"
    if (own.get("seccompProfile") or {}).get("type") == "Unconfined":
        yield "seccompProfile is Unconfined"
    if more := sorted(set((own.get("capabilities") or {}).get("add") or ()) - _BASELINE_CAPABILITIES):
        yield f"it adds the capabilities {', '.join(more)}"


def _restricted(context: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[str]:
    both = {**context, **own}
    if both.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    if both.get("runAsUser") == 0:
        yield "it runs as root"
    if (both.get("seccompProfile") or {}).get("type") not in _SECCOMP:
        yield "it has no seccompProfile"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    capabilities = own.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or ()):
        yield "it does not drop ALL capabilities"
    if more := sorted(set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}):
        yield f"it adds the capabilities {', '.join(more)}"
