"""Data and models in an S3 bucket, on the real cluster against a real S3 server."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from e2e.cluster import provider, settings
from e2e.cluster.s3 import S3Server
from e2e.kubectl import Kubectl, condition
from e2e.tests.conftest import World
from e2e.tests.objects import ROW, TRAIN, config_map, model_deployment, months, secret, served, training_job


@pytest.fixture
def bucket(kube: Kubectl) -> Iterator[S3Server]:
    """A server with four months of data in the bucket `data`, an empty bucket `models`, its key in the Secret `key`."""
    if provider.choose().name != "source":
        pytest.skip("the S3 server listens on the bridge of the cluster from source; other clusters cannot reach it")
    with S3Server(host=settings.NODE_ADDRESS) as server:
        folder = server.make_bucket("data") / "months"
        folder.mkdir()
        for name, text in months().items():
            (folder / name).write_text(text)
        server.make_bucket("models")
        kube.apply(secret("key", server.environment()), config_map("code", train_py=TRAIN))
        yield server


def in_bucket(**spec: object) -> dict[str, object]:
    """A TrainingJob with data and models in the buckets."""
    storage = {"secretRef": {"name": "key"}}
    job = training_job(output={"storageUri": "s3://models", "storage": storage}, **spec)
    for dataset in job["spec"]["datasets"]:
        dataset.update(storageUri="s3://data/months", storage=storage)
    return job


def test_a_model_is_trained_from_and_served_out_of_a_bucket(
    kube: Kubectl, bucket: S3Server, world: World, http: httpx.Client
) -> None:
    """s3:// all the way: data, artifact, check and serving pod, with one Secret; the artifact lies in the bucket."""
    kube.apply(in_bucket())
    kube.wait("tj", "late", "Succeeded", timeout=240)
    kube.wait("mver", "late-v1", "Ready", timeout=120)
    assert [path.name for path in (bucket.buckets / "models").rglob("manifest.json")]
    path = f"/{kube.namespace}"
    kube.apply(model_deployment(path=path))
    kube.wait("mdep", "late", "Ready", timeout=180)
    assert served(f"{world.gateway}{path}", http)
    assert http.post(f"{world.gateway}{path}/predict", json={"rows": [ROW]}).status_code == 200


def test_a_wrong_key_is_said_and_nothing_is_trained(kube: Kubectl, bucket: S3Server) -> None:
    """A key that the store denies ends the run with the store's name in the condition."""
    kube.apply(secret("key", {**bucket.environment(), "AWS_SECRET_ACCESS_KEY": "wrong"}))
    kube.apply(in_bucket())
    job = kube.wait("tj", "late", "Succeeded", "False", timeout=180)
    assert "s3://data/months" in condition(job, "Succeeded")["message"]
    assert kube.list("mver") == []
