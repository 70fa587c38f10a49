"""Which revision the spec asks for, and whether it may be started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pintle.api import reasons
from pintle.api.modeldeployment import ModelDeploymentSpec
from pintle.core.plan import Obj
from pintle.core.rollout.deeds import Refusal
from pintle.core.rollout.fleet import Fleet
from pintle.core.rollout.record import Record
from pintle.resources.revision import Revision, revision_name

LATEST = "Latest"


@dataclass(frozen=True)
class Request:
    """The revision that should carry all traffic; with a reason, it must not be started (what serves goes on)."""

    revision: Revision | None
    reason: str = ""
    message: str = ""

    @property
    def target(self) -> Revision | None:
        """The revision to start or to keep, None when there is none that may run."""
        return None if self.reason else self.revision


def resolve(
    spec: ModelDeploymentSpec, versions: Iterable[Obj], record: Record, fleet: Fleet, server_image: str, now: str
) -> Request:
    """Pinned version, Latest or alias; a version that serves, or is in the route, needs no ModelVersion any more."""
    known = {int(v["spec"]["version"]): v for v in versions if _of_model(v, spec.modelName)}
    number = _number(spec, known, record)
    if number is None:
        return Request(None, reasons.WAITING_FOR_VERSION, _nothing_to_follow(spec))
    version = known.get(number)
    made = _made(spec, number, version, record, fleet, server_image, now)
    if made is not None and made.name in record.refused:
        return Request(made, reasons.ROLLED_BACK, refusal_in_words(made, record.refused[made.name]))
    if made is not None and (made.name == record.stable or (version is None and made.name == record.canary)):
        return Request(made)
    if version is None:
        return Request(made, reasons.VERSION_NOT_FOUND, f"there is no ModelVersion {spec.modelName}-v{number}")
    if not is_ready(version):
        return Request(made, reasons.VERSION_NOT_READY, f"{version['metadata']['name']} is not Ready{_why(version)}")
    return Request(made)


def revision_of_version(
    spec: ModelDeploymentSpec,
    number: int,
    versions: Iterable[Obj],
    record: Record,
    fleet: Fleet,
    server_image: str,
    now: str,
) -> Revision | None:
    """The revision of that version in the present runtime; None where no such version is Ready or remembered."""
    known = {int(v["spec"]["version"]): v for v in versions if _of_model(v, spec.modelName)}
    version = known.get(number)
    ready = version if version is not None and is_ready(version) else None
    return _made(spec, number, ready, record, fleet, server_image, now)


def refusal_in_words(revision: Revision, refusal: Refusal) -> str:
    """Why a revision is not tried again."""
    return f"version {revision.version} (revision {revision.name}) was refused: {refusal.why}"


def is_ready(version: Obj) -> bool:
    """The ModelVersion is verified and validated."""
    return _condition(version).get("status") == "True"


def _number(spec: ModelDeploymentSpec, known: dict[int, Obj], record: Record) -> int | None:
    if spec.version is not None:
        return spec.version
    if spec.follow == LATEST:
        ready = [number for number, version in known.items() if is_ready(version)]
        # Never backwards by itself: what serves stays, even when its ModelVersion was deleted or is Ready no more.
        serving = [record.serving.version] if record.serving else []
        return max(ready + serving, default=None)
    return _holder(str(spec.follow), known)


def _holder(alias: str, known: dict[int, Obj]) -> int | None:
    claims = [
        (int(claim.get("sequence") or 0), number)
        for number, version in known.items()
        for claim in (version.get("status") or {}).get("aliases") or ()
        if claim["name"] == alias
    ]
    return max(claims)[1] if claims else None


def _made(
    spec: ModelDeploymentSpec,
    number: int,
    version: Obj | None,
    record: Record,
    fleet: Fleet,
    server_image: str,
    now: str,
) -> Revision | None:
    """The revision of this version in this runtime. One that exists keeps the image it was made with."""
    if version is None:
        old = next((r for r in record.revisions.values() if r.version == number), None)
        if old is None:
            return None
        digest, uri, secret = old.digest, old.storage_uri, old.secret
    else:
        source = version["spec"]
        digest, uri = source["digest"], source["storageUri"]
        secret = ((source.get("storage") or {}).get("secretRef") or {}).get("name")
    name = revision_name(digest, spec.runtime)
    image = spec.runtime.image or server_image
    existing = record.revisions.get(name) or fleet.member(name).made_of
    return existing or Revision(name, number, digest, uri, image, secret, now)


def _of_model(version: Obj, model: str) -> bool:
    return version["spec"]["modelName"] == model and "deletionTimestamp" not in version["metadata"]


def _condition(version: Obj) -> Obj:
    conditions = (version.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == reasons.READY), {})


def _why(version: Obj) -> str:
    found = _condition(version)
    said = ": ".join(part for part in (found.get("reason", ""), found.get("message", "")) if part)
    return f" ({said[:300]})" if said else ""


def _nothing_to_follow(spec: ModelDeploymentSpec) -> str:
    if spec.follow == LATEST:
        return f"no version of {spec.modelName} is Ready yet"
    return f"no version of {spec.modelName} has the alias {spec.follow}"
