"""The story's own arithmetic: time, what is told of the cluster, plots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from e2e.story.chronicle import Chronicle
from e2e.story.plots import Line, page, plot
from e2e.story.scale import MONTH_SECONDS, Scale, start_of


def test_time_there_and_back() -> None:
    """A moment of 2013 is replayed at a time that belongs to the same moment."""
    scale = Scale(40, start_of(2)).starting(1_000_000.0)
    moment = datetime(2013, 5, 17, 12, tzinfo=UTC)
    assert abs(scale.then(1_000_000.0 + scale.due(moment)) - moment) < timedelta(seconds=1)
    assert scale.seconds(days=MONTH_SECONDS / 86400) == 40
    assert scale.seconds(seconds=1) == 1


def test_a_chronicle_tells_each_thing_once() -> None:
    """What stands in the status for long is told when it was first seen."""
    run = {"name": "delays-0123456789", "result": "Running", "reason": "Running"}
    job = {"kind": "TrainingJob", "metadata": {"name": "delays"}, "status": {"runs": [run]}}
    chronicle = Chronicle()
    assert [entry.title for entry in chronicle.read([job], 1.0)] == ["delays: run 0123456789 starts"]
    assert chronicle.read([job], 2.0) == []
    ended = {**job, "status": {"runs": [{**run, "result": "Succeeded", "reason": "Trained"}]}}
    assert [entry.time for entry in chronicle.read([ended], 3.0)] == [3.0]


def test_weights_are_kept_when_they_change() -> None:
    """Equal weights in a row are one share."""
    chronicle = Chronicle()

    def deployment(stable: int, canary: int) -> dict[str, object]:
        status = {"stable": {"version": 1, "weight": stable}, "canary": {"version": 2, "weight": canary}}
        return {"kind": "ModelDeployment", "metadata": {"name": "delays"}, "status": status}

    for moment, weights in enumerate([(100, 0), (100, 0), (80, 20), (100, 0)]):
        chronicle.read([deployment(*weights)], float(moment))
    assert [dict(share.weights) for share in chronicle.shares] == [{"1": 100}, {"1": 80, "2": 20}, {"1": 100}]


def test_a_plot_holds_its_lines_and_escapes_names() -> None:
    """A page is well-formed whatever the names are, and each line has its place in the legend."""
    from xml.etree import ElementTree

    span = (start_of(2), start_of(4))
    points = [(start_of(2), 0.0), (start_of(3), 1.0)]
    made = plot("a <b>", [Line("v1 & v2", points), Line("empty", [])], span)
    root = ElementTree.fromstring(made)
    assert [item.text for item in root.iter() if item.text in ("v1 & v2", "empty")] == ["v1 & v2", "empty"]
    assert "<svg" in page("title", "note", [made], {"t": "<x>"})
    assert "&lt;x&gt;" in page("title", "note", [made], {"t": "<x>"})
