"""`why --record` and ranges of Prometheus: which trial is meant, what is read, and what is told where it cannot be."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pintle.cli import arguments, errors, main, record_live, record_samples
from pintle.cli.errors import CliError
from pintle.cli.kubectl import Kubectl
from pintle.cli.record_live import Trial, trial_of
from pintle.cli.record_range import first_traffic, moment, pair_of, recorded_range
from pintle.cli.record_samples import Samples
from pintle.cli.record_source import Source
from pintle.contract.names import ANNOTATION_ROLLOUT
from pintle.core.backtest.recording import POD_READY, POD_RESTARTS, Shares
from pintle.core.judgement.counters import LOOKBACK_SCRAPES
from pintle.core.judgement.history import HISTORY_SECONDS
from pintle.core.rollout.record import parse_time

from tests.serving_world import Serving
from tests.unit.cli.test_cli_backtest import hiding
from tests.unit.controller.prometheus_world import Server, World
from tests.unit.core.rollout.canaries import at_step, in_guard, rolled_back

OLD, NEW = "aaaaaaaa", "bbbbbbbb"
START = 1_000_000.0


class FakePrometheus:
    """The HTTP API over a world; `answer` stands for all answers where it is set."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.answer: tuple[int, str] | None = None
        self.most_seconds = float("inf")
        self.asked: list[dict[str, str]] = []
        self.tokens: list[str] = []

    def __enter__(self) -> FakePrometheus:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                fake.tokens.append(self.headers.get("Authorization", ""))
                status, body = fake.said({key: values[0] for key, values in form.items()})
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def said(self, form: dict[str, str]) -> tuple[int, str]:
        if self.answer is not None:
            return self.answer
        self.asked.append(form)
        selector, _, window = form["query"].rpartition("[")
        seconds = float(window.removesuffix("ms]")) / 1000
        if seconds > self.most_seconds:
            return 422, json.dumps({"status": "error", "error": "query processing would load too many samples"})
        found = []
        for item in asyncio.run(self.world.raw(selector, seconds, float(form["time"]))):
            values = [[time, str(value)] for time, value in zip(item.times.tolist(), item.values.tolist(), strict=True)]
            found.append({"metric": {"__name__": item.metric, **item.labels}, "values": values})
        return 200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": found}})


@pytest.fixture
def prometheus() -> Iterator[FakePrometheus]:
    """Two revisions of `web`, ten minutes of the old one, then both for three minutes."""
    world = World(Server("web", OLD), Server("web", NEW))
    world.live(START - 600, START, {OLD: (20, 0)})
    world.live(START, START + 180, {OLD: (16, 0), NEW: (3, 1)})
    with FakePrometheus(world) as fake:
        yield fake


def words(*given: str) -> argparse.Namespace:
    return arguments.parser().parse_args(["backtest", "-n", "team", *given])


def ranged(prometheus: FakePrometheus, *given: str) -> Any:
    times = "--from", str(START - 60), "--to", str(START + 180)
    asked = words("--prometheus", prometheus.url, "--deployment", "web", *times, *given)
    return recorded_range(Kubectl(chosen_namespace="team"), asked)


def test_the_bounds_are_those_of_the_judgement() -> None:
    """The plugin does not import the judgement, which needs numpy; what it reads has to be enough for it."""
    assert record_samples.HISTORY_SECONDS == HISTORY_SECONDS
    assert record_live.PAST_SECONDS >= LOOKBACK_SCRAPES * 15


def test_a_range_finds_out_who_met_and_when(prometheus: FakePrometheus) -> None:
    """The one that answered first is the control; the grid begins with the last scrape before the first request."""
    setup = ranged(prometheus).setup
    assert (setup.tested, setup.control, setup.origin) == (NEW, OLD, START)


def test_a_range_is_whole_in_whatever_chunks(prometheus: FakePrometheus) -> None:
    """Where Prometheus says that a query asks too much, smaller ones are asked, and nothing is lost or doubled."""
    whole = ranged(prometheus)
    prometheus.most_seconds = 400.0
    assert ranged(prometheus).series == whole.series
    prometheus.most_seconds = 10.0
    with pytest.raises(CliError, match="refuses the query: query processing would load too many samples"):
        ranged(prometheus)


def test_a_range_is_replayed(prometheus: FakePrometheus, capsys: pytest.CaptureFixture[str]) -> None:
    """From the command line, and what was read can be kept."""
    given = ["--prometheus", prometheus.url, "--deployment", "web", "--from", str(START - 9), "--to", str(START + 180)]
    assert main.main(["backtest", "-n", "team", *given, "-o", "json"]) == errors.DONE
    found = json.loads(capsys.readouterr().out)
    assert (found["outcome"], found["decided"]["rule"]) == ("RolledBack", "errors")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((401, "who?"), "answers 401 Unauthorized. Is it the URL that the operator has"),
        ((200, "<html>"), "does not answer as Prometheus does"),
        ((200, '{"status": "error", "error": "odd"}'), "refuses the query: odd"),
        ((200, '{"status": "success", "data": {"resultType": "vector"}}'), "gives no samples but a vector"),
        (
            (200, '{"status": "success", "data": {"resultType": "matrix", "result": []}}'),
            "no samples of web in namespace",
        ),
    ],
)
def test_what_is_no_answer_is_told(prometheus: FakePrometheus, answer: tuple[int, str], says: str) -> None:
    """With what to look at."""
    prometheus.answer = answer
    with pytest.raises(CliError) as caught:
        ranged(prometheus)
    assert says in str(caught.value)


def test_prometheus_that_is_not_there() -> None:
    """A password in the address is not repeated."""
    asked = words("--prometheus", "http://ann:secret@127.0.0.1:1", "--deployment", "web", "--from", "1h")
    with pytest.raises(CliError, match=r"Prometheus at http://127\.0\.0\.1:1 cannot be reached") as caught:
        recorded_range(Kubectl(chosen_namespace="team"), asked)
    assert "secret" not in str(caught.value)


def test_a_user_in_the_address_is_basic_authentication(prometheus: FakePrometheus) -> None:
    """As a browser has it."""
    list(Source(prometheus.url.replace("//", "//ann:s%40cret@"), Kubectl()).raw('{namespace="team"}', START, START + 5))
    assert prometheus.tokens == ["Basic " + base64.b64encode(b"ann:s@cret").decode()]


def test_a_token_is_sent(prometheus: FakePrometheus, tmp_path: Path) -> None:
    """Read from its file; a file that is not there is told."""
    (tmp_path / "token").write_text("abc\n")
    ranged(prometheus, "--token-file", str(tmp_path / "token"))
    assert set(prometheus.tokens) == {"Bearer abc"}
    with pytest.raises(CliError, match="no cannot be read: No such file"):
        ranged(prometheus, "--token-file", str(tmp_path / "no"))


def test_a_name_inside_the_cluster_goes_through_the_api_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """By kubectl, with the rights of the person; inside a pod it is asked directly."""
    asked: list[tuple[str, ...]] = []

    class Proxy(Kubectl):
        def run(self, *words: str) -> str:
            asked.append(words)
            return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": []}})

    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert list(Source("http://prom.monitoring.svc:9090/p", Proxy()).raw("up", 0, 60)) == []
    ((get, raw, path),) = asked
    assert (get, raw) == ("get", "--raw")
    assert urlsplit(path).path == "/api/v1/namespaces/monitoring/services/prom:9090/proxy/p/api/v1/query"
    assert parse_qs(urlsplit(path).query)["query"] == ["up[60000ms]"]
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(CliError, match="cannot be reached"):
        list(Source("http://prom.monitoring.svc:9090", Proxy()).raw("up", 0, 60))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90m", 4600.0), ("1.5h", 4600.0), ("12", 12.0), ("1970-01-01T00:01:00Z", 60.0), ("1970-01-01T01:01+01:00", 60.0)],
)
def test_moments(text: str, seconds: float) -> None:
    """How long ago, unix seconds, RFC 3339."""
    assert moment(text, now=10_000.0) == seconds


@pytest.mark.parametrize(("text", "says"), [("soon", "is no time"), ("2026-01-01T00:00", "has no time zone")])
def test_moments_that_are_none(text: str, says: str) -> None:
    """With what to write instead."""
    with pytest.raises(CliError, match=says):
        moment(text, 0.0)


def samples(**began: float) -> Samples:
    """Revisions and when they answered their first request; all were scraped from 0 on."""
    found = Samples()
    for name, at in began.items():
        found.series[name, f"{name}-0", "model_requests_total", "result=ok"] = [(0.0, 0.0), (at, 5.0), (500.0, 9.0)]
    return found


def test_the_shares_say_who_came() -> None:
    """Of three revisions in the range, as the operator exported their weights."""
    weights = (Shares(0, {"a": 100}), Shares(10, {"a": 90, "b": 10}), Shares(20, {"b": 100}))
    assert pair_of(samples(a=1, b=10, c=30), weights, 0.0, "", "") == ("b", "a")


@pytest.mark.parametrize(
    ("found", "tested", "control", "says"),
    [
        (samples(a=1), "", "", "1 revisions answered requests (a), and a rollout has two"),
        (samples(a=1, b=2, c=3), "", "", "3 revisions answered requests (a, b, c)"),
        (samples(a=1, b=1), "", "", "a and b began at the same moment"),
        (samples(a=1, b=2), "x", "", "no revision x in that time; it has a, b"),
    ],
)
def test_who_met_is_asked_for_where_it_cannot_be_seen(found: Samples, tested: str, control: str, says: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(CliError) as caught:
        pair_of(found, (), 0.0, tested, control)
    assert says in str(caught.value)


def test_requests_before_the_first_scrape_of_a_pod_count() -> None:
    """A canary that Prometheus found seconds after its traffic began: it began before, not when its counter grew."""
    found = samples(a=1)
    series = [(40.0, 368.0), (45.0, 424.0), (50.0, 424.0)]
    found.series["b", "b-0", "model_requests_total", "result=ok"] = series
    assert pair_of(found, (), 0.0, "", "") == ("b", "a")
    assert first_traffic(found, "b", 0.0) == 35.0
    # What was there when the reading begins has not begun there.
    found.series["c", "c-0", "model_requests_total", "result=ok"] = [(1.0, 70.0), (6.0, 70.0), (400.0, 71.0)]
    assert first_traffic(found, "c", 2.0) == 6.0


def test_who_met_may_be_said() -> None:
    """One of the two is enough where there are two."""
    assert pair_of(samples(a=1, b=2), (), 0.0, "a", "") == ("a", "b")
    assert pair_of(samples(a=1, b=2), (), 0.0, "", "b") == ("a", "b")
    assert pair_of(samples(a=1, b=2, c=3), (), 0.0, "c", "a") == ("c", "a")


# Which trial a deployment is in ---------------------------------------------------------------------------------------


def written(made: Serving) -> Mapping[str, Any]:
    """The record as the route has it."""
    route = next(obj for obj in made.world.objects.values() if obj["kind"] == "HTTPRoute")
    return dict(json.loads(route["metadata"]["annotations"][ANNOTATION_ROLLOUT]))


@pytest.mark.parametrize(
    ("build", "phase", "roles"),
    [
        (lambda: at_step(1), "Canary", ("canary", "stable")),
        (in_guard, "Guard", ("stable", "previous")),
    ],
)
def test_the_trial_that_goes_on(build: Callable[[], Serving], phase: str, roles: tuple[str, str]) -> None:
    """By the record of the core, to the millisecond."""
    made = build()
    tested, control = (made.status[role]["revision"] for role in roles)
    origin = parse_time(written(made)["origin"]).timestamp()
    assert trial_of(made.parent, written(made), "") == Trial(phase, tested, control, origin)


def test_a_rollout_that_is_over_is_found_in_the_history() -> None:
    """From its first step to its rollback, beside the revision that serves now."""
    going = at_step(1)
    origin, tested = parse_time(written(going)["origin"]).timestamp(), going.status["canary"]["revision"]
    going.judge("Fail")
    going.act()
    end = next(entry for entry in going.status["history"] if entry["action"] == "Rollback")
    found = trial_of(going.parent, written(going), "")
    assert found == Trial(
        "Canary", tested, going.status["stable"]["revision"], origin, parse_time(end["time"]).timestamp()
    )


def test_a_promotion_that_is_over_is_found_in_the_history() -> None:
    """Beside the revision that served before; and the canary of a guard that goes on, where it is asked for."""
    made = in_guard()
    control, tested = made.status["previous"]["revision"], made.status["stable"]["revision"]
    assert trial_of(made.parent, written(made), "Guard").phase == "Guard"
    found = trial_of(made.parent, written(made), "Canary")
    assert (found.phase, found.tested, found.control) == ("Canary", tested, control)
    made.until(lambda s: "previous" not in s.status, seconds=7)
    assert trial_of(made.parent, written(made), "") == found


def test_between_the_end_in_the_route_and_in_the_status_one_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollback is written into the route first: whoever reads then must not be told that there is nothing."""
    monkeypatch.setattr(record_live, "AGAIN_SECONDS", 0.0)
    going, made = at_step(1), rolled_back()
    annotations = {ANNOTATION_ROLLOUT: json.dumps(written(made))}

    class Lagging(Kubectl):
        def run(self, *words: str) -> str:
            return json.dumps({"metadata": {"annotations": annotations}})

        def object(self, kind: str, namespace: str, name: str) -> Mapping[str, Any]:
            return seen.pop(0)

    seen = [going.parent, made.parent]
    assert record_live.is_behind(going.parent, written(made))
    assert not record_live.is_behind(going.parent, written(going))
    deployment, record = record_live._together(Lagging(), going.parent)
    assert (seen, trial_of(deployment, record, "").until is None) == ([], False)
    # An operator that does not write any more holds nobody up for good.
    monkeypatch.setattr(record_live, "BEHIND_SECONDS", 0.0)
    assert record_live._together(Lagging(), going.parent)[0] is going.parent


def test_nothing_to_record_is_told() -> None:
    """With the other way to record."""
    made = rolled_back()
    parent = {**made.parent, "status": {**made.status, "history": []}}
    with pytest.raises(CliError, match=r"no rollout or guard under way.*--from TIME") as caught:
        trial_of(parent, written(made), "")
    assert caught.value.code == errors.NOT_FOUND


def test_the_kubelets_facts_of_pods_become_rows() -> None:
    """Ready since when, and all restarts at the time of the last one."""
    listed = {
        "items": [
            {
                "metadata": {
                    "name": "p",
                    "labels": {"pintle.dev/revision": NEW},
                    "creationTimestamp": "1970-01-01T00:00:10Z",
                },
                "status": {
                    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "1970-01-01T00:02:00Z"}],
                    "containerStatuses": [
                        {"restartCount": 2, "lastState": {"terminated": {"finishedAt": "1970-01-01T00:01:50Z"}}}
                    ],
                },
            },
            {"metadata": {"name": "other", "labels": {"pintle.dev/revision": "cccccccc"}}, "status": {}},
        ]
    }

    class Listing(Kubectl):
        def run(self, *words: str) -> str:
            return json.dumps(listed)

    found = Samples()
    record_live._facts_of_now(Listing(), "team", "web", found, [NEW, OLD], 100.0, 200.0)
    assert found.series == {
        (NEW, "p", POD_READY, "condition=true"): [(120.0, 1.0), (200.0, 1.0)],
        (NEW, "p", POD_RESTARTS, ""): [(10.0, 0.0), (110.0, 2.0), (200.0, 2.0)],
    }


@pytest.fixture
def on_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubectl that prints a canary, and the record of its route, whatever else it is asked."""
    made = at_step(1)
    (tmp_path / "all.json").write_text(json.dumps({"items": [made.parent]}, default=dict))
    route = next(obj for obj in made.world.objects.values() if obj["kind"] == "HTTPRoute")
    (tmp_path / "route.json").write_text(json.dumps(route, default=dict))
    program = tmp_path / "kubectl"
    choose = 'case "$2" in httproutes*) cat route.json;; *) cat all.json;; esac'
    program.write_text(f"#!/bin/sh\ncd {tmp_path}\n{choose}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        (["delays", "--record", "f"], errors.USAGE, "--record needs --prometheus URL, the one that the operator has"),
        (["tj/delays", "--record", "f"], errors.NOT_FOUND, "There is no TrainingJob delays"),
        (["delays", "--record", "f", "--prometheus", "http://127.0.0.1:1"], errors.NO_ACCESS, "cannot be reached"),
    ],
)
def test_what_keeps_from_recording_is_told(
    on_a_path: None, capsys: pytest.CaptureFixture[str], given: list[str], code: int, says: str
) -> None:
    """In a sentence, with an exit code."""
    assert main.main(["why", *given, "-n", "default"]) == code
    assert says in capsys.readouterr().err


def test_recording_needs_no_package(on_a_path: None, tmp_path: Path) -> None:
    """It gets as far as Prometheus without numpy and pydantic."""
    words = ["why", "delays", "-n", "default", "--record", str(tmp_path / "f"), "--prometheus", "http://127.0.0.1:1"]
    done = hiding(["numpy", "pydantic", "pydantic_core"], *words)
    assert done.returncode == errors.NO_ACCESS, done.stderr
    assert "cannot be reached" in done.stderr
