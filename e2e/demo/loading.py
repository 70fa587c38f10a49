"""Fills the claim `flights` with the partitions; what lies there already is left alone."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

from e2e.demo import objects
from e2e.kubectl import Kubectl, KubectlError

Note = Callable[[str], None]


def missing(files: Iterable[Path], listing: str) -> list[Path]:
    """The files that the claim lacks or holds with other bytes; `listing` has lines of name and SHA-256."""
    held = dict(line.split() for line in listing.splitlines() if len(line.split()) == 2)
    return [path for path in files if held.get(path.name) != hashlib.sha256(path.read_bytes()).hexdigest()]


def archive(files: Iterable[Path]) -> bytes:
    """The files as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in files:
            tar.add(path, arcname=path.name)
    return buffer.getvalue()


def load(kube: Kubectl, image: str, files: list[Path], note: Note) -> int:
    """Copies what is missing into the claim through a pod; returns how many files that were. Raises KubectlError."""
    kube.run("delete", "pod", objects.LOADER, "--ignore-not-found", "--wait=true", timeout=120)
    note("starting a pod that mounts the claim")
    kube.apply(objects.loader(image))
    kube.run("wait", f"pod/{objects.LOADER}", "--for=condition=Ready", "--timeout=180s", timeout=190)
    try:
        lacking = missing(files, kube.run("exec", objects.LOADER, "--", "python", "-c", objects.LIST))
        if lacking:
            note(f"copying {len(lacking)} files, {sum(path.stat().st_size for path in lacking) / 1e6:.1f} MB")
            _copy(kube, archive(lacking))
        return len(lacking)
    finally:
        kube.run("delete", "pod", objects.LOADER, "--ignore-not-found", "--wait=false")


def _copy(kube: Kubectl, data: bytes) -> None:
    command = ["kubectl", f"--kubeconfig={kube.kubeconfig}", f"--namespace={kube.namespace}"]
    command += ["exec", "-i", objects.LOADER, "--", "python", "-c", objects.UNPACK]
    done = subprocess.run(command, input=data, capture_output=True, timeout=180, check=False)
    if done.returncode != 0:
        raise KubectlError(f"copying into the claim: {done.stderr.decode(errors='replace').strip()}")
