"""etcd, kube-apiserver, controller-manager, scheduler and the volume provisioner, as processes of this machine."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from . import kubeconfig, paths, pki, processes, settings
from .apiserver import answers, apiserver_flags, etcd_command
from .binaries import KUBERNETES
from .processes import Daemon

ETCD, APISERVER, CONTROLLERS, SCHEDULER, PROVISIONER = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "pintle-provisioner",
)


def folder() -> Path:
    """Everything of the control plane."""
    return paths.cluster_dir()


def url() -> str:
    """The API server's address, for this machine and for pods."""
    return f"https://{settings.NODE_ADDRESS}:{settings.API_PORT}"


def admin_kubeconfig() -> Path:
    """Of a cluster administrator."""
    return folder() / "kubeconfig"


def authority() -> pki.Authority:
    """Signs for servers and users of the cluster."""
    return pki.Authority(folder() / "pki")


def front_authority() -> pki.Authority:
    """Signs for the API server as a caller of aggregated APIs; must not be the one that signs for users."""
    return pki.Authority(folder() / "pki", "front-proxy-ca")


def make_certificates() -> None:
    """All certificates of the control plane, made once."""
    ca = authority().ensure()
    service_names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    hosts = [settings.NODE_ADDRESS, settings.API_SERVICE_ADDRESS, "127.0.0.1", "localhost", *service_names]
    ca.issue("server", "kube-apiserver", hosts=[*hosts, "kubernetes.default.svc.cluster.local"])
    ca.issue("apiserver-kubelet", "pintle-apiserver", groups=["system:masters"])
    ca.issue("kubelet-server", f"system:node:{settings.NODE}", hosts=[settings.NODE_ADDRESS, settings.NODE])
    front_authority().ensure().issue("front-proxy", "front-proxy-client")
    pki.new_key(ca.folder / "accounts.key")
    config_of("admin", "pintle-admin", ["system:masters"], admin_kubeconfig())


def config_of(name: str, user: str, groups: Sequence[str] = (), file: Path | None = None) -> Path:
    """The kubeconfig of one part of the cluster."""
    ca = authority()
    pair = ca.issue(name, user, groups)
    target = file or ca.folder / f"{name}.kubeconfig"
    return kubeconfig.write(target, url(), ca.certificate, kubeconfig.certificate_user(*pair))


def daemon(name: str) -> Daemon:
    """The record of one process of the cluster."""
    return Daemon(name, folder())


def start() -> None:
    """Start what does not run, and wait until the API server is ready."""
    make_certificates()
    daemon(ETCD).start(etcd_command(folder() / "etcd", settings.ETCD_PORT, settings.ETCD_PEER_PORT))
    apiserver = daemon(APISERVER)
    apiserver.start([KUBERNETES.path(APISERVER), *_apiserver_flags()])
    processes.wait_for("the API server to be ready", is_ready(), 60.0, apiserver)
    daemon(CONTROLLERS).start(_controllers())
    scheduler = config_of("scheduler", "system:kube-scheduler")
    daemon(SCHEDULER).start(
        [
            KUBERNETES.path(SCHEDULER),
            f"--kubeconfig={scheduler}",
            f"--authentication-kubeconfig={scheduler}",
            f"--authorization-kubeconfig={scheduler}",
            f"--bind-address={settings.NODE_ADDRESS}",
            "--leader-elect=false",
        ]
    )
    provisioner = config_of("provisioner", "pintle-provisioner", ["system:masters"])
    volumes = folder() / "volumes"
    daemon(PROVISIONER).start([KUBERNETES.path(PROVISIONER), f"--kubeconfig={provisioner}", f"--folder={volumes}"])


def is_ready() -> Callable[[], bool]:
    """A question to ask until it is answered by yes."""
    ca = authority()
    context = ssl.create_default_context(cafile=str(ca.certificate))
    context.load_cert_chain(ca.folder / "admin.crt", ca.folder / "admin.key")
    no_proxy, https = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    opener = urllib.request.build_opener(no_proxy, https)
    return lambda: answers(f"{url()}/readyz", opener)


def _apiserver_flags() -> list[str]:
    certificates = authority().folder
    return [
        *apiserver_flags(authority(), f"http://127.0.0.1:{settings.ETCD_PORT}", settings.API_PORT),
        f"--bind-address={settings.NODE_ADDRESS}",
        f"--advertise-address={settings.NODE_ADDRESS}",
        f"--service-cluster-ip-range={settings.SERVICE_NETWORK}",
        f"--kubelet-client-certificate={certificates / 'apiserver-kubelet.crt'}",
        f"--kubelet-client-key={certificates / 'apiserver-kubelet.key'}",
        f"--kubelet-certificate-authority={authority().certificate}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={front_authority().certificate}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={certificates / 'front-proxy.crt'}",
        f"--proxy-client-key-file={certificates / 'front-proxy.key'}",
        "--enable-aggregator-routing=true",
    ]


def _controllers() -> list[str | Path]:
    config = config_of("controllers", "system:kube-controller-manager")
    return [
        KUBERNETES.path(CONTROLLERS),
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        f"--service-account-private-key-file={authority().folder / 'accounts.key'}",
        f"--root-ca-file={authority().certificate}",
        "--use-service-account-credentials=true",
        f"--bind-address={settings.NODE_ADDRESS}",
        "--leader-elect=false",
        # It makes this folder, which would otherwise lie outside ours.
        f"--flex-volume-plugin-dir={folder() / 'kubelet' / 'volume-plugins'}",
        # Tests wait for Jobs, autoscalers and garbage collection; the defaults are made for thousands of nodes.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--concurrent-gc-syncs=20",
        "--horizontal-pod-autoscaler-sync-period=5s",
        "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
        "--horizontal-pod-autoscaler-cpu-initialization-period=20s",
    ]
