"""Reading the truth back, and making it anew where somebody has taken it away.

The annotation is written together with the weights, so it is believed against the status, which is derived from it and
may be late, and against weights that somebody else has put into the route. Only where it is lost or contradicts itself
do the others speak; among them the one that keeps the old revision wins, as far as that one still has ready pods.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from pintle.contract import names
from pintle.core.plan import Obj
from pintle.core.rollout.deeds import RESTORE, Claim, Deed, Refusal, Word
from pintle.core.rollout.fleet import Fleet
from pintle.core.rollout.record import FULL, MOST_REFUSED, Course, Record
from pintle.resources.revision import Revision
from pintle.resources.routes import weights_in


def read_record(parent: Obj, fleet: Fleet, with_gateway: bool, now: str) -> Record:
    """The record of the carrier; the later one while a gateway comes or goes; else restored; else empty."""
    status: Mapping[str, Any] = parent.get("status") or {}
    written = latest(fleet, with_gateway)
    if written is None:
        return _restored(status, fleet, now)
    if written.sequence >= int(status.get("sequence") or 0):
        return written
    return _of_both(written, status, fleet, now)


def latest(fleet: Fleet, with_gateway: bool) -> Record | None:
    """The record as it was last written, or None where it is lost or contradicts itself."""
    carriers = (fleet.route, fleet.root) if with_gateway else (fleet.root, fleet.route)
    found = [record for record in map(_annotation, carriers) if record is not None]
    # On equal numbers the carrier that the spec names, which is the first.
    return max(found, key=lambda record: record.sequence, default=None)


def _annotation(carrier: Obj | None) -> Record | None:
    annotations = ((carrier or {}).get("metadata") or {}).get("annotations") or {}
    return Record.from_json(annotations.get(names.ANNOTATION_ROLLOUT))


def _of_both(written: Record, status: Mapping[str, Any], fleet: Fleet, now: str) -> Record:
    """Somebody put an older record back. Nothing that was refused since is forgotten, and no canary keeps a share."""
    refused = _newest({**_refusals(status), **written.refused})
    serves = _from_status(status)
    if serves and serves not in refused and serves != written.stable:
        lost = not fleet.ready(written.stable) and fleet.ready(serves)
        if written.stable in refused or lost:
            return _restored(status, fleet, now)
    record = written.with_(refused=refused, sequence=int(status["sequence"]), word=word_of(status) or written.word)
    if not record.canary:
        return record
    return record.with_(
        canary="",
        weights={record.stable: FULL},
        since=now,
        course=Course(),
        last=_deed(record.revisions[record.stable], now, "an older record of the rollout was put back"),
    )


def _restored(status: Mapping[str, Any], fleet: Fleet, now: str) -> Record:
    refused = _newest(_refusals(status))
    stable = _who_serves(status, fleet, refused)
    revision = _facts(stable, status, fleet) if stable else None
    known = Record(refused=refused, word=word_of(status), sequence=int(status.get("sequence") or 0))
    if revision is None:
        return known
    record = known.with_(
        stable=revision.name,
        weights={revision.name: FULL},
        revisions={revision.name: revision},
        since=now,
        alias=_alias(status),
        last=_deed(revision, now, "the record of the rollout was lost"),
    )
    return _with_way_back(record, status, fleet, now)


def _with_way_back(record: Record, status: Mapping[str, Any], fleet: Fleet, now: str) -> Record:
    """The guard begins again where there was one and its way back still has pods."""
    name = (status.get("previous") or {}).get("revision")
    facts = fleet.member(name).made_of if name and fleet.ready(name) else None
    if facts is None or facts.name == record.stable or facts.name in record.refused:
        return record
    return record.with_(
        previous=facts.name,
        weights={record.stable: FULL, facts.name: 0},
        revisions={**record.revisions, facts.name: facts},
        course=Course(origin=now, guarded=now),
    )


def _deed(revision: Revision, now: str, why: str) -> Deed:
    return Deed(now, RESTORE, revision.name, revision.version, why)


def _newest(refused: Mapping[str, Refusal]) -> dict[str, Refusal]:
    return dict(sorted(refused.items(), key=lambda item: item[1].time)[-MOST_REFUSED:])


def _refusals(status: Mapping[str, Any]) -> dict[str, Refusal]:
    return {
        str(item["revision"]): Refusal(
            int(item.get("version") or 0), str(item.get("why") or ""), str(item.get("time") or "")
        )
        for item in status.get("refused") or ()
    }


def word_of(status: Mapping[str, Any]) -> Word | None:
    """The last word of a person, as the status has it."""
    action = status.get("action")
    if not action:
        return None
    texts = (str(action.get(key) or "") for key in ("id", "verb", "result", "message", "by", "time"))
    return Word(*texts)


def _who_serves(status: Mapping[str, Any], fleet: Fleet, refused: Container[str]) -> str | None:
    claims = [name for name in (_from_status(status), _from_route(fleet), _from_root(fleet)) if name]
    claims = [name for name in claims if name not in refused]
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
