"""Who calls a ModelVersion by which alias, and who serves it. An alias has one owner.

Deployments say in their status which version they promoted last under which alias; of several the highest sequence
number is the latest word. A person's word is the annotation `pintle.dev/alias` on the version; it cannot take an alias
that a deployment moves, because the deployment would move it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pintle.api.fields import NAME_PATTERN
from pintle.contract import names
from pintle.core.plan import Obj

ANNOTATION_OWNER = "Annotation"
MAX_ALIASES, MAX_USERS = 16, 32
_NAME = re.compile(NAME_PATTERN)


def aliases(parent: Obj, deployments: Iterable[Obj]) -> tuple[list[dict[str, Any]], list[str]]:
    """`status.aliases`, and what is wrong with the annotation, in words."""
    model, number = parent["spec"].get("modelName"), parent["spec"].get("version")
    claims = _claims([item for item in deployments if item["spec"].get("modelName") == model])
    held = {
        name: {"name": name, "owner": f"ModelDeployment/{owner}", "sequence": int(claim.get("sequence") or 0)}
        for name, (owner, claim) in claims.items()
        if claim.get("version") == number
    }
    complaints = []
    for name in _asked_for(parent):
        if not _NAME.fullmatch(name) or len(name) > 63:
            complaints.append(f"{name[:63]!r} in the annotation {names.ANNOTATION_ALIAS} is no name for an alias")
        elif name in claims:
            complaints.append(f"the alias {name} belongs to ModelDeployment/{claims[name][0]}")
        else:
            held[name] = {"name": name, "owner": ANNOTATION_OWNER, "sequence": 0}
    return [held[name] for name in sorted(held)][:MAX_ALIASES], complaints[:3]


def used_by(parent: Obj, deployments: Iterable[Obj]) -> list[str]:
    """Names of the deployments that have a revision of this version."""
    model, number = parent["spec"].get("modelName"), parent["spec"].get("version")
    users = set()
    for item in deployments:
        status = item.get("status") or {}
        served = {(status.get(role) or {}).get("version") for role in ("stable", "canary")}
        if item["spec"].get("modelName") == model and number in served:
            users.add(item["metadata"]["name"])
    return sorted(users)[:MAX_USERS]


def _claims(deployments: list[Obj]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Alias -> (deployment, its claim): the highest sequence number; of equal ones the older deployment's."""
    best: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for item in sorted(deployments, key=_age):
        claim = (item.get("status") or {}).get("alias")
        if not claim or item["metadata"].get("deletionTimestamp"):
            continue
        known = best.get(claim["name"])
        if known is None or int(claim.get("sequence") or 0) > int(known[1].get("sequence") or 0):
            best[claim["name"]] = (item["metadata"]["name"], claim)
    return best


def _age(obj: Obj) -> tuple[str, str]:
    return str(obj["metadata"].get("creationTimestamp", "")), str(obj["metadata"]["name"])


def _asked_for(parent: Obj) -> list[str]:
    text = (parent["metadata"].get("annotations") or {}).get(names.ANNOTATION_ALIAS) or ""
    return sorted({part.strip() for part in text.split(",") if part.strip()})
