"""kubectl and helm: the user's own, else those that are built here."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import paths
from .binaries import HELM, KUBERNETES

_BUILT = {"kubectl": KUBERNETES, "helm": HELM}


def tool(name: str) -> Path:
    """The program of that name, built where nothing on the PATH has it."""
    return Path(shutil.which(name) or _BUILT[name].path(name))


def tools_folder() -> Path:
    """Those that were built, under their own names."""
    folder = paths.cache_dir() / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    for name, binary in _BUILT.items():
        built = binary.cached()
        link = folder / name
        if built and not (link.is_symlink() and link.resolve() == (built / name).resolve()):
            part = folder / f".{name}.{os.getpid()}"
            part.unlink(missing_ok=True)
            part.symlink_to(built / name)
            part.replace(link)
    return folder


def tools_on_path() -> None:
    """After what the user has: their own kubectl and helm come first."""
    folder = str(tools_folder())
    if folder not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join(filter(None, [os.environ.get("PATH"), folder]))
