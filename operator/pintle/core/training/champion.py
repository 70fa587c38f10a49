"""The version that gates compare a new model with: which one it is, and how its bytes are reached."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pintle.api import reasons
from pintle.api.trainingjob import TrainingJobSpec
from pintle.contract.run import ChampionRequest
from pintle.core.conditions import UNKNOWN, Condition, is_true
from pintle.core.plan import Obj
from pintle.core.training.definition import refused
from pintle.resources.model_version import version_name

BASELINE, CHAMPION = "Baseline", "Champion"
ALIAS = "champion"


@dataclass(frozen=True)
class Champion:
    """The version, as the run is told, and the Secret that its storage is opened with."""

    request: ChampionRequest
    secret: str | None = None


def rival_of(spec: TrainingJobSpec) -> str | None:
    """What gates compare with besides the baseline: Champion, a version like v3, or nothing."""
    named = (gate.comparedTo for gate in spec.gates or ())
    return next((name for name in named if name not in (None, BASELINE)), None)


def champion_of(spec: TrainingJobSpec, versions: Iterable[Obj]) -> Champion | None:
    """The version that gates compare with; None where they name none, or where there is none yet."""
    rival = rival_of(spec)
    ready = [version for version in versions if is_true(version, reasons.READY)]
    if rival is None:
        return None
    found = _champion(ready) if rival == CHAMPION else _numbered(ready, rival)
    if found is None:
        return None
    body = found["spec"]
    secret = ((body.get("storage") or {}).get("secretRef") or {}).get("name")
    request = ChampionRequest(rival, int(body["version"]), body["storageUri"], body["digest"], bool(secret))
    return Champion(request, secret)


def missing_rival(spec: TrainingJobSpec, model: str, versions: Iterable[Obj]) -> Condition | None:
    """Why no run can be judged: a gate names a version that is not there. A champion may be missing, a version not."""
    rival = rival_of(spec)
    if rival in (None, CHAMPION) or champion_of(spec, versions) is not None:
        return None
    name = version_name(model, int(str(rival)[1:]))
    message = f"A gate compares with {name}, which does not exist or is not Ready; the run waits for it."
    return Condition(reasons.SUCCEEDED, UNKNOWN, reasons.VERSION_NOT_FOUND, message)


def _champion(ready: list[Obj]) -> Obj | None:
    """The one with the alias; else the newest that no gate refused."""
    named = [version for version in ready if ALIAS in _aliases(version)]
    others = [version for version in ready if not refused(version)]
    return max(named or others, key=lambda version: int(version["spec"]["version"]), default=None)


def _numbered(ready: list[Obj], rival: str) -> Obj | None:
    return next((version for version in ready if f"v{version['spec']['version']}" == rival), None)


def _aliases(version: Obj) -> set[str]:
    return {alias["name"] for alias in (version.get("status") or {}).get("aliases") or ()}
