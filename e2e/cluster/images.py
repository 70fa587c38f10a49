"""Images for the cluster: built once per content and known to the cluster under that content's tag."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import binaries, builders, dockerfile, node, oci, paths, progress
from .cache import lock

LOCAL_PREFIX = "pintle.local"


def prefix() -> str:
    """What image names begin with; on a foreign cluster the user's registry."""
    return (os.environ.get("PINTLE_IMAGE_PREFIX") or LOCAL_PREFIX).rstrip("/")


def names() -> list[str]:
    """Every image of the repository that has a Dockerfile, the base aside."""
    return sorted(file.parent.name for file in paths.IMAGES.glob("*/Dockerfile") if file.parent.name != "base")


def build(name: str, builder: builders.Builder | None = None) -> str:
    """Build `images/<name>/Dockerfile` unless its content is built already; returns the reference."""
    chosen = builder or builders.choose()
    file = paths.IMAGES / name / "Dockerfile"
    reference = f"{prefix()}/{name}:{dockerfile.content(file, paths.REPOSITORY, chosen.base())}"
    if not chosen.has(reference):
        with lock(f"image-{name}"):
            if not chosen.has(reference):
                with progress.step(f"image {name}", "build"):
                    chosen.build(file, paths.REPOSITORY, reference)
    return reference


def build_all(only: Sequence[str] = ()) -> dict[str, str]:
    """Name -> reference of every image, built where needed; two at a time."""
    wanted = list(only) or names()
    builder = builders.choose()
    builder.base()
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(wanted, pool.map(lambda name: build(name, builder), wanted), strict=True))


def load(references: Sequence[str]) -> None:
    """Into this machine's containerd, what it does not have yet. No archive is kept: writing it again is quick."""
    have = set(node.ctr("images", "list", "--quiet").split())
    builder = builders.choose()
    for reference in references:
        if reference in have:
            continue
        name = reference.rpartition("/")[2].replace(":", "-")
        archive = paths.cache_dir() / f".{name}-{os.getpid()}.tar"
        with progress.step(f"import {reference.rpartition('/')[2].partition(':')[0]}", "build"):
            try:
                builder.save(reference, archive)
                node.ctr("images", "import", archive)
            finally:
                archive.unlink(missing_ok=True)


def push(references: Sequence[str]) -> None:
    """To the registry in their names."""
    builder = builders.choose()
    for reference in references:
        with progress.step(f"push {reference}", "build"):
            builder.push(reference)


def binary_reference(binary: binaries.GoBinary) -> str:
    """The reference of an image with nothing but one static program."""
    return f"{LOCAL_PREFIX}/{binary.name}:{binary.version}-{binary.content()}"


def binary_archive(binary: binaries.GoBinary, reference: str) -> Path:
    """That image as an archive."""
    program = binary.path()
    archive = paths.cache_dir() / "images" / f"{binary.name}-{binary.version}-{binary.content()}.tar"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        oci.write(archive, reference, {f"/{binary.name}": program}, [f"/{binary.name}"])
    return archive


def load_binary(binary: binaries.GoBinary, reference: str | None = None) -> str:
    """Into this machine's containerd, unless it is there; returns the reference."""
    wanted = reference or binary_reference(binary)
    if wanted not in node.ctr("images", "list", "--quiet").split():
        node.ctr("images", "import", binary_archive(binary, wanted))
    return wanted
