"""Whatever people and the cluster do to a TrainingJob: one Job per definition and spec, no number twice, no loss."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pintle.api.meanings import REASONS
from pintle.resources.run_job import ANNOTATION_DEFINITION, ANNOTATION_GENERATION, ANNOTATION_SPEC, request_of

from tests.builders import PodBuilder, config_map, digest, model_version, training_job
from tests.scenes import TrainingScene, result

Act = Callable[[TrainingScene], None]
LETTERS = "0123456789abcdef"


def _edit(**spec: Any) -> Act:
    return lambda scene: _do(scene.world.edit("TrainingJob", "delays", **spec))


def _code(text: str | None) -> Act:
    def act(scene: TrainingScene) -> None:
        if text is None and scene.world.get("ConfigMap", "code"):
            scene.world.remove("ConfigMap", "code")
        elif text is not None:
            scene.world.add(config_map(train_py=text))

    return act


def _pod(build: Callable[[PodBuilder], PodBuilder]) -> Act:
    """The Job's pod gets into a state, where there is a Job that goes on."""

    def act(scene: TrainingScene) -> None:
        if _active(scene):
            scene.pod(build)

    return act


def _ends(how: Callable[[TrainingScene], None]) -> Act:
    def act(scene: TrainingScene) -> None:
        if _active(scene):
            how(scene)

    return act


def _succeeds(code: int, letter: int) -> Act:
    return _ends(lambda scene: scene.succeeds(LETTERS[letter], code=code))


def _fails(container: str, code: int) -> Act:
    return _ends(lambda scene: scene.fails_in(container, code, "last words"))


def _fails_and_is_mended(seconds: int) -> Act:
    """The run takes too long, and somebody gives it more time, maybe before the operator has looked."""

    def act(scene: TrainingScene) -> None:
        if _active(scene):
            scene.job_ends("Failed", "DeadlineExceeded")
            if seconds % 2:
                scene.look()
            scene.world.edit("TrainingJob", "delays", activeDeadlineSeconds=seconds)

    return act


def _unchanged(letter: int) -> Act:
    said = result("fetch", reason="Unchanged", message="same", identity=digest(LETTERS[letter]))
    return _ends(lambda scene: scene.fails_in("fetch", 67, said))


def _lose(kind: str) -> Act:
    """Somebody deletes all objects of a kind, or the status."""

    def act(scene: TrainingScene) -> None:
        if kind == "Status":
            scene.parent.pop("status", None)
            return
        for obj in scene.world.list(kind):
            if scene.world.get(kind, obj["metadata"]["name"]):
                scene.world.remove(kind, obj["metadata"]["name"])

    return act


def _stranger(number: int) -> Act:
    """Somebody registers a version by hand."""

    def act(scene: TrainingScene) -> None:
        if not scene.world.get("ModelVersion", f"delays-v{number}"):
            made = model_version("delays", number).obj()
            del made["metadata"]["uid"]
            scene.world.add(made)

    return act


def _active(scene: TrainingScene) -> bool:
    jobs = scene.jobs
    return bool(jobs) and not (jobs[-1].get("status") or {}).get("conditions") and not jobs[-1]["spec"].get("suspend")


def _do(_: Any) -> None:
    return None


PEOPLE = st.one_of(
    st.integers(0, 2).map(lambda seed: _edit(seed=seed)),
    st.booleans().map(lambda value: _edit(suspend=value)),
    st.sampled_from([60, 600]).map(lambda seconds: _edit(activeDeadlineSeconds=seconds)),
    st.integers(1, 3).map(lambda limit: _edit(runsHistoryLimit=limit)),
    st.sampled_from([None, "one", "two"]).map(_code),
    st.sampled_from(["Job", "Pod", "ModelVersion"]).map(_lose),
    st.integers(1, 6).map(_stranger),
)
CLUSTER = st.one_of(
    st.sampled_from(["fetch", "train", "evaluate", "upload"]).map(lambda c: _pod(lambda pod: pod.running(c))),
    st.sampled_from(["ImagePullBackOff", "InvalidImageName"]).map(lambda w: _pod(lambda pod: pod.waiting("train", w))),
    st.just(_pod(lambda pod: pod.disrupted())),
    st.builds(_succeeds, st.sampled_from([0, 0, 66, 68]), st.integers(0, 15)),
    st.builds(_fails, st.sampled_from(["fetch", "train", "evaluate", "upload"]), st.sampled_from([1, 65, 75, 78, 137])),
    st.integers(60, 63).map(_fails_and_is_mended),
    st.integers(0, 15).map(_unchanged),
    st.just(_ends(lambda scene: scene.job_ends("Complete"))),
    st.just(_ends(lambda scene: scene.job_ends("Failed", "DeadlineExceeded"))),
    st.sampled_from([1.0, 40.0, 301.0]).map(lambda seconds: lambda scene: scene.world.tick(seconds)),
)
ACTS: st.SearchStrategy[list[Act]] = st.lists(st.one_of(PEOPLE, CLUSTER), max_size=12)


def made_for(job: dict[str, Any]) -> tuple[str, int]:
    """Definition and generation that a Job was made for."""
    annotations = job["metadata"]["annotations"]
    return annotations[ANNOTATION_DEFINITION], int(annotations[ANNOTATION_GENERATION])


def started() -> TrainingScene:
    return TrainingScene(training_job().spec(runsHistoryLimit=2))


def rest(scene: TrainingScene) -> None:
    """Look until nothing is left to do, time to come included."""
    for _ in range(6):
        scene.settle()
        scene.world.tick(400)
    scene.settle()


def outcome(scene: TrainingScene) -> Any:
    """All that counts of a world: objects without what depends on the order of writes."""
    volatile = ("uid", "resourceVersion", "creationTimestamp", "ownerReferences")
    shown = {}
    for key, obj in scene.world.objects.items():
        kept = {k: v for k, v in obj["metadata"].items() if k not in volatile}
        shown[key] = {**copy.deepcopy(obj), "metadata": kept}
    return shown


@given(ACTS)
@settings(max_examples=200)
def test_every_world_comes_to_rest_and_the_same_facts_give_the_same_plan(acts: list[Act]) -> None:
    """A few looks after the last act nothing is left to do, and a look changes nothing it is given."""
    scene = started()
    for act in acts:
        scene.look()
        act(scene)
        before = copy.deepcopy(scene.observed())
        assert scene.plan() == scene.plan()
        assert scene.observed() == before
    rest(scene)
    assert scene.look().changes_nothing


@given(ACTS)
@settings(max_examples=200)
def test_no_definition_has_two_jobs_of_one_spec_and_one_run_goes_on_at_a_time(acts: list[Act]) -> None:
    """At every moment; a Job that was cut short for a new definition has left before its successor comes."""
    scene = started()
    for act in acts:
        scene.settle()
        act(scene)
        for _ in range(3):
            scene.look()
            specs = [made_for(job) for job in scene.jobs]
            assert len(specs) == len(set(specs))
            active = [job for job in scene.jobs if not (job.get("status") or {}).get("conditions")]
            ended = [job for job in active if "pintle.dev/ended" in job["metadata"]["annotations"]]
            assert len(active) - len(ended) <= 1


@given(ACTS)
@settings(max_examples=200)
def test_a_definition_that_has_a_result_is_run_again_only_with_another_spec_after_a_failure(acts: list[Act]) -> None:
    """As long as its run is on record, whatever is deleted; what suspends or forgets is no other spec."""
    scene = started()
    for act in acts:
        scene.settle()
        final: dict[str, list[dict[str, Any]]] = {}
        specs = {run["generation"]: run["spec"] for run in scene.status.get("runs") or ()}
        for run in scene.status.get("runs") or ():
            if run["result"] != "Running" and run["reason"] != "Superseded":
                final.setdefault(run["definition"], []).append(run)
        act(scene)
        made = [body for body in scene.plan().create if body["kind"] == "Job"]
        for job in made:
            definition, generation = made_for(job)
            if before := final.get(definition):
                last = max(before, key=lambda run: int(run["generation"]))
                later = {spec for number, spec in specs.items() if number > last["generation"]}
                assert last["result"] == "Failed"
                assert generation > last["generation"]
                assert {job["metadata"]["annotations"][ANNOTATION_SPEC], *later} - {last["spec"]}
        scene.settle()


@given(ACTS)
@settings(max_examples=200)
def test_one_definition_and_generation_have_one_run(acts: list[Act]) -> None:
    """Of the runs on record, those that were cut short left out: at every moment, also between create and status."""
    scene = started()
    for act in acts:
        act(scene)
        for only in (1, None, None):
            scene.world.execute("TrainingJob", "delays", scene.plan(), only=only)
            runs = [run for run in scene.status.get("runs") or () if run["reason"] != "Superseded"]
            made_of = {run["name"]: (run["definition"], run["generation"]) for run in runs}
            cut_short = {run["name"] for run in scene.status.get("runs") or ()} - made_of.keys()
            made_of |= {job["metadata"]["name"]: made_for(job) for job in scene.jobs}
            counted = [key for name, key in made_of.items() if name not in cut_short]
            assert len(counted) == len(set(counted))


@given(ACTS)
@settings(max_examples=200)
def test_version_numbers_never_go_down_and_versions_are_never_touched(acts: list[Act]) -> None:
    """Each new number is above all there ever were; a version that exists stays as it is."""
    scene = started()
    highest, known = 0, {}
    for act in acts:
        act(scene)
        for version in scene.world.list("ModelVersion"):
            highest = max(highest, version["spec"]["version"])
            known.setdefault(version["metadata"]["uid"], version)
        plan = scene.settle()
        assert plan.changes_nothing
        for version in scene.world.list("ModelVersion"):
            if version["metadata"]["uid"] not in known:
                assert version["spec"]["version"] > highest
            assert known.setdefault(version["metadata"]["uid"], version) == version
        assert (scene.status.get("highestVersion") or 0) >= highest
        highest = max([highest, *(v["spec"]["version"] for v in scene.world.list("ModelVersion"))])


@given(ACTS, st.data())
@settings(max_examples=300)
def test_killed_after_any_effect_the_end_is_the_same(acts: list[Act], data: st.DataObject) -> None:
    """The operator dies after some effect of some plan, a new one goes on from what the API server has."""
    scene = started()
    for act in acts:
        scene.settle()
        act(scene)
    whole, killed = scene, copy.deepcopy(scene)
    effects = whole.plan()
    total = whole.world.copy().execute("TrainingJob", "delays", effects)
    only = data.draw(st.integers(0, total), label="effects before the kill")
    killed.world.execute("TrainingJob", "delays", killed.plan(), only=only)
    rest(whole)
    rest(killed)
    assert outcome(killed) == outcome(whole)


@given(ACTS)
@settings(max_examples=100)
def test_a_killed_operator_at_every_look_gets_there_as_well(acts: list[Act]) -> None:
    """Every plan is cut off after each of its effects in turn: the same objects in the end."""
    scene = started()
    for act in acts:
        scene.settle()
        act(scene)
    reference = copy.deepcopy(scene)
    rest(reference)
    for _ in range(6):
        for only in (1, 2, 3, 4):
            scene.world.execute("TrainingJob", "delays", scene.plan(), only=only)
        scene.settle()
        scene.world.tick(400)
    scene.settle()
    assert set(outcome(scene)) == set(outcome(reference))
    assert scene.runs == reference.runs
    assert scene.succeeded == reference.succeeded


# Runs by themselves ---------------------------------------------------------------------------------------------------

CAUSES = ("FeatureDrift", "PredictionDrift", "Rollback")
KINDS = ("NewData", "Schedule")
COOLDOWN, PER_DAY = 60, 1
POLICY = {"cooldownSeconds": COOLDOWN, "maxPerDay": PER_DAY, "maxConsecutiveFailures": 2}


def _asks(found: frozenset[tuple[str, int]]) -> Act:
    """A deployment has found these causes, and no others any more."""

    def act(scene: TrainingScene) -> None:
        scene.asks(*((cause, f"{cause[0]}{number}") for cause, number in sorted(found)))

    return act


def _lists(letter: int) -> Act:
    """The pod that lists the data ends, where there is one."""

    def act(scene: TrainingScene) -> None:
        if scene.world.owned("Pod", scene.parent):
            scene.lists(LETTERS[letter] * 16 if letter else None)

    return act


def _reads(code: int, letter: int, listing: int) -> Act:
    """A run ends that has read data of this listing."""
    return _ends(lambda scene: scene.succeeds(LETTERS[letter], code=code, listing=LETTERS[listing] * 16))


def _moves_on(letter: int, seconds: float) -> Act:
    """The run ends well, other data than it read are listed, and time passes."""

    def act(scene: TrainingScene) -> None:
        _reads(0, letter, letter % 4)(scene)
        _look(scene)
        _look(scene)
        _lists((letter + 1) % 4)(scene)
        scene.world.tick(seconds)

    return act


ASKED = st.one_of(
    st.builds(_moves_on, st.integers(0, 15), st.sampled_from([30.0, 400.0, 3600.0])),
    st.frozensets(st.tuples(st.sampled_from(CAUSES), st.integers(0, 4)), max_size=3).map(_asks),
    st.integers(0, 3).map(lambda number: lambda scene: scene.word(f"w{number}")),
    st.integers(0, 3).map(_lists),
    st.builds(_reads, st.sampled_from([0, 0, 66]), st.integers(0, 15), st.integers(1, 3)),
    st.sampled_from(["Automatic", "Suggest", "Off"]).map(lambda mode: _edit(retrainPolicy={**POLICY, "mode": mode})),
    st.sampled_from([40.0, 400.0, 3600.0, 40_000.0]).map(lambda seconds: lambda scene: scene.world.tick(seconds)),
    st.just(_ends(lambda scene: scene.fails_in("train", 1, "boom"))),
    st.booleans().map(lambda value: _edit(suspend=value)),
    st.integers(0, 1).map(lambda seed: _edit(seed=seed)),
    st.just(_lose("Job")),
)
STORIES: st.SearchStrategy[list[Act]] = st.lists(ASKED, max_size=25)
TRIGGERS = {"schedule": "0 */6 * * *", "timeZone": "UTC", "onNewData": {"pollSeconds": 600}}


def governed() -> TrainingScene:
    """A TrainingJob that everything may trigger, with a first version."""
    scene = TrainingScene(training_job().spec(triggers=TRIGGERS, retrainPolicy=POLICY))
    scene.settle()
    scene.succeeds("a", listing="1" * 16)
    scene.settle()
    return scene


def _trigger(job: dict[str, Any]) -> dict[str, Any]:
    request = request_of(job)
    assert request is not None
    return dict(request.trigger)


def _told(scene: TrainingScene) -> list[tuple[datetime, dict[str, Any], dict[str, Any]]]:
    """Every Job that was ever created, with when and its trigger, as long as the scene lives."""
    return scene.__dict__.setdefault("told", [])


def _look(scene: TrainingScene, only: int | None = None) -> None:
    """One look, of which `only` so many effects are carried out; Jobs that it makes are noted."""
    before = {job["metadata"]["uid"] for job in scene.jobs}
    plan = scene.plan()
    scene.world.execute("TrainingJob", "delays", plan, only=only)
    made = [job for job in scene.jobs if job["metadata"]["uid"] not in before]
    for job in made:
        # A plan leaves out a status that stands as it is.
        status = plan.status if plan.status is not None else scene.status
        ends = [run["completionTime"] for run in status.get("runs", ()) if "completionTime" in run]
        if ends and _trigger(job)["kind"] in (*CAUSES, *KINDS):
            assert scene.world.now - datetime.fromisoformat(max(ends)) >= timedelta(seconds=COOLDOWN)
    _told(scene).extend((scene.world.now, job, _trigger(job)) for job in made)


def _live(scene: TrainingScene, acts: list[Act], kills: list[int]) -> None:
    """What happens, with a few looks after each; some of these are cut short."""
    for number, act in enumerate(acts):
        act(scene)
        for only in (*kills[number : number + 1], None, None, None):
            _look(scene, only)


KILLS = st.lists(st.integers(0, 3), max_size=25)


@given(STORIES, KILLS)
@settings(max_examples=300, deadline=None)
def test_the_governor_keeps_its_bounds(acts: list[Act], kills: list[int]) -> None:
    """Never more than maxPerDay in 24 hours, never two at a time, no id twice, none before the cooldown is over."""
    scene = governed()
    _live(scene, acts, kills)
    by_itself = [(when, trigger) for when, _, trigger in _told(scene) if trigger["kind"] in (*CAUSES, *KINDS)]
    for when, _ in by_itself:
        within = [other for other, _ in by_itself if timedelta(0) <= when - other < timedelta(hours=24)]
        assert len(within) <= PER_DAY
    answered = [(t["kind"], t.get("source"), t["id"]) for _, _, t in _told(scene) if "id" in t]
    assert len(answered) == len(set(answered))


@given(STORIES, KILLS)
@settings(max_examples=200, deadline=None)
def test_one_run_at_a_time_whatever_asks(acts: list[Act], kills: list[int]) -> None:
    """At every moment at most one Job is neither over nor marked as ended."""
    scene = governed()
    for number, act in enumerate(acts):
        act(scene)
        for only in (*kills[number : number + 1], None, None):
            _look(scene, only)
            going = [job for job in scene.jobs if not (job.get("status") or {}).get("conditions")]
            assert len(going) <= 1


@given(STORIES)
@settings(max_examples=200, deadline=None)
def test_whatever_is_held_back_is_told_once(acts: list[Act]) -> None:
    """A look that changes nothing says nothing; whoever waits is in the status, with a documented reason."""
    scene = governed()
    for act in acts:
        act(scene)
        scene.settle()
        quiet = scene.plan()
        assert quiet.changes_nothing
        assert (quiet.decisions, quiet.events) == ((), ())
        governor = scene.governor
        assert ("refused" in governor) == ("reason" in governor) == ("message" in governor)
        assert governor.get("reason") in {None, *REASONS}
        if governor.get("retryTime"):
            assert quiet.requeue_after is not None


@given(STORIES, st.data())
@settings(max_examples=200, deadline=None)
def test_a_governor_that_is_killed_forgets_nothing_that_it_answered(acts: list[Act], data: st.DataObject) -> None:
    """Killed after any effect, in the end the same triggers are answered and the same runs are there."""
    scene = governed()
    for act in acts:
        scene.settle()
        act(scene)
    whole, killed = scene, copy.deepcopy(scene)
    plan = whole.plan()
    total = whole.world.copy().execute("TrainingJob", "delays", plan)
    killed.world.execute("TrainingJob", "delays", plan, only=data.draw(st.integers(0, total), label="effects"))
    for world in (whole, killed):
        world.settle()
    # What was answered in one moment has no order of its own.
    remembered = [{**scene.governor, "seen": sorted(scene.governor.get("seen", ()))} for scene in (whole, killed)]
    assert remembered[0] == remembered[1]
    assert [job["metadata"]["name"] for job in whole.jobs] == [job["metadata"]["name"] for job in killed.jobs]
    assert whole.status.get("runs") == killed.status.get("runs")
