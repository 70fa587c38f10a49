"""The alias that a deployment moves to what it promotes. One deployment of a model may claim it: the oldest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pintle.core.plan import Obj
from pintle.core.rollout.deeds import Claim
from pintle.core.rollout.look import Look
from pintle.core.rollout.record import Record


def rival(look: Look) -> str | None:
    """An older ModelDeployment of the same model that claims the same alias, or None."""
    promoted = look.spec.onPromoted
    if promoted is None:
        return None
    mine = _age(look.observed.parent)
    older = [
        _age(other)
        for other in look.observed.model_deployments
        if _claims(other, look.spec.modelName, promoted.alias) and _age(other) < mine
    ]
    return min(older)[1] if older else None


def claim(look: Look, record: Record) -> Claim | None:
    """The claim on what is fully accepted; its sequence grows when the alias moves or changes hands.

    In a guard that is still the revision before: an alias is not moved there and back.
    """
    promoted, serving = look.spec.onPromoted, record.revisions.get(record.previous or record.stable)
    if promoted is None or serving is None or rival(look):
        return None
    held = record.alias
    if held and (held.name, held.version) == (promoted.alias, serving.version):
        return held
    return Claim(promoted.alias, serving.version, 1 + max(_sequences(look, promoted.alias), default=0))


def _sequences(look: Look, alias: str) -> list[int]:
    """Every number under which the alias was moved so far, as far as anybody remembers."""
    own = look.record.alias
    claims: list[Mapping[str, Any]] = [own.to_dict()] if own else []
    parents = (*look.observed.model_deployments, look.observed.parent)
    claims.extend((parent.get("status") or {}).get("alias") or {} for parent in parents)
    for version in look.observed.versions:
        claims.extend((version.get("status") or {}).get("aliases") or ())
    return [int(item.get("sequence") or 0) for item in claims if item.get("name") == alias]


def _claims(other: Obj, model: str, alias: str) -> bool:
    spec = other["spec"]
    return (
        "deletionTimestamp" not in other["metadata"]
        and spec.get("modelName") == model
        and (spec.get("onPromoted") or {}).get("alias") == alias
    )


def _age(parent: Obj) -> tuple[str, str]:
    meta = parent["metadata"]
    return str(meta.get("creationTimestamp", "")), str(meta["name"])
