"""Work that is begun before somebody waits for it."""

from __future__ import annotations

import threading

from e2e.cluster import ahead
from e2e.cluster.errors import ClusterError


def test_a_failure_does_not_stop_what_comes_after_it() -> None:
    """Who needs the failed thing meets the error by asking for it; the rest is done all the same."""
    done = threading.Event()

    def fails() -> None:
        raise ClusterError("no")

    ahead.begin(fails, done.set)
    assert done.wait(10)
