"""Builds images from the one set of Dockerfiles: with docker where an engine answers, else with buildah."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from . import cache, paths, progress, system
from .errors import ClusterError
from .shell import run, succeeds

PYTHON_BASE = "python:3.12-slim"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class Builder(Protocol):
    """One way to build an image, to hand it on as an archive, and to push it to a registry."""

    def base(self) -> str:
        """The reference that Dockerfiles get as BASE_IMAGE; changes when its content does."""
        ...

    def has(self, reference: str) -> bool:
        """Whether it is built already."""
        ...

    def build(self, dockerfile: Path, context: Path, reference: str) -> None:
        """Build and tag it."""
        ...

    def save(self, reference: str, archive: Path) -> None:
        """Write it as an archive that containerd and docker can import."""
        ...

    def push(self, reference: str) -> None:
        """Push it to the registry that its name tells."""
        ...


def docker_answers() -> bool:
    """Whether there is a Docker engine to talk to."""
    return shutil.which("docker") is not None and succeeds("docker", "info", "--format", "{{.ID}}", patience=10)


def choose() -> Builder:
    """docker before buildah."""
    return Docker() if docker_answers() else Buildah()


@dataclass(frozen=True)
class Docker:
    """The docker command; the base image comes from its registry."""

    def base(self) -> str:
        """The official Python image."""
        return PYTHON_BASE

    def has(self, reference: str) -> bool:
        """In the engine."""
        return succeeds("docker", "image", "inspect", reference)

    def build(self, dockerfile: Path, context: Path, reference: str) -> None:
        """docker build."""
        words = ["docker", "build", "--build-arg", f"BASE_IMAGE={self.base()}"]
        _watch([*words, "-f", str(dockerfile), "-t", reference, str(context)])

    def save(self, reference: str, archive: Path) -> None:
        """docker save."""
        run("docker", "save", "-o", archive, reference, patience=600)

    def push(self, reference: str) -> None:
        """docker push."""
        _watch(["docker", "push", reference])


@dataclass(frozen=True)
class Buildah:
    """buildah, with a storage of its own; the base image is made by debootstrap."""

    def base(self) -> str:
        """Named by the content of images/base."""
        folder = paths.IMAGES / "base"
        reference = f"pintle.local/base:{cache.digest(cache.tree(folder), root=paths.IMAGES)}"
        if not self.has(reference):
            with cache.lock("base-image"):
                if not self.has(reference):
                    self._make_base(reference)
        return reference

    def has(self, reference: str) -> bool:
        """In our storage."""
        return shutil.which("buildah") is not None and succeeds(*self._buildah("inspect", "--type", "image", reference))

    def build(self, dockerfile: Path, context: Path, reference: str) -> None:
        """buildah bud; layers are kept, so that a change of code repeats no installation of packages."""
        words = ["bud", "--layers", "--isolation", "chroot", "--network", "host", "--format", "oci"]
        words += ["--build-arg", f"BASE_IMAGE={self.base()}", *_mounts()]
        _watch(self._buildah(*words, "-f", str(dockerfile), "-t", reference, str(context)))

    def save(self, reference: str, archive: Path) -> None:
        """Without compression: it goes to this machine's containerd only."""
        run(*self._buildah("push", "--quiet", "--disable-compression", reference, f"oci-archive:{archive}:{reference}"),
            patience=600)  # fmt: skip

    def push(self, reference: str) -> None:
        """To the registry in its name, with the credentials of `buildah login`."""
        _watch(self._buildah("push", reference, f"docker://{reference}"))

    def built(self) -> list[tuple[float, str]]:
        """When (Unix seconds) and under which name every image with a name was built."""
        listed = json.loads(run(*self._buildah("images", "--json")) or "null") or []
        return [(float(image["created"]), name) for image in listed for name in image["names"] or ()]

    def remove(self, references: Sequence[str]) -> None:
        """With the layers that no other image has."""
        run(*self._buildah("rmi", *references), patience=600)

    def _buildah(self, *words: str) -> list[str]:
        storage = ["--root", str(paths.cache_dir() / "buildah"), "--runroot", "/run/pintle-buildah"]
        return ["buildah", *storage, "--storage-driver", "overlay", *words]

    def _make_base(self, reference: str) -> None:
        if os.geteuid() != 0:
            raise ClusterError("Making a base image needs root (debootstrap). Or start Docker.")
        system.require(["debootstrap", "buildah"])
        work = paths.cache_dir() / ".base-image.part"
        shutil.rmtree(work, ignore_errors=True)
        (work / "context").mkdir(parents=True)
        with progress.step("base image: debootstrap", "build"):
            script, archive = paths.IMAGES / "base" / "rootfs.sh", work / "context" / "rootfs.tar"
            _watch(["sh", str(script), str(work / "rootfs"), str(archive)])
        with progress.step("base image: commit", "build"):
            dockerfile = str(paths.IMAGES / "base" / "Dockerfile")
            _watch(self._buildah("bud", "--format", "oci", "-f", dockerfile, "-t", reference, str(work / "context")))
        shutil.rmtree(work)


def _mounts() -> list[str]:
    """Seen by RUN instructions only, never part of the image: this machine's certificates and pip's cache.

    Behind a proxy that opens TLS, pip trusts what the machine trusts.
    """
    downloads = paths.cache_dir() / "pip"
    downloads.mkdir(parents=True, exist_ok=True)
    mounts = [f"{downloads}:/root/.cache/pip:rw"]
    if _CERTIFICATES.exists():
        settings = paths.cache_dir() / "pip.conf"
        settings.write_text(f"[global]\ncert = {_CERTIFICATES}\n")
        mounts += [f"{_CERTIFICATES}:{_CERTIFICATES}:ro", f"{settings}:/etc/pip.conf:ro"]
    return [word for mount in mounts for word in ("-v", mount)]


def _watch(command: Sequence[str]) -> None:
    """Run it, gently; what it said is shown when it fails."""
    gentle = ["nice", "-n", "10", *command]
    done = subprocess.run(gentle, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout[-6000:])
        raise ClusterError(f"{' '.join(command[:12])} ... failed, see above.")
