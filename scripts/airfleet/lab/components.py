"""The programs of a node and their command lines. Pure functions of the lab's record."""

from __future__ import annotations

from dataclasses import dataclass, field

from airfleet.lab.node import API_PORT, CONTAINERD_SOCKET, PLUGINS, POLICY_SOCKET, VOLUMES, Node

_ETCD = "http://127.0.0.1:2379"


@dataclass(frozen=True)
class Daemon:
    """One supervised program; the fields are those of labinit's daemonSpec."""

    name: str
    argv: list[str]
    wait: list[str] = field(default_factory=list)
    env: list[str] = field(default_factory=list)
    once: bool = False
    listener: bool = False


def daemons(node: Node) -> list[Daemon]:
    """Every daemon of a node."""
    found = []
    if node.number == 1:
        found += [_door(node), _etcd(node), _apiserver(node), _controller_manager(node)]
        if node.lab.workers:
            found += [_scheduler(node), _storage(node)]
    if node.lab.workers:
        found += [_containerd(node), _images(node), _kubelet(node), _proxy(node), _netpol(node)]
    return found


def _ready(node: Node) -> str:
    return f"{node.api}/readyz"


def _door(node: Node) -> Daemon:
    argv = [node.program("node", "labinit"), "door", "3", f"127.0.0.1:{API_PORT}"]
    return Daemon("door", argv, listener=True)


def _etcd(node: Node) -> Daemon:
    argv = [
        node.program("kube", "etcd"),
        f"--name={node.name}",
        "--data-dir=/var/lib/etcd",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        f"--initial-cluster={node.name}=http://127.0.0.1:2380",
        "--unsafe-no-fsync",  # a lab does not outlive a power cut
        "--log-level=warn",
    ]
    return Daemon("etcd", argv)


def _apiserver(node: Node) -> Daemon:
    argv = [
        node.program("kube", "kube-apiserver"),
        f"--etcd-servers={_ETCD}",
        f"--advertise-address={node.address}",
        f"--secure-port={API_PORT}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--client-ca-file={node.pki('ca.crt')}",
        f"--tls-cert-file={node.pki('apiserver.crt')}",
        f"--tls-private-key-file={node.pki('apiserver.key')}",
        f"--kubelet-certificate-authority={node.pki('ca.crt')}",
        f"--kubelet-client-certificate={node.pki('apiserver-kubelet-client.crt')}",
        f"--kubelet-client-key={node.pki('apiserver-kubelet-client.key')}",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={node.pki('service-accounts.pub')}",
        f"--service-account-signing-key-file={node.pki('service-accounts.key')}",
        f"--requestheader-client-ca-file={node.pki('front-proxy-ca.crt')}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={node.pki('front-proxy-client.crt')}",
        f"--proxy-client-key-file={node.pki('front-proxy-client.key')}",
        f"--service-cluster-ip-range={node.lab.addresses.services}",
        "--profiling=false",
    ]
    return Daemon("kube-apiserver", argv, wait=["tcp:127.0.0.1:2379"])


def _controller_manager(node: Node) -> Daemon:
    kubeconfig = node.pki("controller-manager.kubeconfig")
    argv = [
        node.program("kube", "kube-controller-manager"),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={node.pki('service-accounts.key')}",
        f"--root-ca-file={node.pki('ca.crt')}",
        f"--cluster-signing-cert-file={node.pki('ca.crt')}",
        f"--cluster-signing-key-file={node.pki('ca.key')}",
        f"--requestheader-client-ca-file={node.pki('front-proxy-ca.crt')}",
        f"--flex-volume-plugin-dir={PLUGINS}",
        "--horizontal-pod-autoscaler-sync-period=5s",  # 15 seconds by default, which tests would wait for
        "--kube-api-qps=200",  # its default, 20, makes the start of its controllers take five seconds
        "--kube-api-burst=400",
    ]
    return Daemon("kube-controller-manager", argv, wait=[_ready(node)])


def _scheduler(node: Node) -> Daemon:
    kubeconfig = node.pki("scheduler.kubeconfig")
    argv = [
        node.program("kube", "kube-scheduler"),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
    ]
    return Daemon("kube-scheduler", argv, wait=[_ready(node)])


def _storage(node: Node) -> Daemon:
    argv = [
        node.program("node", "labagent"),
        "storage",
        f"--kubeconfig={node.pki('agent.kubeconfig')}",
        f"--directory={VOLUMES}",
    ]
    return Daemon("storage", argv, wait=[_ready(node)])


def _containerd(node: Node) -> Daemon:
    programs = node.lab.programs["containers"]
    path = f"PATH={programs}:/usr/sbin:/usr/bin:/sbin:/bin"  # containerd starts its shim by name
    return Daemon("containerd", [f"{programs}/containerd", "--config=/etc/airfleet/containerd.toml"], env=[path])


def _images(node: Node) -> Daemon:
    argv = [
        node.program("containers", "ctr"),
        "--namespace=k8s.io",
        "images",
        "import",
        "--local",
        node.lab.base_images,
    ]
    return Daemon("base-images", argv, wait=[f"unix:{CONTAINERD_SOCKET}"], once=True)


def _kubelet(node: Node) -> Daemon:
    argv = [
        node.program("kube", "kubelet"),
        "--config=/etc/airfleet/kubelet.json",
        f"--kubeconfig={node.pki(node.name + '.kubeconfig')}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
    ]
    return Daemon("kubelet", argv, wait=["done:base-images", _ready(node)])


def _proxy(node: Node) -> Daemon:
    return Daemon(
        "kube-proxy",
        [node.program("kube", "kube-proxy"), "--config=/etc/airfleet/kube-proxy.json"],
        wait=[_ready(node)],
    )


def _netpol(node: Node) -> Daemon:
    argv = [
        node.program("node", "labagent"),
        "netpol",
        f"--kubeconfig={node.pki('agent.kubeconfig')}",
        f"--node={node.name}",
        f"--socket={POLICY_SOCKET}",
    ]
    return Daemon("netpol", argv, wait=[_ready(node)])
