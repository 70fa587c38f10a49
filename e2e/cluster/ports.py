"""Free ports on the loopback interface."""

from __future__ import annotations

import random
import socket

# Below the range from which Linux takes the ports of outgoing connections (32768 and up): a port found free here
# cannot be taken by somebody's connection before the server binds it.
_FIRST, _LAST = 20000, 32000


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Distinct ports nobody listens on at this moment.

    Another process may still take one before it is used; whoever starts a server tries again then.
    """
    found: list[int] = []
    chooser = random.SystemRandom()
    for _ in range(2000):
        port = chooser.randrange(_FIRST, _LAST)
        if port not in found and _is_free(host, port):
            found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"no {count} free ports between {_FIRST} and {_LAST}")


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
