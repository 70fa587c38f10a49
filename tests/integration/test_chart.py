"""The two charts with real Helm on a real API server: installed, refused, upgraded, removed, and what they grant."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pintle.adapters.prometheus import Access
from pintle.controller.config import from_env

from e2e.cluster.apiserver import ApiServer
from e2e.cluster.binaries import HELM
from tests.integration.kube import Refused, Rest
from tests.integration.objects import training_job

CHARTS = Path(__file__).parents[2] / "charts"
SYSTEM = "pintle-system"
ACCOUNT = f"system:serviceaccount:{SYSTEM}:pintle"
CHILDREN = [
    "jobs.batch",
    "services",
    "deployments.apps",
    "horizontalpodautoscalers.autoscaling",
    "poddisruptionbudgets.policy",
    "httproutes.gateway.networking.k8s.io",
]


def helm(*words: str, server: ApiServer | None = None) -> subprocess.CompletedProcess[str]:
    """Helm with its output captured; against `server` where given."""
    target = ["--kubeconfig", str(server.kubeconfig)] if server else []
    return subprocess.run([str(HELM.path()), *words, *target], capture_output=True, text=True, check=False, timeout=120)


def rendered(*words: str) -> list[dict[str, Any]]:
    """The objects of the chart with these options."""
    done = helm("template", "pintle", str(CHARTS / "pintle"), "-n", SYSTEM, "--kube-version", "1.35.0", *words)
    assert done.returncode == 0, done.stderr
    return [body for body in yaml.safe_load_all(done.stdout) if body]


def one(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = [body for body in objects if body["kind"] == kind]
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    """A server with both charts installed cluster-wide, and a namespace "team" beside."""
    with ApiServer() as server:
        installed = helm("install", "pintle-crds", str(CHARTS / "pintle-crds"), server=server)
        assert installed.returncode == 0, installed.stderr
        installed = helm("install", "pintle", str(CHARTS / "pintle"), "-n", SYSTEM, "--create-namespace", server=server)
        assert installed.returncode == 0, installed.stderr
        assert "kubectl get mlops -A" in installed.stdout
        server.run_kubectl("create", "namespace", "team")
        yield server


@pytest.fixture(scope="module")
def admin(server: ApiServer) -> Iterator[Rest]:
    """A client of that server."""
    rest = Rest(server.kubeconfig)
    yield rest
    rest.close()


def can(admin: Rest, verb: str, target: str, namespace: str = "team", name: str = "") -> bool:
    """Whether the operator's account may do this; `target` is written resource[.group][#subresource]."""
    resource, _, subresource = target.partition("#")
    resource, _, group = resource.partition(".")
    what = {"verb": verb, "resource": resource, "group": group, "subresource": subresource}
    attributes = {**what, "namespace": namespace, "name": name}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": ACCOUNT, "resourceAttributes": attributes},
    }
    answer = admin.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


@pytest.mark.parametrize("chart", ["pintle", "pintle-crds"])
def test_charts_lint(chart: str) -> None:
    """Helm has nothing to complain about."""
    assert helm("lint", "--strict", str(CHARTS / chart)).returncode == 0


@pytest.mark.parametrize(
    "setting",
    [
        "replica=2",
        "image.operater=x",
        "imagePullPolicy=Sometimes",
        "policy.drainSeconds=0",
        "watchNamespaces={Team}",
        "prometheus.url=prometheus:9090",
        "prometheus.lookSeconds=0",
        "prometheus.scrapeIntervalSeconds=often",
        "prometheus.bearerTokenSecret.nam=x",
        "notifications.secretName=Hooks",
    ],
)
def test_wrong_values_are_refused(setting: str) -> None:
    """A misspelt or impossible value stops the installation."""
    done = helm("template", "pintle", str(CHARTS / "pintle"), "--kube-version", "1.35.0", "--set", setting)
    assert done.returncode != 0
    assert setting.split("=")[0].split(".")[-1] in done.stderr


def test_the_operator_understands_its_environment() -> None:
    """What the chart puts into the pod is what the operator reads from it."""
    words = ["--set", "policy.drainSeconds=7,policy.startDeadlineSeconds=60,imagePullPolicy=Always,logLevel=DEBUG"]
    words += ["--set", "policy.trustedTypes={mylib.Scale,mylib.Clip}"]
    objects = rendered(*words, "--set", "watchNamespaces={a,b}", "--set", "image.server=s:1,image.runner=r:1")
    (container,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    downward = {"PINTLE_POD_UID": "uid", "PINTLE_POD_NAME": "pod", "PINTLE_POD_NAMESPACE": SYSTEM}
    env = {item["name"]: item.get("value", downward.get(item["name"], "")) for item in container["env"]}
    config = from_env(env, fallback_uid="")
    assert (config.policy.server_image, config.policy.runner_image) == ("s:1", "r:1")
    assert config.policy.image_pull_policy == "Always"
    assert config.policy.drain == timedelta(seconds=7)
    assert config.policy.start_deadline == timedelta(seconds=60)
    assert config.namespaces == ("a", "b")
    assert config.policy.trusted_types == ("mylib.Scale", "mylib.Clip")
    assert (config.pod_uid, config.pod_namespace, config.log_level) == ("uid", SYSTEM, "DEBUG")
    assert {port["containerPort"] for port in container["ports"]} == {config.health_port, config.metrics_port}


def environment(*words: str) -> tuple[dict[str, str], dict[str, Any]]:
    """What the operator's container gets, and its pod."""
    pod = one(rendered(*words), "Deployment")["spec"]["template"]["spec"]
    return {item["name"]: item.get("value", "x") for item in pod["containers"][0]["env"]}, pod


def test_prometheus_is_set_by_values() -> None:
    """Address, grid and pace; without an address there is nothing to judge by."""
    env, _ = environment()
    assert from_env(env, "").prometheus is None
    assert not from_env(env, "").policy.has_metrics
    given = "prometheus.url=http://p:9090,prometheus.scrapeIntervalSeconds=1,prometheus.lookSeconds=0.25"
    env, _ = environment("--set", given)
    config = from_env(env, "")
    assert config.prometheus == Access("http://p:9090")
    assert config.policy.has_metrics
    assert (config.policy.scrape, config.look_seconds) == (timedelta(seconds=1), 0.25)


@pytest.mark.parametrize(
    ("value", "kind", "setting"),
    [
        ("prometheus.bearerTokenSecret", "secret", "PINTLE_PROMETHEUS_TOKEN_FILE"),
        ("prometheus.basicAuthSecret", "secret", "PINTLE_PROMETHEUS_BASIC_AUTH_FILE"),
        ("prometheus.caConfigMap", "configMap", "PINTLE_PROMETHEUS_CA_FILE"),
    ],
)
def test_what_prometheus_asks_for_is_mounted(value: str, kind: str, setting: str) -> None:
    """The operator reads a file and needs no right to read Secrets; a Secret that comes later keeps no pod waiting."""
    env, pod = environment("--set", f"prometheus.url=https://p,{value}.name=mine,{value}.key=k")
    (volume,) = [volume for volume in pod["volumes"] if kind in volume]
    (mount,) = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == volume["name"]]
    source = volume[kind]
    assert source.get("secretName", source.get("name")) == "mine"
    assert source["optional"]
    (item,) = source["items"]
    assert item["key"] == "k"
    assert env[setting] == f"{mount['mountPath']}/{item['path']}"
    assert mount["readOnly"]


def test_receivers_are_mounted() -> None:
    """Each key of the Secret is a file named like the receiver."""
    env, pod = environment("--set", "notifications.secretName=hooks")
    (volume,) = [volume for volume in pod["volumes"] if "secret" in volume]
    assert volume["secret"] == {"secretName": "hooks", "optional": True}
    (mount,) = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == volume["name"]]
    assert from_env(env, "").receivers == Path(mount["mountPath"])
    assert from_env(environment()[0], "").receivers is None


def test_its_pod_passes_restricted(server: ApiServer, admin: Rest) -> None:
    """The namespace may enforce Pod Security "restricted"."""
    server.run_kubectl("label", "namespace", "team", "pod-security.kubernetes.io/enforce=restricted", "--overwrite")
    everything = "prometheus.url=https://p,prometheus.caConfigMap.name=ca,notifications.secretName=hooks"
    template = one(rendered("--set", everything), "Deployment")["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "operator", "namespace": "team"},
        "spec": template["spec"],
    }
    admin.create(pod, dry_run=True)
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(Refused, match="restricted"):
        admin.create(pod, dry_run=True)


@pytest.mark.parametrize("resource", CHILDREN)
def test_may_write_children(admin: Rest, resource: str) -> None:
    """It makes, changes and removes what belongs to a parent, and watches it; it never replaces or deletes at large."""
    assert all(can(admin, verb, resource) for verb in ("list", "watch", "create", "patch", "delete"))
    assert not any(can(admin, verb, resource) for verb in ("get", "update", "deletecollection"))


@pytest.mark.parametrize(
    "resource", ["trainingjobs.pintle.dev", "modelversions.pintle.dev", "modeldeployments.pintle.dev"]
)
def test_may_not_write_what_the_user_owns(admin: Rest, resource: str) -> None:
    """It reads the three kinds and writes their status; their spec, annotations and life are the user's."""
    assert all(can(admin, verb, resource) for verb in ("get", "list", "watch"))
    assert can(admin, "patch", f"{resource}#status")
    assert not any(can(admin, verb, resource) for verb in ("update", "patch", "delete"))
    assert can(admin, "create", resource) == (resource == "modelversions.pintle.dev")


@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("get", "secrets"),
        ("list", "secrets"),
        ("list", "configmaps"),
        ("get", "pods#log"),
        ("create", "pods#exec"),
        ("patch", "pods"),
        ("create", "serviceaccounts#token"),
        ("get", "leases.coordination.k8s.io"),
        ("create", "roles.rbac.authorization.k8s.io"),
    ],
)
def test_may_not(admin: Rest, verb: str, resource: str) -> None:
    """No keys, no logs, no commands in pods, no other rights."""
    assert not can(admin, verb, resource)


def test_lease(admin: Rest) -> None:
    """The Lease of its name, in its own namespace, and no other."""
    leases = "leases.coordination.k8s.io"
    assert can(admin, "update", leases, SYSTEM, "pintle-operator")
    assert can(admin, "get", leases, SYSTEM, "pintle-operator")
    assert can(admin, "create", leases, SYSTEM)
    assert not can(admin, "update", leases, SYSTEM, "another")


def test_named_namespaces() -> None:
    """With watchNamespaces the same rights hold there and nowhere else, and no ClusterRole is bound."""
    objects = rendered("--set", "watchNamespaces={team}", "--set", "rbac.aggregate=false")
    assert not [body for body in objects if body["kind"].startswith("Cluster")]
    (cluster_role,) = [body for body in rendered("--set", "rbac.aggregate=false") if body["kind"] == "ClusterRole"]
    (role,) = [body for body in objects if body["kind"] == "Role" and body["metadata"]["namespace"] == "team"]
    assert [rule for rule in cluster_role["rules"] if rule not in role["rules"]] == [
        {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["list", "watch"]}
    ]


def test_users_with_edit_may_use_it() -> None:
    """The cluster's own roles view and edit include the three kinds, once its controller has joined them."""
    objects = rendered()
    roles = {body["metadata"]["name"]: body for body in objects if body["kind"] == "ClusterRole"}
    assert roles["pintle-edit"]["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
    assert roles["pintle-view"]["rules"][0]["verbs"] == ["get", "list", "watch"]


def test_two_replicas_keep_apart() -> None:
    """Two replicas are spread over nodes, and an update never leaves less than what was there."""
    spec = one(rendered("--set", "replicas=2"), "Deployment")["spec"]
    assert spec["replicas"] == 2
    assert spec["template"]["spec"]["topologySpreadConstraints"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_objects_survive_the_charts(server: ApiServer, admin: Rest) -> None:
    """Upgrading and uninstalling both charts, and installing them again, keeps every object of the three kinds."""
    body = training_job()
    body["metadata"]["namespace"] = "team"
    uid = admin.create(body)["metadata"]["uid"]
    for words in (
        ("upgrade", "pintle-crds", str(CHARTS / "pintle-crds")),
        ("uninstall", "pintle", "-n", SYSTEM),
        ("uninstall", "pintle-crds"),
        ("install", "pintle-crds", str(CHARTS / "pintle-crds")),
        ("install", "pintle", str(CHARTS / "pintle"), "-n", SYSTEM),
    ):
        done = helm(*words, server=server)
        assert done.returncode == 0, done.stderr
    kept = admin.get(body)
    assert kept is not None
    assert kept["metadata"]["uid"] == uid
