"""Images for the cluster: built once per content, imported under a fixed tag."""

from __future__ import annotations

from pathlib import Path

from . import binaries, node, oci, paths, settings


def pause_archive() -> Path:
    """What holds a pod's namespaces open."""
    return binary_archive(binaries.PAUSE, settings.PAUSE_IMAGE)


def binary_archive(binary: binaries.GoBinary, reference: str) -> Path:
    """An image with nothing but one static program."""
    program = binary.path()
    archive = paths.cache_dir() / "images" / f"{binary.name}-{binary.version}-{binary.content()}.tar"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        oci.write(archive, reference, {f"/{binary.name}": program}, [f"/{binary.name}"])
    return archive


def import_archive(archive: Path, reference: str) -> None:
    """Into containerd, unless it is there."""
    if reference not in node.ctr("images", "list", "--quiet").split():
        node.ctr("images", "import", archive)
