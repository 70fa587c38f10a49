"""The cluster through `kubectl`: contexts, credentials, proxies and in-cluster configuration are as kubectl has them.

A plugin is started by kubectl, so it is there, and no package is needed besides (docs/decisions/0010-plugin.md).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pintle.cli import errors
from pintle.cli.errors import CliError
from pintle.contract.names import GROUP

Obj = Mapping[str, Any]
TRAINING_JOB, MODEL_VERSION, MODEL_DEPLOYMENT = "TrainingJob", "ModelVersion", "ModelDeployment"
PLURALS = {TRAINING_JOB: "trainingjobs", MODEL_VERSION: "modelversions", MODEL_DEPLOYMENT: "modeldeployments"}
REQUEST_TIMEOUT = "30s"
# Words of kubectl and of the API server by which an error is known.
_UNREACHABLE = ("Unable to connect", "was refused", "no configuration has been provided", "connect: ", "i/o timeout")
_NOT_INSTALLED = ("doesn't have a resource type", "no matches for kind")


class Missing(CliError):
    """The API server knows no such object."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl with the flags that choose cluster and namespace. Empty means kubectl's own choice."""

    context: str = ""
    kubeconfig: str = ""
    chosen_namespace: str = ""

    def namespace(self) -> str:
        """The namespace that commands are about."""
        if self.chosen_namespace:
            return self.chosen_namespace
        found = self._config("{.contexts[0].context.namespace}")
        return found or _own_namespace() or "default"

    def user(self) -> str:
        """Who asks: as the API server knows it, else as the kubeconfig calls it, else the user of this machine."""
        try:
            return self.run("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").strip()
        except CliError:
            return self._config("{.contexts[0].context.user}") or os.environ.get("USER", "unknown")

    def objects(self, namespace: str | None) -> list[Obj]:
        """All objects of the three kinds, in a namespace or (None) in all. Raises CliError."""
        where = ["-n", namespace] if namespace else ["--all-namespaces"]
        kinds = ",".join(f"{plural}.{GROUP}" for plural in PLURALS.values())
        return list(json.loads(self.run("get", kinds, *where, "-o", "json"))["items"])

    def object(self, kind: str, namespace: str, name: str) -> Obj:
        """One object. Raises CliError, Missing where there is none."""
        found: Obj = json.loads(self.run("get", f"{PLURALS[kind]}.{GROUP}", name, "-n", namespace, "-o", "json"))
        return found

    def annotate(self, kind: str, namespace: str, name: str, key: str, value: str) -> None:
        """Writes one annotation over the one that is there. Raises CliError."""
        self.run("annotate", f"{PLURALS[kind]}.{GROUP}", name, "-n", namespace, "--overwrite", f"{key}={value}")

    def run(self, *words: str) -> str:
        """What kubectl prints. Raises CliError with a sentence for a person."""
        program = shutil.which("kubectl")
        if program is None:
            raise CliError("kubectl is not on the PATH; this plugin reaches the cluster through it.", errors.NO_ACCESS)
        flags = [f"--context={self.context}"] if self.context else []
        flags += [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        command = [program, *words, *flags, f"--request-timeout={REQUEST_TIMEOUT}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise explained(done.stderr.strip())
        return done.stdout

    def _config(self, path: str) -> str:
        try:
            return self.run("config", "view", "--minify", "-o", f"jsonpath={path}").strip()
        except CliError:
            return ""


def explained(text: str) -> CliError:
    """kubectl's error as a sentence that says what to do."""
    words = re.sub(r"^(error|Error from server( \(\w+\))?): ", "", text.splitlines()[-1] if text else "kubectl failed")
    if any(sign in text for sign in _NOT_INSTALLED):
        return CliError(
            "This cluster does not know Pintle's kinds: install the chart pintle-crds, or choose another cluster"
            " with --context.",
            errors.NO_ACCESS,
        )
    if "(NotFound)" in text:
        return Missing(words, errors.NOT_FOUND)
    if "(Forbidden)" in text or "forbidden:" in text:
        return CliError(f"You are not allowed to do this: {words}. Ask for a Role with this right.", errors.NO_ACCESS)
    if "(Unauthorized)" in text or "must be logged in" in text:
        return CliError(
            f"The cluster does not accept your credentials: {words}. Log in again, or choose --context.",
            errors.NO_ACCESS,
        )
    if re.search(r'context "?[^"]*"? does not exist|context was not found', text):
        return CliError(f"{words}. `kubectl config get-contexts` lists the contexts.", errors.NO_ACCESS)
    if any(sign in text for sign in _UNREACHABLE):
        return CliError(
            f"No cluster answers: {words}. Look at KUBECONFIG and --context; `kubectl cluster-info` tries the same.",
            errors.NO_ACCESS,
        )
    return CliError(f"kubectl says: {words}")


def _own_namespace() -> str:
    """The namespace of the pod that this runs in, or nothing."""
    try:
        with open("/var/run/secrets/kubernetes.io/serviceaccount/namespace", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""
