"""Work that is begun before somebody waits for it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from .errors import ClusterError


def begin(*works: Callable[[], object]) -> None:
    """Do these one after another, beside whatever the caller does next, and never longer than the process lives.

    Each must be something that is done once and then found (a build with a lock and a cache): who needs the result
    asks for it in the ordinary way, waits at the lock, and meets the error, too, if there was one.
    """

    def work() -> None:
        for one in works:
            with contextlib.suppress(ClusterError):
                one()

    threading.Thread(target=work, daemon=True).start()
