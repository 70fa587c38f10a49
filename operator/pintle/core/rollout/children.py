"""The objects that should exist for the revisions that are wanted, and how they differ from those that do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pintle.contract import names
from pintle.core.compare import covers
from pintle.core.plan import Delete, Obj
from pintle.core.rollout.fleet import Fleet, Member, delete
from pintle.core.rollout.look import Look
from pintle.core.rollout.record import Record
from pintle.core.rollout.scale import Scale, scale_of
from pintle.resources import routes, scaling, services, serving
from pintle.resources.revision import Revision, revision_name


@dataclass(frozen=True)
class Changes:
    """What to write and what to remove so that the children are as they should be."""

    create: tuple[Obj, ...]
    apply: tuple[Obj, ...]
    delete: tuple[Delete, ...]


def changes(look: Look) -> Changes:
    """For what serves, the way back, and what comes; those that leave are left alone until they are deleted."""
    create: list[Obj] = []
    apply: list[Obj] = []
    surplus: list[Delete] = []
    for revision in _wanted(look):
        member, scale = look.fleet.member(revision.name), scale_of(look, revision.name)
        desired = list(_of_revision(look, revision, member, scale))
        for item in desired:
            observed = member.objects.get(item["kind"])
            if observed is not None:
                apply += [] if covers(observed, item) else [_keeping_replicas(item, observed)]
            elif (item["kind"], item["metadata"]["name"]) not in look.fleet.foreign:
                create.append(_with_replicas(item, scale))
        kinds = {item["kind"] for item in desired}
        surplus += [delete(member.objects[kind]) for kind in _OPTIONAL if kind in member.objects and kind not in kinds]
    for item in _root(look):
        if look.fleet.root is None:
            create.append(item)
        elif not covers(look.fleet.root, item):
            apply.append(item)
    return Changes(tuple(create), tuple(apply), tuple(surplus) + _old_route(look))


def traffic(look: Look, record: Record) -> dict[str, Any] | None:
    """The one write that makes the record true, or None when it is."""
    if not record.stable:
        return None
    observed = look.carrier
    if observed is not None and record.same_as(look.record):
        # Only what the user says about the gateway may differ, or what somebody else has changed.
        wanted = _carrier(look, record)
        if covers(observed, wanted):
            return None
    kind = "HTTPRoute" if look.gateway else "Service"
    if observed is None and (kind, look.owner.name) in look.fleet.foreign:
        return None
    body = _carrier(look, record.with_(sequence=look.record.sequence + 1))
    if observed is not None:
        body["metadata"]["resourceVersion"] = observed["metadata"]["resourceVersion"]
    return body


_OPTIONAL = ("HorizontalPodAutoscaler", "PodDisruptionBudget")


def _wanted(look: Look) -> Iterable[Revision]:
    record, coming = look.record, look.incoming
    found = [record.serving, record.revisions.get(record.previous), coming, record.revisions.get(record.canary)]
    return {revision.name: revision for revision in found if revision is not None}.values()


def _of_revision(look: Look, revision: Revision, member: Member, scale: Scale) -> Iterable[dict[str, Any]]:
    if member.deployment is None and revision_name(revision.digest, look.spec.runtime) != revision.name:
        # Its Deployment was deleted by somebody, and what the user declared for it is no longer known.
        return
    yield services.revision_service(look.owner, revision)
    yield _deployment(look, revision, member, scale)
    if scale.may_be_many:
        yield scaling.disruption_budget(look.owner, revision)
    if scale.most is not None:
        cpu = look.spec.runtime.targetCPUUtilizationPercentage
        yield scaling.autoscaler(look.owner, revision, scale.least, scale.most, cpu)


def _deployment(look: Look, revision: Revision, member: Member, scale: Scale) -> dict[str, Any]:
    """The Deployment; its pods stay as they were made, whatever today's operator would make of them."""
    template, made_of = _template(look, revision, member)
    body = serving.deployment(look.owner, revision, template, made_of)
    if member.deployment is not None and scale.most is None and "HorizontalPodAutoscaler" not in member.objects:
        body["spec"]["replicas"] = scale.least
    return body


def _template(look: Look, revision: Revision, member: Member) -> tuple[dict[str, Any], str]:
    policy = look.policy
    defaults = serving.Defaults(policy.server_image, policy.image_pull_policy, policy.trusted_types)
    declared = revision_name(revision.digest, look.spec.runtime) == revision.name
    today = serving.pod_template(look.owner, revision, look.spec.runtime, defaults) if declared else None
    if member.deployment is None:
        assert today is not None, "only a revision in the declared runtime is made"
        return today, serving.made_of(revision, serving.template_digest(today))
    digest = member.template_digest
    if today is not None and digest == serving.template_digest(today):
        return today, serving.made_of(revision, digest)
    # Made by another operator, with other defaults, or in a runtime that the spec no longer says: not touched.
    return member.deployment["spec"]["template"], serving.made_of(member.made_of or revision, digest or "")


def _with_replicas(item: dict[str, Any], scale: Scale) -> dict[str, Any]:
    """A new Deployment starts with all its pods; a create is no apply, so an autoscaler may change the number later."""
    if item["kind"] != "Deployment":
        return item
    return {**item, "spec": {**item["spec"], "replicas": scale.least}}


def _keeping_replicas(item: dict[str, Any], observed: Obj) -> dict[str, Any]:
    """An apply that leaves out a number we once applied resets it to 1, until the autoscaler has written it itself.

    So the number stands as it was seen, and resourceVersion keeps it from overwriting one that was scaled meanwhile.
    """
    if item["kind"] != "Deployment" or "replicas" in item["spec"]:
        return item
    metadata = {**item["metadata"], "resourceVersion": observed["metadata"]["resourceVersion"]}
    return {**item, "metadata": metadata, "spec": {**item["spec"], "replicas": observed["spec"].get("replicas", 1)}}


def _root(look: Look) -> Iterable[dict[str, Any]]:
    """The root Service beside a route; flipped in the look after the route was written."""
    if look.gateway is None or not look.record.stable or ("Service", look.owner.name) in look.fleet.foreign:
        return
    # While a gateway comes, the Service still holds the truth: only the route may take it over.
    record_in_route = _has_record(look.fleet)
    emptied = {names.ANNOTATION_ROLLOUT: ""} if look.fleet.root is not None and record_in_route else None
    if look.fleet.root is None or record_in_route:
        yield services.root_service(look.owner, look.record.front, emptied)


def _has_record(fleet: Fleet) -> bool:
    annotations = (fleet.route or {}).get("metadata", {}).get("annotations") or {}
    return Record.from_json(annotations.get(names.ANNOTATION_ROLLOUT)) is not None


def _old_route(look: Look) -> tuple[Delete, ...]:
    """After the gateway was taken out of the spec, and once the root Service holds the truth."""
    if look.gateway is not None or look.fleet.route is None or look.fleet.root is None:
        return ()
    annotations = look.fleet.root["metadata"].get("annotations") or {}
    if Record.from_json(annotations.get(names.ANNOTATION_ROLLOUT)) is None:
        return ()
    return (delete(look.fleet.route),)


def _carrier(look: Look, record: Record) -> dict[str, Any]:
    annotations = {names.ANNOTATION_ROLLOUT: record.to_json()}
    if look.gateway is None:
        return services.root_service(look.owner, record.front, annotations)
    return routes.http_route(look.owner, look.gateway, record.weights, _direct(record), annotations)


def _direct(record: Record) -> dict[str, tuple[str, ...]]:
    """By which values of x-pintle-version each revision in the route is reached: its own name, and its version.

    Where two of them serve the same version in another runtime, the number leads to the newer one.
    """
    values: dict[str, tuple[str, ...]] = {}
    taken: set[int] = set()
    for name in (record.canary, record.stable, record.previous):
        if name:
            version = record.revisions[name].version
            values[name] = (name,) if version in taken else (name, str(version))
            taken.add(version)
    return values
