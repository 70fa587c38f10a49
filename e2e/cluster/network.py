"""The bridge that pods hang on, and the one rule by which they reach the world."""

from __future__ import annotations

import json

from . import settings
from .shell import run, succeeds


def bridge_up() -> None:
    """Make the bridge and give it the node's address; nothing happens where that is so already."""
    if not succeeds("ip", "link", "show", settings.BRIDGE):
        # With a fixed address of its own the bridge keeps it when pods come and go.
        run("ip", "link", "add", settings.BRIDGE, "address", "0a:58:0a:fb:00:01", "type", "bridge")
    address = f"{settings.NODE_ADDRESS}/{settings.NODE_PREFIX}"
    run("ip", "address", "replace", address, "dev", settings.BRIDGE)
    run("ip", "link", "set", settings.BRIDGE, "up")
    run("nft", "-f", "-", given=_masquerade())


def bridge_down() -> None:
    """Remove the bridge, what still hangs on it, and our nftables tables."""
    for name in bridge_members():
        succeeds("ip", "link", "delete", name)
    succeeds("ip", "link", "delete", settings.BRIDGE)
    forget_services()
    succeeds("nft", "delete", "table", "ip", settings.NFT_TABLE)


def forget_services() -> None:
    """Remove kube-proxy's tables. They are ours: `up` refuses to start beside another kube-proxy."""
    for family in ("ip", "ip6"):
        succeeds("nft", "delete", "table", family, "kube-proxy")


def bridge_members() -> list[str]:
    """The interfaces on the bridge: the host's ends of the pods' cables."""
    if not succeeds("ip", "link", "show", settings.BRIDGE):
        return []
    return [
        link["ifname"] for link in json.loads(run("ip", "-json", "link", "show", "master", settings.BRIDGE) or "[]")
    ]


def _masquerade() -> str:
    table = f"ip {settings.NFT_TABLE}"
    return f"""
table {table}
delete table {table}
table {table} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {settings.POD_NETWORK} ip daddr != {settings.POD_NETWORK} oifname != "{settings.BRIDGE}" masquerade
  }}
}}
"""
