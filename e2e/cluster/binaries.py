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

# One module with one version of Kubernetes' libraries, which all of these are made of.
_ADDONS = "addons"
HELM = GoBinary(
    "helm",
    "v3.21.4",
    package="helm.sh/helm/v3/cmd/helm",
    linker_flags="-X helm.sh/helm/v3/internal/version.version=v3.21.4",
    shared=_ADDONS,
)
TRAEFIK = GoBinary(
    "traefik",
    "v3.6.12",
    package="github.com/traefik/traefik/v3/cmd/traefik",
    linker_flags="-X github.com/traefik/traefik/v3/pkg/version.Version=v3.6.12",
    shared=_ADDONS,
)
COREDNS = GoBinary("coredns", "v1.14.6", package="./coredns", shared=_ADDONS)
METRICS_SERVER = GoBinary(
    "metrics-server", "v0.9.0", package="sigs.k8s.io/metrics-server/cmd/metrics-server", shared=_ADDONS
)
PROMETHEUS = GoBinary(
    "prometheus",
    "v3.13.0",
    package="github.com/prometheus/prometheus/cmd/prometheus",
    # Of some thirty ways to discover targets the one that finds pods; Debian's package lacks just that one.
    tags="remove_all_sd,enable_kubernetes_sd",
    linker_flags="-X github.com/prometheus/common/version.Version=3.13.0",
    shared=_ADDONS,
)
PROMTOOL = GoBinary(
    "promtool",
    PROMETHEUS.version,
    package="github.com/prometheus/prometheus/cmd/promtool",
    tags=PROMETHEUS.tags,
    linker_flags=PROMETHEUS.linker_flags,
)
"""Tests of the chart's rules run it; the cluster does not need it."""
VERSITYGW = GoBinary("versitygw", "v1.8.0", package="github.com/versity/versitygw/cmd/versitygw")
PAUSE = GoBinary("pause", "v1")

# What a cluster needs besides KUBERNETES, in the order in which it wants them.
ON_TOP = (PAUSE, COREDNS, METRICS_SERVER, TRAEFIK, PROMETHEUS, HELM)
