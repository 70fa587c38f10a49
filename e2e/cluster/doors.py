"""How this machine gets into a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Doors:
    """Addresses of the API server (by kubeconfig), of the gateway and of Prometheus."""

    kubeconfig: Path
    gateway: str
    prometheus: str
