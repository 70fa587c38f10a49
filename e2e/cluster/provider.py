"""Which cluster: the user's own, kind where a Docker engine answers, else one from source."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from . import addons, ahead, binaries, builders, controlplane, images, settings, source
from .doors import Doors
from .errors import ClusterError
from .foreign import Foreign
from .kind import Kind


class Provider(Protocol):
    """One way to have a cluster."""

    name: str

    def up(self) -> None:
        """Bring it up, or make sure that it can be used."""
        ...

    def down(self, purge: bool = False) -> None:
        """Remove what `up` made."""
        ...

    def doors(self) -> Doors:
        """Its addresses. ClusterError when it is not up."""
        ...

    def load(self, references: Sequence[str]) -> None:
        """Make built images known to its nodes."""
        ...


@dataclass(frozen=True)
class Source:
    """Built from source, on this machine."""

    name: str = "source"

    def up(self) -> None:
        """Control plane, node, add-ons. These are built while the control plane is: neither keeps all CPUs busy."""
        source.check()
        ahead.begin(*(binary.folder for binary in binaries.ON_TOP))
        source.up()
        addons.install()
        binaries.HELM.folder()

    def down(self, purge: bool = False) -> None:
        """Everything."""
        source.down(purge=purge)

    def doors(self) -> Doors:
        """On the bridge's address and on 127.0.0.1."""
        if controlplane.APISERVER not in source.running():
            raise ClusterError("The cluster is not up; `make cluster` brings it up.")
        return Doors(controlplane.admin_kubeconfig(), settings.gateway_url(), settings.prometheus_url())

    def load(self, references: Sequence[str]) -> None:
        """Into our containerd."""
        images.load(references)


def choose() -> Provider:
    """In this order: PINTLE_KUBECONFIG; a running cluster from source; kind; source.

    PINTLE_CLUSTER=kind or =source decides it where both could be had.
    """
    wanted = os.environ.get("PINTLE_CLUSTER", "")
    if wanted not in {"", "kind", "source"}:
        raise ClusterError(f"PINTLE_CLUSTER={wanted}: there is kind and source.")
    own = os.environ.get("PINTLE_KUBECONFIG")
    if own:
        return Foreign(Path(own))
    if wanted == "kind" or (not wanted and not source.running() and builders.docker_answers()):
        return Kind()
    return Source()
