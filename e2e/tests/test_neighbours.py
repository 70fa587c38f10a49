"""Teams that know nothing of each other give the same names to different things, in one cluster and one Prometheus."""

from __future__ import annotations

from e2e.kubectl import Kubectl
from e2e.tests.conftest import World
from e2e.tests.rolling import Rolling, Rows, soon_proven
from e2e.tests.versions import MODEL, Made, load_versions

VERSIONS = (Made(1), Made(2, errors=0.4))
PROMOTING = {"onPromoted": {"alias": "champion"}, "rollout": soon_proven(2, 2)}


def champions(kube: Kubectl) -> list[str]:
    """Versions with the alias."""
    versions = kube.list("mver")
    aliases = {item["metadata"]["name"]: item["status"].get("aliases") or () for item in versions}
    return sorted(name for name, held in aliases.items() if "champion" in [alias["name"] for alias in held])


def test_one_name_in_two_namespaces_is_two_models(
    kube: Kubectl, other_kube: Kubectl, world: World, runner_image: str
) -> None:
    """Same model, versions, deployment and revisions: one meets its bad rows and goes back, the other is promoted."""
    bad, good = Rolling(kube, world), Rolling(other_kube, world)
    for rolling in (bad, good):
        load_versions(rolling.kube, runner_image, VERSIONS)
        rolling.serve(1, **PROMOTING)
    assert bad.status()["stable"]["revision"] == good.status()["stable"]["revision"]
    with bad.load() as failing, good.load(Rows(low=0.5)) as load:
        for rolling in (bad, good):
            rolling.apply(2, **PROMOTING)
        refused = bad.until_refused(2, seconds=180)
        promoted = good.until_ready(2, seconds=180)
    assert load.failures == []
    assert failing.failures
    assert refused["refused"][0]["revision"] == promoted["stable"]["revision"]
    assert refused["stable"]["version"] == 1
    assert promoted.get("refused") in (None, [])
    assert champions(kube) == [f"{MODEL}-v1"]
    other_kube.run("wait", f"mver/{MODEL}-v2", "--for=jsonpath={.status.aliases[0].name}=champion", "--timeout=30s")
    assert champions(other_kube) == [f"{MODEL}-v2"]
