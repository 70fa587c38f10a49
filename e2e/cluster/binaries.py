"""Which programs the cluster is made of, and which version of each."""

from __future__ import annotations

from .gobuild import GoBinary

_VERSION = "k8s.io/component-base/version"
KUBERNETES_VERSION = "v1.35.4"
KUBERNETES = GoBinary(
    "kubernetes",
    KUBERNETES_VERSION,
    links=(
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
        "kubelet",
        "kubectl",
        "pintle-provisioner",
    ),
    linker_flags=(
        f"-X {_VERSION}.gitVersion={KUBERNETES_VERSION} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=35 "
        f"-X {_VERSION}.gitTreeState=clean"
    ),
)

HELM = GoBinary(
    "helm",
    "v3.22.0",
    package="helm.sh/helm/v3/cmd/helm",
    linker_flags="-X helm.sh/helm/v3/internal/version.version=v3.22.0",
)
TRAEFIK = GoBinary(
    "traefik",
    "v3.6.12",
    package="github.com/traefik/traefik/v3/cmd/traefik",
    linker_flags="-X github.com/traefik/traefik/v3/pkg/version.Version=v3.6.12",
)
COREDNS = GoBinary("coredns", "v1.15.0")
METRICS_SERVER = GoBinary("metrics-server", "v0.9.0", package="sigs.k8s.io/metrics-server/cmd/metrics-server")
PROMETHEUS = GoBinary(
    "prometheus",
    "v3.13.0",
    package="github.com/prometheus/prometheus/cmd/prometheus",
    # Of some thirty ways to discover targets the one that finds pods; Debian's package lacks just that one.
    tags="remove_all_sd,enable_kubernetes_sd",
    linker_flags="-X github.com/prometheus/common/version.Version=3.13.0",
)
VERSITYGW = GoBinary("versitygw", "v1.8.0", package="github.com/versity/versitygw/cmd/versitygw")
PAUSE = GoBinary("pause", "v1")

# In the order in which somebody waiting for the cluster wants them.
ALL = (KUBERNETES, PAUSE, COREDNS, HELM, TRAEFIK, METRICS_SERVER, PROMETHEUS, VERSITYGW)
