"""The store: newest wins, gone stays gone, and children are found by their owner."""

from pintle.contract import names
from pintle.controller.store import Store
from pintle.ports.kinds import JOB, MODEL_DEPLOYMENT, MODEL_VERSION, POD, TRAINING_JOB

from tests.unit.controller.fakes import obj, stored

TJ = stored(obj(TRAINING_JOB, "delays"), 1)


def test_an_older_event_does_not_overwrite_a_newer_object() -> None:
    """resourceVersions are compared as numbers, not as text."""
    store = Store()
    assert store.put(stored(obj(JOB, "run", status={"succeeded": 1}), 100))
    assert not store.put(stored(obj(JOB, "run"), 99))
    assert store.get(JOB, "team", "run")["status"] == {"succeeded": 1}  # type: ignore[index]


def test_the_echo_of_a_write_is_no_news() -> None:
    """The event of our own write, which is in the store already, reports nothing new."""
    store = Store()
    assert store.put(stored(obj(JOB, "run"), 5))
    assert not store.put(stored(obj(JOB, "run"), 5))


def test_a_deleted_object_does_not_come_back() -> None:
    """An event that was under way when the object went does not resurrect it, but a namesake may come."""
    store = Store()
    job = stored(obj(JOB, "run"), 5, uid="first")
    store.put(job)
    assert store.remove(job)
    assert not store.put(stored(obj(JOB, "run"), 6, uid="first"))
    assert store.put(stored(obj(JOB, "run"), 7, uid="second"))


def test_a_late_deletion_spares_the_namesake() -> None:
    """Removing the first Job of a name leaves the second, which has another uid."""
    store = Store()
    store.put(stored(obj(JOB, "run"), 9, uid="second"))
    assert not store.remove(stored(obj(JOB, "run"), 5, uid="first"))
    assert store.get(JOB, "team", "run") is not None


def test_children_are_found_by_the_uid_of_their_owner() -> None:
    """Jobs of a TrainingJob that was deleted and made again are not those of the new one."""
    store = Store()
    store.put(stored(obj(JOB, "b", owner=TJ), 2))
    store.put(stored(obj(JOB, "a", owner=TJ), 3))
    namesake = {**TJ, "metadata": {**TJ["metadata"], "uid": "another"}}
    assert [job["metadata"]["name"] for job in store.owned(JOB, TJ)] == ["a", "b"]
    assert store.owned(JOB, namesake) == ()


def test_an_index_follows_what_an_object_has_become() -> None:
    """A pod whose label was changed is found under the new value only."""
    store = Store()
    store.put(stored(obj(POD, "p", labels={names.LABEL_DEPLOYMENT: "old"}), 1))
    store.put(stored(obj(POD, "p", labels={names.LABEL_DEPLOYMENT: "new"}), 2))
    assert store.labelled(POD, "team", names.LABEL_DEPLOYMENT, "old") == ()
    assert len(store.labelled(POD, "team", names.LABEL_DEPLOYMENT, "new")) == 1


def test_versions_are_found_by_model_within_their_namespace() -> None:
    """Two teams may have models of the same name."""
    store = Store()
    version = obj(MODEL_VERSION, "delays-v1", spec={"modelName": "delays"})
    store.put(stored(version, 1))
    store.put(stored({**version, "metadata": {"name": "delays-v1", "namespace": "other"}}, 2, uid="other"))
    assert len(store.of_model(MODEL_VERSION, "team", "delays")) == 1


def test_deployments_are_found_by_the_training_job_that_they_ask() -> None:
    """In the same namespace, and no longer once they ask another."""
    store = Store()
    asking = obj(MODEL_DEPLOYMENT, "web", spec={"modelName": "m", "retrain": {"trainingJobRef": {"name": "train"}}})
    store.put(stored(asking, 1))
    job = stored(obj(TRAINING_JOB, "train"), 2)
    assert [item["metadata"]["name"] for item in store.retrained_by(job)] == ["web"]
    assert store.retrained_by({**job, "metadata": {**job["metadata"], "namespace": "other"}}) == ()
    store.put(stored({**asking, "spec": {"modelName": "m"}}, 3))
    assert store.retrained_by(job) == ()


def test_managed_fields_are_not_kept() -> None:
    """They are half of the bytes and nobody reads them."""
    store = Store()
    job = stored(obj(JOB, "run"), 1)
    job["metadata"]["managedFields"] = [{"manager": "pintle"}]
    store.put(job)
    assert "managedFields" not in store.get(JOB, "team", "run")["metadata"]  # type: ignore[index]
