"""Kubeconfig files. They are written as JSON, which is YAML too, so no YAML library is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import pki


def write(file: Path, server: str, authority: Path, user: Mapping[str, Any], name: str = "pintle") -> Path:
    """A kubeconfig with one cluster, one user, one context; `user` as in the file format. Mode 0600."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": pki.embed(authority)}}],
        "users": [{"name": name, "user": dict(user)}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    text = json.dumps(config, indent=1) + "\n"
    if file.exists() and file.read_text() == text:
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(text)
    part.replace(file)
    return file


def certificate_user(certificate: Path, key: Path) -> dict[str, str]:
    """The `user` entry of somebody known by certificate."""
    return {"client-certificate-data": pki.embed(certificate), "client-key-data": pki.embed(key)}
