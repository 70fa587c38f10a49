"""Removes images of earlier contents: each change of the code makes new ones, and nobody else ever removes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from . import builders, images, node, progress
from .errors import ClusterError

KEPT = 4
"""Of each image the newest; two checkouts that are worked on by turns need two each."""


def superseded(built: Iterable[tuple[float, str]], used: str, kept: int = KEPT) -> list[str]:
    """References to remove, the oldest first.

    `built`: when (Unix seconds) and as what (name:tag) each was built; `used`: any text that names those in use, as
    the API server prints workloads. Images of others, and the base that ours are built on, are never among them.
    """
    of_name: dict[str, list[tuple[float, str]]] = defaultdict(list)
    ours = {f"{images.LOCAL_PREFIX}/{name}" for name in images.names()}
    for when, reference in built:
        name = reference.rpartition(":")[0]
        if name in ours:
            of_name[name].append((when, reference))
    old = [one for found in of_name.values() for one in sorted(found)[:-kept]]
    return [reference for _, reference in sorted(old) if reference not in used]


def prune(used: str) -> None:
    """Remove them from the builder's storage and from this machine's containerd; what is in use stays (`superseded`).

    Only what buildah keeps for Pintle: a Docker engine is somebody's own. A failure is told and nothing more: what
    cannot be removed now is removed another time.
    """
    builder = builders.choose()
    if not isinstance(builder, builders.Buildah):
        return
    try:
        old = superseded(builder.built(), used)
        if not old:
            return
        with progress.step("remove images of earlier contents") as step:
            step.note(str(len(old)))
            there = set(node.ctr("images", "list", "--quiet").split())
            gone = [reference for reference in old if reference in there]
            if gone:
                node.ctr("images", "remove", *gone)
            builder.remove(old)
    except ClusterError as error:
        print(f"images of earlier contents are still there: {error}", flush=True)
