"""Reading the truth back, and making it anew where somebody has taken it away.

The annotation is written together with the weights, so it is believed against the status, which is derived from it and
may be late, and against weights that somebody else has put into the route. Only where it is lost or contradicts itself
do the others speak; among them the one that keeps the old revision wins, as far as that one still has ready pods.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pintle.contract import names
from pintle.core.plan import Obj
from pintle.core.rollout.fleet import Fleet
from pintle.core.rollout.record import FULL, Claim, Deed, Record
from pintle.resources.revision import Revision
from pintle.resources.routes import weights_in


def read_record(parent: Obj, fleet: Fleet, with_gateway: bool, now: str) -> Record:
    """The record of the carrier; the later one while a gateway comes or goes; else restored; else empty."""
    return latest(fleet, with_gateway) or _restored(parent, fleet, now)


def latest(fleet: Fleet, with_gateway: bool) -> Record | None:
    """The record as it was last written, or None where it is lost or contradicts itself."""
    carriers = (fleet.route, fleet.root) if with_gateway else (fleet.root, fleet.route)
    found = [record for record in map(_annotation, carriers) if record is not None]
    # On equal numbers the carrier that the spec names, which is the first.
    return max(found, key=lambda record: record.sequence, default=None)


def _annotation(carrier: Obj | None) -> Record | None:
    annotations = ((carrier or {}).get("metadata") or {}).get("annotations") or {}
    return Record.from_json(annotations.get(names.ANNOTATION_ROLLOUT))


def _restored(parent: Obj, fleet: Fleet, now: str) -> Record:
    status: Mapping[str, Any] = parent.get("status") or {}
    stable = _who_serves(status, fleet)
    revision = _facts(stable, status, fleet) if stable else None
    if revision is None:
        return Record()
    return Record(
        stable=revision.name,
        weights={revision.name: FULL},
        revisions={revision.name: revision},
        since=now,
        alias=_alias(status),
        last=Deed(now, "Restore", revision.name, revision.version, "the record of the rollout was lost"),
    )


def _who_serves(status: Mapping[str, Any], fleet: Fleet) -> str | None:
    claims = [name for name in (_from_status(status), _from_route(fleet), _from_root(fleet)) if name]
    ready = [name for name in claims if fleet.ready(name)]
    if ready:
        return min(ready, key=lambda name: fleet.member(name).created)
    return claims[0] if claims else None


def _from_status(status: Mapping[str, Any]) -> str | None:
    return (status.get("stable") or {}).get("revision")


def _from_route(fleet: Fleet) -> str | None:
    """The revision with the largest share of the route."""
    shares = {name.rpartition("-")[2]: share for name, share in weights_in(fleet.route or {}).items()}
    serving = {name: share for name, share in shares.items() if share > 0 and name in fleet.members}
    return max(serving, key=lambda name: (serving[name], name)) if serving else None


def _from_root(fleet: Fleet) -> str | None:
    selector = ((fleet.root or {}).get("spec") or {}).get("selector") or {}
    name = selector.get(names.LABEL_REVISION)
    return name if name in fleet.members else None


def _facts(name: str, status: Mapping[str, Any], fleet: Fleet) -> Revision | None:
    made = fleet.member(name).made_of
    if made is not None:
        return made
    stable = status.get("stable") or {}
    if stable.get("revision") != name:
        return None
    facts = {**stable, "created": stable.get("createdTime", "")}
    try:
        return Revision.from_dict(name, facts)
    except (KeyError, TypeError, ValueError):
        return None


def _alias(status: Mapping[str, Any]) -> Claim | None:
    alias = status.get("alias")
    return Claim(alias["name"], int(alias["version"]), int(alias["sequence"])) if alias else None
