"""What the demo makes of answers, counters and YAML."""

from __future__ import annotations

import hashlib
import io
import tarfile
from datetime import date
from pathlib import Path

import pytest
import yaml

from e2e.demo import loading, objects, prometheus
from e2e.demo.compare import Count, compare, quantile
from e2e.demo.flights import EXAMPLE, PARTITIONS, REPLAY_MONTH, features
from e2e.demo.page import Page
from e2e.demo.replay import Answer, Question, Replayed, chance_of, questions


def answered(late: int | None, chance: float, day: int, seconds: float = 0.002) -> Answer:
    return Answer(Question(date(2013, 6, day), dict.fromkeys(features.FEATURES), late), chance, seconds, "1")


def replayed() -> Replayed:
    answers = [answered(late, 0.2 + 0.6 * late, day) for day in range(1, 6) for late in (0, 1, 0, 0)]
    return Replayed(sent=22, answers=[*answers, answered(None, 0.9, 3, 0.5)], failures=["503"], seconds=2.0)


def test_flights_that_never_arrived_are_answered_and_not_judged() -> None:
    """Cancelled flights count as sent and answered, and are in no figure about the truth."""
    found = compare(replayed(), late_in_training=0.25)
    assert (found.sent, found.failed, found.judged, found.never_arrived, found.days) == (22, 1, 20, 1, 5)
    assert found.late == 0.25
    assert found.auc.value == 1.0
    assert found.brier.value == pytest.approx(0.04)
    assert found.gain.value == pytest.approx(0.1875 - 0.04)
    assert found.per_second == 10.5
    assert (found.median_ms, found.p99_ms) == (2.0, 500.0)


def test_nothing_to_compare_is_an_error_that_names_the_first_failures() -> None:
    """A replay without an answer gives no figures, but the reason."""
    with pytest.raises(ValueError, match=r"no answer to compare.*503"):
        compare(Replayed(sent=1, failures=["503"], seconds=1.0), 0.2)


def test_quantiles_are_observed_values() -> None:
    """The p99 of a hundred values is the 99th, of one value that value."""
    assert quantile(list(range(1, 101)), 0.99) == 99
    assert quantile([7.0], 0.99) == 7.0
    assert quantile([1.0, 2.0], 0.5) == 1.0


def test_one_lost_count_is_no_equality() -> None:
    """Counters must equal what was sent to the last row."""
    assert Count("predictions", 21.0, 21).equal
    assert not Count("predictions", 20.0, 21).equal


def test_an_answer_of_the_server_is_read() -> None:
    """The probability of the class 1 and the version come from the server's own form."""
    body = {"model": "delays", "version": "3", "predictions": [{"label": 0, "probabilities": {"0": 0.8, "1": 0.2}}]}
    assert chance_of(body) == (0.2, "3")


def test_only_missing_or_changed_files_are_copied(tmp_path: Path) -> None:
    """A file of the same bytes is left alone, one of other bytes or none at all is copied whole."""
    files = [tmp_path / name for name in ("a.parquet", "b.parquet", "c.parquet")]
    for path in files:
        path.write_bytes(path.name.encode())
    listing = f"a.parquet {hashlib.sha256(b'a.parquet').hexdigest()}\nb.parquet {'0' * 64}\nsome other line of text\n"
    lacking = loading.missing(files, listing)
    assert [path.name for path in lacking] == ["b.parquet", "c.parquet"]
    with tarfile.open(fileobj=io.BytesIO(loading.archive(lacking))) as archive:
        assert [(item.name, item.size) for item in archive] == [("b.parquet", 9), ("c.parquet", 9)]


@pytest.mark.slow
def test_replayed_flights_are_later_than_all_that_was_learnt_or_judged() -> None:
    """The month that is replayed comes after every partition, and its rows have the columns that the job declares."""
    assert max(PARTITIONS) < REPLAY_MONTH
    asked = questions(REPLAY_MONTH, every=500)
    assert {item.day.month for item in asked} == {REPLAY_MONTH}
    assert [item.day for item in asked] == sorted(item.day for item in asked)
    assert any(item.late is None for item in questions(REPLAY_MONTH, every=50))
    (job,) = objects.example("trainingjob.yaml")
    declared = [item["name"] for item in job["spec"]["schema"]["features"]]
    assert declared == list(asked[0].row) == list(features.FEATURES)


@pytest.mark.slow
def test_every_row_lies_within_the_declared_bounds() -> None:
    """min, max and values of trainingjob.yaml refuse no real flight: the server would answer 400 in the replay."""
    (job,) = objects.example("trainingjob.yaml")
    for item in questions(REPLAY_MONTH, every=20):
        for feature in job["spec"]["schema"]["features"]:
            value = item.row[feature["name"]]
            if value is None:
                assert not feature.get("required")
            elif feature["type"] == "String":
                assert value in feature.get("values", [value])
            else:
                assert float(feature["min"]) <= value <= float(feature["max"])


def test_the_config_map_holds_the_code_that_the_job_starts() -> None:
    """The job's ConfigMap is the one that is made, and its command names a file in it."""
    (job,) = objects.example("trainingjob.yaml")
    made = objects.code()
    assert job["spec"]["source"]["configMapRef"]["name"] == made["metadata"]["name"]
    assert Path(job["spec"]["trainer"]["command"][-1]).name in made["data"]
    assert made["data"]["features.py"] == (EXAMPLE / "features.py").read_text()


def test_the_loader_passes_pod_security_restricted() -> None:
    """The pod that fills the claim runs as nobody special and without a token."""
    spec = objects.loader("image:1")["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    security = spec["containers"][0]["securityContext"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}


def test_another_gateway_can_be_named() -> None:
    """`namespace/name` replaces the example's parentRefs, and nothing else."""
    changed, same = objects.model_deployment("infra/public"), objects.model_deployment()
    assert changed["spec"]["traffic"]["gateway"]["parentRefs"] == [{"name": "public", "namespace": "infra"}]
    changed["spec"]["traffic"] = same["spec"]["traffic"]
    assert changed == same == yaml.safe_load((EXAMPLE / "modeldeployment.yaml").read_text())


def test_the_closing_page_says_what_exists_what_was_measured_and_where_to_look() -> None:
    """Names, figures with intervals, a counter that is off, times and commands are all on the page."""
    comparison = compare(replayed(), 0.25)
    ready = {"type": "Ready", "status": "True", "reason": "Ready"}
    page = Page(
        trained={"metadata": {"name": "delays"}, "status": {"conditions": [ready | {"type": "Succeeded"}]}},
        version={
            "metadata": {"name": "delays-v1"},
            "spec": {
                "digest": "sha256:" + "ab" * 32,
                "storageUri": "pvc://models/delays/x",
                "metrics": [{"name": "auc", "value": "0.76"}],
                "datasets": [{"role": "Train", "from": "2013-02-01T05:00:00Z", "through": "2013-05-01T03:59:00Z"}],
            },
            "status": {"conditions": [ready]},
        },
        deployment={"status": {"stable": {"revision": "0a1b2c3d", "version": 1, "readyReplicas": 2}}},
        comparison=comparison,
        counts=[Count(name, 21.0, 21 if "requests" in name else 20) for name in prometheus.QUERIES],
        times=[("Data", 4.2), ("Train", 75.0)],
        url="http://127.0.0.1:8000/delays/predict",
        row={name: "EWR" if name in features.CATEGORICAL else None for name in features.FEATURES},
        kubeconfig="/tmp/kubeconfig",
    )
    text = str(page)
    for expected in (
        "delays-v1", "sha256:abababababababab", "Train 2013-02-01 … 2013-05-01", "0a1b2c3d", "auc 0.7600",
        "20 flights on 5 days", "1 more were cancelled", "22 sent, 1 failed", "p99 500.0 ms",
        "requests answered 21 of 21", "predictions 21 of 20  ✗", "1 min 15 s", "1 min 19 s  in all",
        "export KUBECONFIG=/tmp/kubeconfig", '"carrier": "EWR"',
        '"temperature": null', "make demo-clean",
    ):  # fmt: skip
        assert expected in text, text
