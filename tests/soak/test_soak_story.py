"""The year of flights without what makes things happen in it: then nothing happens. On the cluster, some minutes."""

from __future__ import annotations

import pytest

from e2e.demo.__main__ import clean, doors
from e2e.story.run import Plan, Told, run

CALM = Plan(month=20.0, every=10, drift=False, leak=False)
"""January's flights all year, and a last version without the column that live rows lack."""


@pytest.fixture(scope="module")
def told() -> Told:
    """The calm year, told by the cluster."""
    found = doors()
    clean(found.kubeconfig)
    return run(found, CALM)


@pytest.mark.soak
def test_without_drift_and_new_data_nothing_is_retrained(told: Told) -> None:
    """One run of the model's own TrainingJob, its first; no cause is told."""
    jobs = {
        item["metadata"]["name"]: item for item in told.chronicle.statuses.values() if item["kind"] == "TrainingJob"
    }
    assert len(jobs["delays"]["status"]["runs"]) == 1, jobs["delays"]["status"]["runs"]
    assert [entry for entry in told.chronicle.entries if entry.kind == "Drift" and entry.title.endswith("=True")] == []


@pytest.mark.soak
def test_without_the_leak_the_last_version_is_promoted(told: Told) -> None:
    """Nothing is rolled back, nothing refused, and no request fails."""
    (deployment,) = (item for item in told.chronicle.statuses.values() if item["kind"] == "ModelDeployment")
    actions = [entry["action"] for entry in deployment["status"]["history"]]
    assert "Rollback" not in actions, deployment["status"]["history"]
    assert not deployment["status"].get("refused")
    assert "Promote" in actions
    assert told.stable == max(int(item["spec"]["version"]) for item in told.versions)
    assert [asked for asked in told.asked if asked.error] == []


@pytest.mark.soak
def test_the_page_has_the_why_of_deployment_and_job(told: Told) -> None:
    """What `kubectl pintle why` says of them, and not that it could not be asked."""
    said = {name: text.splitlines()[0] for name, text in told.whys.items()}
    assert said["kubectl pintle why mdep/delays"].startswith("delays ModelDeployment in namespace"), said
    assert said["kubectl pintle why tj/delays"].startswith("delays TrainingJob in namespace"), said
