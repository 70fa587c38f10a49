"""kopf as informer: it lists, watches and reconnects; every event goes through `Notice`, nothing else is asked of it.

No index (start-up grows with the square of the objects), no timers or daemons (they write finalizers), no on.create or
on.update (they write annotations). kopf drops errors of such handlers: retries are the queue's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from typing import Any

import kopf

from pintle.controller.notice import Notice
from pintle.ports.kinds import WATCHED, Kind, selector

# kopf names itself after the process's user, and fails where that has no entry in /etc/passwd, as in a container.
# Nobody reads the name: `standalone` means that it looks for no peers.
_NOBODY: dict[str, Any] = {"identity": "pintle"}


class Informer:
    """Watches all kinds of `WATCHED`, in the given namespaces or (none given) in all of them."""

    def __init__(self, notice: Notice, namespaces: Collection[str]) -> None:
        self._notice = notice
        self._namespaces = tuple(namespaces)
        self._stop = asyncio.Event()
        self.started = asyncio.Event()

    async def run(self) -> None:
        """Watch until `stop`; returns early only when kopf itself has failed."""
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(_login)
        for kind in WATCHED:
            self._register(registry, kind)
        scope: dict[str, Any] = {"namespaces": self._namespaces} if self._namespaces else {"clusterwide": True}
        await kopf.operator(
            registry=registry,
            settings=_settings(scanning=not self._namespaces),
            standalone=True,
            stop_flag=self._stop,
            ready_flag=self.started,
            **scope,
            **_NOBODY,
        )

    def stop(self) -> None:
        """End `run` soon."""
        self._stop.set()

    def _register(self, registry: kopf.OperatorRegistry, kind: Kind) -> None:
        address = {"apiVersion": kind.api_version, "kind": kind.name}

        async def heard(event: Any, **_: Any) -> None:
            obj = event["object"]
            # Items of a list come without these two.
            obj = obj if "kind" in obj and "apiVersion" in obj else {**obj, **address}
            if event["type"] == "DELETED":
                self._notice.gone(obj)
            else:
                self._notice.seen(obj)

        handler: Any = kopf.on.event(
            kind.group, kind.version, kind.plural, registry=registry, id=f"heard-{kind.plural}"
        )
        handler(heard)


class _NoDiffs(kopf.DiffBaseStorage):
    """kopf digests every event for handlers of changes; there are none here, and it would be a third of its work."""

    def build(self, *, body: Any, extra_fields: Any = None) -> Any:
        return {}

    def fetch(self, *, body: Any) -> None:
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """Nothing is kept on the objects, and nothing need be taken out of them."""

    def fetch(self, *, key: Any, body: Any) -> None:
        return None

    def store(self, *, key: Any, record: Any, body: Any, patch: Any) -> None:
        return None

    def purge(self, *, key: Any, body: Any, patch: Any) -> None:
        return None

    def touch(self, *, body: Any, patch: Any, value: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence


def _settings(*, scanning: bool) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.persistence.progress_storage = _NoProgress()
    settings.queueing.worker_limit = None
    settings.queueing.idle_timeout = 1.0
    settings.process.ultimate_exiting_timeout = None
    # Watching CRDs finds kinds that are installed later (the Gateway API's); it needs a cluster-wide right.
    settings.scanning.disabled = not scanning
    for kind in WATCHED:
        words = selector(kind)
        if words:
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = words
    return settings


def _login(settings: kopf.OperatorSettings, **options: Any) -> kopf.ConnectionInfo | None:
    """The same choice as `adapters.kubernetes.connect`, without loading a second client."""
    if os.environ.get("KUBERNETES_SERVICE_HOST") and not os.environ.get("KUBECONFIG"):
        return kopf.login_with_service_account(settings=settings, **options)
    return kopf.login_with_kubeconfig(settings=settings, **options)
