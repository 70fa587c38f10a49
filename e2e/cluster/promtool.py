"""Prometheus' own tool, which tests the chart's rules; the cluster does not need it."""

from __future__ import annotations

import os
import shutil

from .binaries import PROMTOOL
from .errors import ClusterError
from .gobuild import find_go

MISSING = "no promtool and no Go to build it; install one of them, or name it in PINTLE_PROMTOOL"


def find(build: bool = False) -> str | None:
    """The program: PINTLE_PROMTOOL's, the one that was built, or the PATH's; with `build` made where Go is.

    Raises ClusterError where the build fails.
    """
    named = os.environ.get("PINTLE_PROMTOOL")
    if named:
        return named
    built = PROMTOOL.cached()
    if not built and build and _has_go():
        built = PROMTOOL.folder()
    return str(built / PROMTOOL.name) if built else shutil.which(PROMTOOL.name)


def _has_go() -> bool:
    try:
        find_go()
    except ClusterError:
        return False
    return True
