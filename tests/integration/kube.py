"""What integration tests need of a real API server: CRDs, a REST client, kubectl, a namespace of one's own."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from e2e.cluster.apiserver import ApiServer

ROOT = Path(__file__).parents[2]
GATEWAY_API = "sigs.k8s.io/gateway-api@v1.4.0"
T = TypeVar("T")

# Plurals of the kinds that tests touch, by (apiVersion, kind).
PLURALS = {
    "GatewayClass": "gatewayclasses",
    "TrainingJob": "trainingjobs",
    "ModelVersion": "modelversions",
    "ModelDeployment": "modeldeployments",
    "HTTPRoute": "httproutes",
    "Ingress": "ingresses",
    "NetworkPolicy": "networkpolicies",
}


class Refused(AssertionError):
    """The API server did not take it: `status` is its Status object, `message` what a person would read."""

    def __init__(self, code: int, status: Mapping[str, Any]) -> None:
        self.code = code
        self.status = status
        self.message = str(status.get("message", ""))
        super().__init__(f"{code}: {self.message}")


class Rest:
    """The API server over HTTP as administrator, objects as dicts; errors are `Refused`."""

    def __init__(self, kubeconfig: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cadata=_decoded(cluster["certificate-authority-data"]).decode())
        headers = {}
        if "token" in user:
            headers["Authorization"] = f"Bearer {user['token']}"
        else:
            # The ssl module reads a client certificate from files only.
            pair = kubeconfig.with_suffix(".pem")
            pair.touch(mode=0o600)
            pair.write_bytes(_decoded(user["client-certificate-data"]) + b"\n" + _decoded(user["client-key-data"]))
            context.load_cert_chain(pair)
        self.client = httpx.Client(
            base_url=cluster["server"], verify=context, headers=headers, trust_env=False, timeout=30
        )

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> dict[str, Any]:
        """Any request; `options` go to httpx (params, headers). Raises Refused on 4xx and 5xx."""
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        answer = self.client.request(method, path, content=content, headers=headers, **options)
        value = answer.json() if answer.content else {}
        if answer.status_code >= 400:
            raise Refused(answer.status_code, value)
        return dict(value)

    def create(self, body: Mapping[str, Any], dry_run: bool = False) -> dict[str, Any]:
        """POST with strict validation, as kubectl does it."""
        params = {"fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        return self.request("POST", collection(body), body, params=params)

    def replace(self, body: Mapping[str, Any], dry_run: bool = False, subresource: str = "") -> dict[str, Any]:
        """PUT with strict validation; subresource `status` writes the status only."""
        params = {"fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        return self.request("PUT", address(body, subresource), body, params=params)

    def apply(self, body: Mapping[str, Any], manager: str = "test", subresource: str = "") -> dict[str, Any]:
        """Server-side apply with force."""
        params = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        return self.request("PATCH", address(body, subresource), body, params=params, headers=headers)

    def merge(self, body: Mapping[str, Any], patch: Mapping[str, Any], subresource: str = "") -> dict[str, Any]:
        """Merge patch on the object that `body` names."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return self.request("PATCH", address(body, subresource), patch, headers=headers)

    def get(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """The object that `body` names by apiVersion, kind, namespace and name; None when there is none."""
        try:
            return self.request("GET", address(body))
        except Refused as refused:
            if refused.code == 404:
                return None
            raise

    def list(self, api_version: str, kind: str, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        """All objects of a kind in a namespace."""
        path = collection({"apiVersion": api_version, "kind": kind, "metadata": {"namespace": namespace}})
        items = self.request("GET", path, params={"labelSelector": selector} if selector else {})["items"]
        # Lists leave these out of their items.
        return [{"apiVersion": api_version, "kind": kind, **item} for item in items]

    def delete(self, body: Mapping[str, Any], propagation: str = "Background") -> dict[str, Any]:
        return self.request("DELETE", address(body), params={"propagationPolicy": propagation})

    def close(self) -> None:
        self.client.close()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text)


def collection(body: Mapping[str, Any]) -> str:
    """URL path of the collection that an object belongs to."""
    version, kind = str(body["apiVersion"]), str(body["kind"])
    namespace = body["metadata"].get("namespace")
    plural = PLURALS.get(kind, f"{kind.lower()}s")
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


def address(body: Mapping[str, Any], subresource: str = "") -> str:
    """URL path of an object, or of a subresource of it."""
    path = f"{collection(body)}/{body['metadata']['name']}"
    return f"{path}/{subresource}" if subresource else path


@dataclass(frozen=True)
class Space:
    """A namespace of one test on a real API server."""

    server: ApiServer
    rest: Rest
    name: str

    def kubectl(self, *words: str, given: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """kubectl as administrator in this namespace. Raises ClusterError unless check=False."""
        return self.server.run_kubectl("-n", self.name, *words, given=given, check=check)

    def placed(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The object with this namespace."""
        return {**body, "metadata": {**body["metadata"], "namespace": self.name}}

    def create(self, body: Mapping[str, Any], dry_run: bool = False) -> dict[str, Any]:
        return self.rest.create(self.placed(body), dry_run)

    def apply(self, body: Mapping[str, Any], manager: str = "test", subresource: str = "") -> dict[str, Any]:
        return self.rest.apply(self.placed(body), manager, subresource)

    def set_status(self, body: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
        """Server-side apply of a whole status, as the operator does it."""
        named = {"name": body["metadata"]["name"], "namespace": self.name}
        value = {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": named, "status": status}
        return self.rest.apply(value, "pintle-status", "status")

    def get(self, api_version: str, kind: str, name: str) -> dict[str, Any] | None:
        return self.rest.get(
            {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": self.name}}
        )

    def list(self, api_version: str, kind: str, selector: str = "") -> list[dict[str, Any]]:
        return self.rest.list(api_version, kind, self.name, selector)


def install_crds(server: ApiServer, *folders: Path) -> None:
    """Applies CRDs and returns when they are served. Default: Pintle's own."""
    for folder in folders or (ROOT / "crds",):
        server.run_kubectl("apply", "--server-side", "-f", str(folder))
        server.run_kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(folder))


def gateway_crds() -> Path:
    """Folder with the Gateway API's CRDs, out of its Go module."""
    done = subprocess.run(
        ["go", "mod", "download", "-json", GATEWAY_API], capture_output=True, text=True, check=True, cwd="/"
    )
    return Path(json.loads(done.stdout)["Dir"]) / "config" / "crd" / "standard"


@contextmanager
def serving(gateway: bool = False, **options: Any) -> Iterator[tuple[ApiServer, Rest]]:
    """An API server with Pintle's CRDs (and the Gateway API's), and a client. `options` as of ApiServer."""
    with ApiServer(**options) as server:
        install_crds(server, ROOT / "crds", *([gateway_crds()] if gateway else []))
        rest = Rest(server.kubeconfig)
        try:
            yield server, rest
        finally:
            rest.close()


def eventually(look: Callable[[], T], patience: float = 20.0, interval: float = 0.05) -> T:
    """The first true value of `look()`; AssertionErrors in it count as not yet. Raises the last one when time is up."""
    end = time.monotonic() + patience
    while True:
        try:
            value = look()
            if value:
                return value
            problem: AssertionError = AssertionError(f"still {value!r} after {patience} s")
        except AssertionError as error:
            problem = error
        if time.monotonic() > end:
            raise problem
        time.sleep(interval)
