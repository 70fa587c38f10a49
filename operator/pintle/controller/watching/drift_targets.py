"""Which ModelDeployments are watched for drift, labels and estimates. Those that ask for none of it cost nothing."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from pydantic import ValidationError

from pintle.api.watching import Drift, Monitoring
from pintle.controller.mapping import key_of
from pintle.controller.store import Store, uid_of
from pintle.core.conditions import parse_time
from pintle.core.plan import Key, Obj
from pintle.core.watching.find import label_windows, windows_of
from pintle.core.watching.reference import Identity
from pintle.ports.kinds import MODEL_DEPLOYMENT


@dataclass(frozen=True)
class Target:
    """A deployment with the revision that serves."""

    key: Key
    identity: Identity
    monitoring: Monitoring
    made: float
    """When the revision was made, unix seconds; -inf where that is not known: it is no young one."""

    @property
    def period(self) -> float:
        """Seconds between two looks."""
        return float((self.monitoring.drift or Drift()).periodSeconds)


class Targets:
    """Reads them from the store; a spec is parsed once per generation."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parsed: dict[tuple[str, int], Monitoring | None] = {}

    def now(self) -> dict[Key, Target]:
        """All that are watched at present."""
        parsed: dict[tuple[str, int], Monitoring | None] = {}
        found = {}
        for parent in self._store.all(MODEL_DEPLOYMENT):
            place = uid_of(parent), int(parent["metadata"].get("generation") or 0)
            if place not in self._parsed:
                self._parsed[place] = _monitoring(parent)
            monitoring = parsed[place] = self._parsed[place]
            stable = (parent.get("status") or {}).get("stable") or {}
            if monitoring is None or not stable.get("revision") or "deletionTimestamp" in parent["metadata"]:
                continue
            key = key_of(parent)
            made = parse_time(stable.get("createdTime"))
            identity = Identity(key.namespace, key.name, stable["revision"])
            found[key] = Target(key, identity, monitoring, made.timestamp() if made else -inf)
        self._parsed = parsed
        return found


def _monitoring(parent: Obj) -> Monitoring | None:
    """The spec's monitoring, if Prometheus is needed for it."""
    raw = (parent.get("spec") or {}).get("monitoring")
    if not raw:
        return None
    try:
        monitoring = Monitoring.model_validate(raw)
    except ValidationError:
        # The look at the object itself says what is wrong with the spec.
        return None
    return monitoring if windows_of(monitoring) or label_windows(monitoring) else None
