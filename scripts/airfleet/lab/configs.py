"""The configuration files of a node. Pure functions of the lab's record."""

from __future__ import annotations

import json

from airfleet.lab.images import PAUSE
from airfleet.lab.node import CONTAINERD_SOCKET, PLUGINS, POLICY_SOCKET, Node
from airfleet.lab.programs import CNI_PLUGIN


def files(node: Node) -> dict[str, str]:
    """The configuration files of a node's root file system: path -> content."""
    return {
        "/etc/airfleet/containerd.toml": _containerd_config(node),
        "/etc/airfleet/kubelet.json": json.dumps(_kubelet_config(node), indent=1),
        "/etc/airfleet/kube-proxy.json": json.dumps(_proxy_config(node), indent=1),
        "/etc/airfleet/resolv.conf": "options timeout:2\n",  # what pods with dnsPolicy Default get: no name server
        "/etc/cni/net.d/10-lab.conflist": json.dumps(_cni_config(node), indent=1),
        "/etc/resolv.conf": "",
        "/etc/hosts": f"127.0.0.1 localhost\n{node.address} {node.name}\n",
        "/etc/hostname": node.name + "\n",
    }


def _containerd_config(node: Node) -> str:
    return f"""version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "{PAUSE}"
[plugins.'io.containerd.cri.v1.runtime']
  # a container without CAP_SYS_RESOURCE, as labs may run in, can't lower OOM scores
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["{node.lab.programs["containers"]}", "{node.lab.programs["node"]}"]
    conf_dir = "/etc/cni/net.d"
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = "runc"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        BinaryName = "{node.program("containers", "runc")}"
        SystemdCgroup = false
"""


def _kubelet_config(node: Node) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": node.pki("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": node.cgroup,
        "failCgroupV1": False,
        "clusterDNS": [str(node.lab.addresses.dns)],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "resolvConf": "/etc/airfleet/resolv.conf",
        "tlsCertFile": node.pki(f"{node.name}-serving.crt"),
        "tlsPrivateKeyFile": node.pki(f"{node.name}-serving.key"),
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "protectKernelDefaults": True,  # labinit shows the kubelet the values that it wants
        "volumePluginDir": PLUGINS,
        "maxPods": 200,
        # a loaded image can't be pulled again, so nothing may ever collect it
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
    }


def _proxy_config(node: Node) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": str(node.lab.addresses.pods),
        "hostnameOverride": node.name,
        "clientConnection": {"kubeconfig": node.pki("proxy.kubeconfig")},
        # connection tracking limits are the machine's, not the node's: leave them alone
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "nodePortAddresses": ["primary"],
        "oomScoreAdj": 0,
    }


def _cni_config(node: Node) -> dict[str, object]:
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "hairpinMode": True,
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "dataDir": "/run/cni",
            "ranges": [[{"subnet": str(node.lab.addresses.node_pods(node.number))}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return {
        "cniVersion": "1.0.0",
        "name": "lab",
        "plugins": [
            bridge,
            {"type": "portmap", "capabilities": {"portMappings": True}},
            {"type": CNI_PLUGIN, "socket": POLICY_SOCKET},
        ],
    }
