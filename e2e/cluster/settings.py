"""Names and numbers of the cluster from source. Every name begins with "pintle", so that nobody else's is touched.

A second cluster on one machine needs a network namespace, folders and a name (PINTLE_CLUSTER_NAME) of its own.
"""

from __future__ import annotations

import os

NAME = os.environ.get("PINTLE_CLUSTER_NAME") or "pintle"
NODE = "pintle-node"
BRIDGE = "pintle0"
NFT_TABLE = "pintle"
CGROUP = NAME

# The node's address is the bridge's: what listens on it is reached by pods and by this machine, from nowhere else,
# and does not change when the machine gets another address or none.
POD_NETWORK = "10.251.0.0/16"
NODE_ADDRESS = "10.251.0.1"
NODE_PREFIX = 16
SERVICE_NETWORK = "10.252.0.0/16"
API_SERVICE_ADDRESS = "10.252.0.1"
DNS_ADDRESS = "10.252.0.10"
API_PORT = 6443
ETCD_PORT, ETCD_PEER_PORT = 23791, 23801
METRICS_SERVER_PORT = 4443
PROMETHEUS_NODE_PORT = 30090

CNI_PROGRAMS = "/usr/lib/cni"
PAUSE_IMAGE = "pintle.local/pause:v1"

# What containerd, the kubelet, kube-proxy and the bridge plugin set or may set, and this cluster needs.
SYSCTLS_WANTED = {
    "net.ipv4.ip_forward": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
}
SYSCTLS_TOUCHED = (
    *SYSCTLS_WANTED,
    "net.bridge.bridge-nf-call-ip6tables",
    # Setting ip_forward sets these, too: every interface's forwarding, and whether redirects are believed.
    "net.ipv4.conf.*.forwarding",
    "net.ipv4.conf.all.accept_redirects",
    "net.ipv4.conf.all.route_localnet",
    "net.ipv6.conf.all.forwarding",
    "net.netfilter.nf_conntrack_max",
    "net.netfilter.nf_conntrack_tcp_be_liberal",
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
    "net.netfilter.nf_conntrack_tcp_timeout_established",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.keys.root_maxbytes",
    "kernel.keys.root_maxkeys",
)


def gateway_port() -> int:
    """The port on 127.0.0.1 at which the gateway answers."""
    return int(os.environ.get("PINTLE_GATEWAY_PORT") or 18080)


def gateway_url() -> str:
    """Where a client on this machine sends predictions."""
    return f"http://127.0.0.1:{gateway_port()}"


def prometheus_url() -> str:
    """Where this machine reaches the cluster's Prometheus."""
    return f"http://{NODE_ADDRESS}:{PROMETHEUS_NODE_PORT}"
