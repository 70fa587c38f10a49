"""containerd, kubelet and kube-proxy of the one node."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from pathlib import Path
from typing import Any

from . import cgroups, controlplane, network, paths, processes, settings
from .apiserver import answers
from .binaries import KUBERNETES
from .shell import run, succeeds

CONTAINERD, KUBELET, PROXY = "containerd", "kubelet", "kube-proxy"


def socket() -> Path:
    """containerd's."""
    return paths.run_dir() / "containerd.sock"


def ctr(*words: str | Path, patience: float = 300.0) -> str:
    """containerd's command-line client in the kubelet's namespace."""
    return run("ctr", "--address", socket(), "--namespace", "k8s.io", *words, patience=patience)


def start_containerd() -> None:
    """Start it and wait for its socket; whatever containers an earlier life left are forgotten first."""
    daemon = controlplane.daemon(CONTAINERD)
    if daemon.identity():
        return
    for folder in (paths.run_dir(), _folder("cni")):
        folder.mkdir(parents=True, exist_ok=True)
    (_folder("cni") / "10-pintle.conflist").write_text(json.dumps(_cni(), indent=1))
    config = _write("containerd.toml", _containerd_config())
    daemon.start(["containerd", "--config", config], processes.environment(TMPDIR="/tmp"))
    processes.wait_for("containerd's socket", lambda: succeeds("ctr", "--address", socket(), "version"), 30.0, daemon)
    forget_containers()


def forget_containers() -> None:
    """Remove every container's record. Called while none of them runs, as after a restart of the machine."""
    for name in ctr("containers", "list", "--quiet").split():
        succeeds("ctr", "--address", socket(), "--namespace", "k8s.io", "tasks", "delete", "--force", name)
        succeeds("ctr", "--address", socket(), "--namespace", "k8s.io", "containers", "delete", name)


def start() -> None:
    """kubelet and kube-proxy; containerd runs already."""
    cgroups.ensure()
    network.bridge_up()
    kubelet = controlplane.daemon(KUBELET)
    config = _write("kubelet.json", json.dumps(_kubelet_config(), indent=1))
    user = controlplane.config_of("kubelet", f"system:node:{settings.NODE}", ["system:nodes"])
    kubelet.start(
        [
            KUBERNETES.path(KUBELET),
            f"--config={config}",
            f"--kubeconfig={user}",
            f"--root-dir={_folder('kubelet')}",
            f"--hostname-override={settings.NODE}",
            f"--node-ip={settings.NODE_ADDRESS}",
        ]
    )
    _start_proxy()


def _start_proxy() -> None:
    daemon = controlplane.daemon(PROXY)
    config = _write("kube-proxy.json", json.dumps(_proxy_config(), indent=1))
    command = [KUBERNETES.path(PROXY), f"--config={config}"]
    if daemon.runs(command):
        return
    daemon.stop()
    # A new kube-proxy that finds the chains of a dead one can leave them empty: Services then lead nowhere.
    network.forget_services()
    daemon.start(command)


def wait_ready(patience: float = 60.0) -> None:
    """Until this life of the kubelet answers and the node says that it is ready."""
    path = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    question = ("get", "node", settings.NODE, "-o", path, "--ignore-not-found")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ready() -> bool:
        # After a crash the API server still knows the dead kubelet's last word, so the living one is asked first.
        return answers("http://127.0.0.1:10248/healthz", opener) and kubectl_text(*question) == "True"

    processes.wait_for("the node to be Ready", ready, patience, controlplane.daemon(KUBELET))


def kubectl_text(*words: str, given: str | None = None) -> str:
    """kubectl as administrator."""
    command = [KUBERNETES.path("kubectl"), "--kubeconfig", controlplane.admin_kubeconfig(), *words]
    return run(*command, given=given).strip()


def _folder(name: str) -> Path:
    return paths.cluster_dir() / name


def _write(name: str, content: str) -> Path:
    """A configuration file whose name carries its content's digest.

    So a changed configuration is a changed command, and the process is started anew; an unchanged one is not
    touched: kube-proxy, for one, ends when its file is written.
    """
    stem, suffix = name.rsplit(".", 1)
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    file = _folder("config") / f"{stem}-{digest}.{suffix}"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(content)
        part.replace(file)
    return file


def _containerd_config() -> str:
    return f"""
version = 2
root = "{_folder("containerd")}"
state = "{paths.run_dir() / "containerd"}"
disabled_plugins = ["io.containerd.internal.v1.restart", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = "{socket()}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{_folder("opt")}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{settings.PAUSE_IMAGE}"
  # Without CAP_SYS_RESOURCE nobody may lower the score of a container, and no sandbox would start.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  disable_tcp_service = true
  stream_server_address = "{settings.NODE_ADDRESS}"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{settings.CNI_PROGRAMS}"
  conf_dir = "{_folder("cni")}"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
  Root = "{paths.run_dir() / "runc"}"
"""


def _cni() -> dict[str, Any]:
    return {
        "cniVersion": "0.4.0",
        "name": settings.NAME,
        "plugins": [
            {
                "type": "bridge",
                "bridge": settings.BRIDGE,
                "isGateway": True,
                "ipMasq": False,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(paths.run_dir() / "addresses"),
                    "ranges": [[{"subnet": settings.POD_NETWORK}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }


def _kubelet_config() -> dict[str, Any]:
    certificates = controlplane.authority().folder
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": settings.NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(controlplane.authority().certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(certificates / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(certificates / "kubelet-server.key"),
        "containerRuntimeEndpoint": f"unix://{socket()}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{settings.CGROUP}",
        # 1.35 is the last line of Kubernetes that runs where only cgroup v1 is to be had.
        "failCgroupV1": False,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "clusterDNS": [settings.DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": "/etc/resolv.conf",
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        # Images come from no registry: one that is collected as garbage would not come back.
        "imageGCHighThresholdPercent": 100,
        # An image that was pulled from a registry once and is imported now would be pulled again, under a name that
        # no registry has.
        "imagePullCredentialsVerificationPolicy": "NeverVerify",
        "maxPods": 250,
        "registryPullQPS": 0,
        "serializeImagePulls": False,
        "eventRecordQPS": 0,
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
        "podLogsDir": str(_folder("pod-logs")),
        "volumePluginDir": str(_folder("kubelet/volume-plugins")),
        "makeIPTablesUtilChains": False,
        "rotateCertificates": False,
    }


def _proxy_config() -> dict[str, Any]:
    user = controlplane.config_of("kube-proxy", "system:kube-proxy")
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(user)},
        "clusterCIDR": settings.POD_NETWORK,
        "hostnameOverride": settings.NODE,
        "bindAddress": settings.NODE_ADDRESS,
        "healthzBindAddress": f"{settings.NODE_ADDRESS}:10256",
        "metricsBindAddress": f"{settings.NODE_ADDRESS}:10249",
        "nodePortAddresses": [f"{settings.NODE_ADDRESS}/32"],
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "nftables": {"minSyncPeriod": "100ms", "syncPeriod": "30s"},
    }
