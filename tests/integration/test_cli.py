"""`kubectl pintle` as people run it: the installed script, found by kubectl, against a real API server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.kube import Space, eventually
from tests.story import OBJECTS

RULE = {"apiGroups": ["pintle.dev"], "resources": ["*"]}


class Plugin:
    """The plugin in one namespace, as administrator unless another kubeconfig is given."""

    def __init__(self, space: Space) -> None:
        self.space = space
        # kubectl finds a plugin on the PATH by its name, and the plugin finds kubectl there.
        folders = [str(Path(sys.executable).parent), str(space.server.kubectl.parent)]
        self.environment = {
            **os.environ,
            "PATH": ":".join([*folders, os.environ["PATH"]]),
            "KUBECONFIG": str(space.server.kubeconfig),
            "NO_COLOR": "1",
        }

    def start(self, *words: str, out: Any = subprocess.PIPE, **environment: str) -> subprocess.Popen[str]:
        command = [str(self.space.server.kubectl), "pintle", *words, "-n", self.space.name]
        return subprocess.Popen(
            command,
            env={**self.environment, **environment},
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def going(self, *words: str, out: Any = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
        """A command that goes on; it is killed at the end if it still does."""
        running = self.start(*words, out=out)
        try:
            yield running
        finally:
            running.kill()
            running.communicate()

    def run(self, *words: str, code: int = 0, **environment: str) -> str:
        """What it prints; of an error what it says on stderr."""
        with self.start(*words, **environment) as running:
            out, err = running.communicate(timeout=60)
        assert running.returncode == code, err
        return out if code in (0, 1) else err

    def data(self, *words: str) -> dict[str, Any]:
        return dict(json.loads(self.run(*words, "-o", "json")))


@pytest.fixture
def plugin(space: Space) -> Plugin:
    """In a namespace with all of the story's objects and their statuses."""
    for body in OBJECTS:
        space.create(body)
        space.set_status(body, body["status"])
    return Plugin(space)


def word_of(space: Space, kind: str, name: str, key: str) -> dict[str, Any]:
    stored = space.get("pintle.dev/v1alpha1", kind, name) or {}
    return dict(json.loads(stored.get("metadata", {}).get("annotations", {}).get(key, "{}")))


def test_looks(plugin: Plugin) -> None:
    """Every command that looks answers on a real cluster, for people and for programs."""
    tree = plugin.run("get", "delays")
    assert "9f8e7d6c   v4   canary    25 %   1 pod    step 2 of 3, NeedMoreData" in tree
    assert "fares" in plugin.run("get")
    assert plugin.data("get", "fares")["items"][0]["versions"][0]["reason"] == "DigestMismatch"
    assert "Evidence on missing" in plugin.run("why", "delays")
    assert plugin.data("why", "delays")["history"][2]["evidence"] == "9.1"
    assert "held back: FeatureDrift from delays" in plugin.run("why", "tj/delays")
    lineage = plugin.data("lineage", "delays")
    assert [item["version"]["run"]["name"] for item in lineage["revisions"]] == [
        "delays-00000000a3",
        "delays-00000000a4",
    ]
    assert plugin.data("runs", "delays")["items"][0]["trigger"]["kind"] == "FeatureDrift"
    gates = {pair["name"]: pair["change"] for pair in plugin.data("diff", "delays-v3", "delays-v4")["gates"]}
    assert gates["auc by carrier=AA"] == "+0.034"


def test_a_word_is_written_and_its_answer_waited_for(plugin: Plugin) -> None:
    """pause --wait writes the annotation with the canary's revision and the caller's name, and ends with the result."""
    with plugin.going("pause", "delays", "--wait", "-o", "json") as running:
        word = eventually(lambda: word_of(plugin.space, "ModelDeployment", "delays", "pintle.dev/action"))
        assert (word["verb"], word["revision"]) == ("pause", "9f8e7d6c")
        assert word["by"] == "pintle-admin"
        body = next(obj for obj in OBJECTS if obj["metadata"]["name"] == "delays" and obj["kind"] == "ModelDeployment")
        assert running.poll() is None
        action = {"id": word["id"], "verb": "pause", "result": "Done", "message": "step 2 is held"}
        plugin.space.set_status(body, {**body["status"], "action": action})
        out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert json.loads(out)["answer"]["message"] == "step 2 is held"


def test_a_word_that_is_refused_is_no_success(plugin: Plugin) -> None:
    """A program sees by the exit code that it was too late."""
    with plugin.going("abort", "delays", "--wait") as running:
        word = eventually(lambda: word_of(plugin.space, "ModelDeployment", "delays", "pintle.dev/action"))
        body = next(obj for obj in OBJECTS if obj["metadata"]["name"] == "delays" and obj["kind"] == "ModelDeployment")
        action = {"id": word["id"], "verb": "abort", "result": "Stale"}
        plugin.space.set_status(body, {**body["status"], "action": action})
        out, err = running.communicate(timeout=60)
    assert running.returncode == 1, err
    assert out.splitlines()[-1] == "Stale."


def test_nobody_answers(plugin: Plugin) -> None:
    """--wait ends by itself; the word stays."""
    assert "No answer within 1 s" in plugin.run("promote", "delays", "--fully", "--wait", "--timeout", "1", code=5)
    assert word_of(plugin.space, "ModelDeployment", "delays", "pintle.dev/action")["verb"] == "promote-fully"


def test_a_run_is_asked_for(plugin: Plugin) -> None:
    """train writes its own annotation, and a second word replaces the first."""
    plugin.run("train", "delays")
    first = word_of(plugin.space, "TrainingJob", "delays", "pintle.dev/run")
    plugin.run("train", "delays")
    second = word_of(plugin.space, "TrainingJob", "delays", "pintle.dev/run")
    assert first.keys() == {"id", "by"}
    assert first["id"] != second["id"]


def test_who_may_look_may_not_speak(plugin: Plugin) -> None:
    """Rights are the API server's: a reader gets the tree, and a sentence where it would write."""
    space, name = plugin.space, plugin.space.name
    rbac = "rbac.authorization.k8s.io"
    space.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}})
    space.create(
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "reader"},
         "rules": [{**RULE, "verbs": ["get", "list"]}]}
    )  # fmt: skip
    reader = {"kind": "ServiceAccount", "name": "reader", "namespace": name}
    space.create(
        {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": {"name": "reader"}, "subjects": [reader],
         "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "reader"}}
    )  # fmt: skip
    config = str(space.server.kubeconfig_of(name, "reader"))
    assert "delays" in eventually(lambda: plugin.run("get", KUBECONFIG=config))
    assert "You are not allowed to do this" in plugin.run("pause", "delays", KUBECONFIG=config, code=4)
    assert word_of(space, "ModelDeployment", "delays", "pintle.dev/action") == {}


def test_what_is_not_there(plugin: Plugin, tmp_path: Path) -> None:
    """A name that is wrong, a context that is none, a cluster that does not answer: sentences and exit codes."""
    assert "Did you mean delays?" in plugin.run("pause", "delay", code=3)
    assert "get-contexts" in plugin.run("get", "--context", "nowhere", code=4)
    dead = tmp_path / "kubeconfig"
    config = json.loads(plugin.space.server.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    dead.write_text(json.dumps(config))
    assert "No cluster answers" in plugin.run("get", "--kubeconfig", str(dead), code=4)


def test_watch_follows_what_changes(plugin: Plugin, tmp_path: Path) -> None:
    """--watch prints the tree again when it is another one."""
    shown = tmp_path / "shown"
    with shown.open("w") as file, plugin.going("get", "delays", "--watch", "--interval", "0.2", out=file):
        eventually(lambda: "canary    25 %" in shown.read_text())
        body = next(obj for obj in OBJECTS if obj["metadata"]["name"] == "delays" and obj["kind"] == "ModelDeployment")
        changed = json.loads(json.dumps(body["status"]))
        changed["canary"]["weight"], changed["stable"]["weight"] = 50, 50
        plugin.space.set_status(body, changed)
        eventually(lambda: "canary    50 %" in shown.read_text())
