"""What a cluster gets on top: DNS, storage, resource metrics, the Gateway API with Traefik, Prometheus."""

from __future__ import annotations

import hashlib
import json
import shutil
import string
import subprocess
from collections.abc import Mapping
from pathlib import Path

from . import binaries, cache, controlplane, gobuild, images, node, paths, processes, progress, settings
from .errors import ClusterError

TRAEFIK, METRICS_SERVER = "traefik", "metrics-server"
GATEWAY_API = "v1.4.0"
GATEWAY_CRD_NAMES = tuple(
    f"customresourcedefinition/{kind}.gateway.networking.k8s.io"
    for kind in ("gatewayclasses", "gateways", "httproutes")
)


def install() -> None:
    """All of it; what is there and unchanged stays as it is."""
    install_dns()
    for name, binary, work in (
        ("metrics-server", binaries.METRICS_SERVER, _metrics_server),
        ("gateway", binaries.TRAEFIK, _gateway),
        ("Prometheus", binaries.PROMETHEUS, _prometheus),
    ):
        # Waiting for it to be built is no part of how long its start takes.
        binary.folder()
        with progress.step(name) as step:
            step.cached = not work()


def install_dns() -> None:
    """The default StorageClass and the cluster's DNS: without these it is none."""
    _apply_once("storage", manifest("storage.yaml"))
    binaries.COREDNS.folder()
    with progress.step("cluster DNS") as step:
        values = {"COREDNS_IMAGE": images.load_binary(binaries.COREDNS), "DNS_ADDRESS": settings.DNS_ADDRESS}
        step.cached = not _apply_once("coredns", manifest("coredns.yaml", values))
        rollout("kube-system", "coredns")


def rollout(namespace: str, name: str) -> None:
    """Wait until a Deployment has rolled out."""
    node.kubectl_text("rollout", "status", "-n", namespace, f"deployment/{name}", "--timeout=120s")


def gateway_crds() -> str:
    """The standard channel's CRDs, from the Go module that carries them."""
    folder = cache.build("gateway-api-crds", GATEWAY_API, "", _fetch_gateway_crds)
    return "\n---\n".join(file.read_text() for file in sorted(folder.glob("*.yaml")))


def _fetch_gateway_crds(target: Path) -> None:
    done = subprocess.run(
        [gobuild.find_go(), "mod", "download", "-json", f"sigs.k8s.io/gateway-api@{GATEWAY_API}"],
        cwd=paths.cache_dir(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ClusterError(f"The Gateway API's module cannot be had: {done.stdout}{done.stderr}")
    source = Path(json.loads(done.stdout)["Dir"]) / "config" / "crd" / "standard"
    for file in source.glob("*.yaml"):
        shutil.copyfile(file, target / file.name)


def _metrics_server() -> bool:
    user = controlplane.config_of("metrics-server", "pintle-metrics-server", ["system:masters"])
    certificates = paths.cluster_dir() / "metrics-server"
    controlplane.daemon(METRICS_SERVER).start(
        [
            binaries.METRICS_SERVER.path(),
            f"--kubeconfig={user}",
            f"--authentication-kubeconfig={user}",
            f"--authorization-kubeconfig={user}",
            f"--bind-address={settings.NODE_ADDRESS}",
            f"--secure-port={settings.METRICS_SERVER_PORT}",
            f"--cert-dir={certificates}",
            f"--kubelet-certificate-authority={controlplane.authority().certificate}",
            "--kubelet-preferred-address-types=InternalIP",
            "--metric-resolution=10s",
            "--kubelet-request-timeout=5s",
        ]
    )
    values = {"NODE_ADDRESS": settings.NODE_ADDRESS, "METRICS_SERVER_PORT": str(settings.METRICS_SERVER_PORT)}
    return _apply_once("metrics-server", manifest("metrics-server.yaml", values))


def _gateway() -> bool:
    changed = _apply_once("gateway-crds", gateway_crds())
    if changed:
        node.kubectl_text("wait", "--for=condition=Established", "--timeout=60s", *GATEWAY_CRD_NAMES)
    changed |= _apply_once("gateway", manifest("gateway.yaml", {"GATEWAY_PORT": str(settings.gateway_port())}))
    user = controlplane.config_of("traefik", "pintle-traefik", ["system:masters"])
    daemon = controlplane.daemon(TRAEFIK)
    fresh = daemon.identity() is None
    daemon.start(traefik_command(settings.gateway_port()), processes.environment(KUBECONFIG=str(user)))
    if fresh or changed:
        path = 'jsonpath={.status.conditions[?(@.type=="Programmed")].status}'
        question = ("get", "gateway", "-n", "pintle-gateway", "pintle", "-o", path)
        processes.wait_for("the gateway to be programmed", lambda: node.kubectl_text(*question) == "True", 60.0, daemon)
    return fresh or changed


def traefik_command(port: int) -> list[str]:
    """Traefik as a gateway controller that nobody outside this machine reaches."""
    return [
        str(binaries.TRAEFIK.path()),
        f"--entrypoints.web.address=127.0.0.1:{port}",
        "--providers.kubernetesgateway=true",
        # The default of 2 s would be most of the time that a rollback may take.
        "--providers.providersthrottleduration=50ms",
        "--serverstransport.maxidleconnsperhost=256",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--log.level=WARN",
    ]


def _prometheus() -> bool:
    reference = images.load_binary(binaries.PROMETHEUS)
    changed = _apply_once("prometheus", prometheus_manifest(reference))
    rollout("monitoring", "prometheus")
    return changed


def prometheus_manifest(image: str) -> str:
    """Prometheus with everything it needs; a changed configuration is a changed pod."""
    file = "prometheus.yaml"
    values = {
        "PROMETHEUS_IMAGE": image,
        "PROMETHEUS_NODE_PORT": str(settings.PROMETHEUS_NODE_PORT),
        "CONFIG_DIGEST": hashlib.sha256((paths.MANIFESTS / file).read_bytes()).hexdigest()[:12],
    }
    return manifest(file, values)


def manifest(name: str, values: Mapping[str, str] | None = None) -> str:
    """A file of `manifests/` with its $NAMES filled in."""
    return string.Template((paths.MANIFESTS / name).read_text()).substitute(values or {})


def _apply_once(name: str, text: str) -> bool:
    """Apply unless the same text was applied to this cluster before; returns whether it was applied now.

    A second `up` must take seconds; that somebody deleted an add-on by hand shows by the waiting for it failing,
    and is mended by `down` and `up`.
    """
    mark = paths.cluster_dir() / "applied" / name
    digest = hashlib.sha256(text.encode()).hexdigest()
    if mark.exists() and mark.read_text() == digest:
        return False
    options = ("--server-side", "--force-conflicts", "--field-manager=pintle-cluster")
    node.kubectl_text("apply", *options, "-f", "-", given=text)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(digest)
    return True
