"""Which cluster is chosen, and what is executed on kind and on somebody's own cluster."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.cluster import addons, builders, foreign, images, kind, provider, source, tools
from e2e.cluster.errors import ClusterError
from e2e.cluster.gobuild import GoBinary

Replace = Callable[..., "object"]
GATEWAY_CRDS = "get customresourcedefinitions gateways"
OURS = "get customresourcedefinitions trainingjobs"


@pytest.fixture(autouse=True)
def no_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are where they would be, without being built."""
    monkeypatch.setattr(GoBinary, "path", lambda self, link=None: Path("/bin") / (link or self.name))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(images, "binary_archive", lambda binary, reference: Path(f"/{binary.name}.tar"))
    monkeypatch.setattr(addons, "gateway_crds", lambda: "crds")


@pytest.mark.parametrize(
    ("environment", "docker", "running", "expected"),
    [
        ({"PINTLE_KUBECONFIG": "/k"}, True, True, "foreign"),
        ({}, True, False, "kind"),
        ({}, False, False, "source"),
        ({}, True, True, "source"),
        ({"PINTLE_CLUSTER": "source"}, True, False, "source"),
        ({"PINTLE_CLUSTER": "kind"}, False, False, "kind"),
    ],
)
def test_the_order_of_providers(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], docker: bool, running: bool, expected: str
) -> None:
    """The user's own, then kind, then source; a cluster from source that runs is not left for kind."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(builders, "docker_answers", lambda: docker)
    monkeypatch.setattr(source, "running", lambda: {"etcd": 1} if running else {})
    assert provider.choose().name == expected


def test_kind_creates_its_cluster_once(commands: Replace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Created with both doors on 127.0.0.1; where it exists only the add-ons are applied."""
    ran = commands(kind)
    monkeypatch.setattr(kind.shutil, "which", lambda name: "/bin/kind")
    kind.Kind().up()
    created = ran.matching("kind create cluster")
    assert len(created) == 1
    assert "--name pintle" in created[0]
    mappings = json.loads(ran.given[0])["nodes"][0]["extraPortMappings"]
    assert {item["listenAddress"] for item in mappings} == {"127.0.0.1"}
    ran.answers["kind get clusters"] = "other pintle"
    kind.Kind().up()
    assert ran.matching("kind create cluster") == created
    assert len(ran.matching("image-archive /traefik.tar --name pintle")) == 2


def test_kind_deletes_only_the_cluster_of_our_name(commands: Replace) -> None:
    """Other clusters of the same engine stay."""
    ran = commands(kind)
    kind.Kind().down()
    assert len(ran.ran) == 1
    assert ran.ran[0].startswith("kind delete cluster --name pintle ")


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user of a foreign cluster must say."""
    monkeypatch.setenv("PINTLE_GATEWAY", "http://gateway")
    monkeypatch.setenv("PINTLE_PROMETHEUS", "http://prometheus/")
    monkeypatch.setenv("PINTLE_IMAGE_PREFIX", "registry.example/team")
    monkeypatch.setenv("PINTLE_RUN_ID", "run1")


GATEWAY_API = "customresourcedefinition/gateways customresourcedefinition/httproutes"


@pytest.mark.usefixtures("doors")
def test_a_foreign_cluster_is_only_read(commands: Replace) -> None:
    """`up` asks questions and changes nothing."""
    ran = commands(foreign)
    ran.answers |= {"get namespaces": '{"items": []}', GATEWAY_CRDS: GATEWAY_API}
    foreign.Foreign(Path("/k")).up()
    assert {command.split()[3] for command in ran.ran} == {"version", "get"}
    assert foreign.Foreign(Path("/k")).doors().prometheus == "http://prometheus"


@pytest.mark.usefixtures("doors")
def test_a_cluster_that_has_pintle_is_refused(commands: Replace) -> None:
    """Unless this very run installed it."""
    ran = commands(foreign)
    installed = "customresourcedefinition/trainingjobs.pintle.dev"
    ran.answers |= {"get namespaces": '{"items": []}', OURS: installed, GATEWAY_CRDS: GATEWAY_API}
    with pytest.raises(ClusterError, match="installed on this cluster already"):
        foreign.Foreign(Path("/k")).up()
    ran.answers["get namespaces"] = '{"items": [{"metadata": {"name": "e2e-a"}}]}'
    foreign.Foreign(Path("/k")).up()


@pytest.mark.usefixtures("doors")
def test_only_namespaces_of_this_run_are_deleted(commands: Replace) -> None:
    """By label; no CRD is ever touched."""
    ran = commands(foreign)
    ran.answers["get namespaces -l pintle-e2e/run=run1"] = '{"items": [{"metadata": {"name": "e2e-a"}}]}'
    foreign.Foreign(Path("/k")).down(purge=True)
    changing = [command for command in ran.ran if " get " not in command]
    assert changing == ["/bin/kubectl --kubeconfig /k delete namespace e2e-a --wait=false"]


@pytest.mark.usefixtures("doors")
@pytest.mark.parametrize("name", ["PINTLE_GATEWAY", "PINTLE_PROMETHEUS", "PINTLE_IMAGE_PREFIX"])
def test_what_only_the_user_knows_is_asked_for(commands: Replace, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The message names the variable."""
    monkeypatch.delenv(name)
    ran = commands(foreign)
    ran.answers |= {"get namespaces": '{"items": []}', GATEWAY_CRDS: GATEWAY_API}
    with pytest.raises(ClusterError, match=name):
        foreign.Foreign(Path("/k")).up()


def test_the_run_id_is_kept() -> None:
    """A later command finds what an earlier one made."""
    assert foreign.run_id() == foreign.run_id()


def test_the_users_own_tools_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who has kubectl and helm builds neither from source."""
    assert tools.tool("helm") == Path("/bin/helm")
    (tmp_path / "helm").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.tool("helm") == tmp_path / "helm"
    assert tools.tool("kubectl") == Path("/bin/kubectl")
