"""The programs of the cluster and the modules they are built from."""

from __future__ import annotations

import re

import pytest

from e2e.cluster import binaries
from e2e.cluster.gobuild import GoBinary

ALL = (binaries.KUBERNETES, binaries.VERSITYGW, *binaries.ON_TOP)


@pytest.mark.parametrize("binary", ALL, ids=lambda binary: binary.name)
def test_a_program_is_what_its_module_requires(binary: GoBinary) -> None:
    """The version in its name is the one in go.mod, so that a changed go.mod cannot leave an old name behind."""
    required = (binary.module / "go.mod").read_text()
    if binary is binaries.PAUSE:
        return
    major, minor, patch = binary.version.removeprefix("v").split(".")
    # Prometheus 3.N.P is the Go module v0.3NN.P.
    version = f"v0.3{minor}.{patch}" if binary is binaries.PROMETHEUS else f"v{major}.{minor}.{patch}"
    assert re.search(rf"/{binary.name}(/v\d+)? {re.escape(version)}\b", required)


def test_programs_of_one_module_have_contents_of_their_own() -> None:
    """Two programs never share a name in the cache."""
    assert len({binary.content() for binary in ALL}) == len(ALL)
