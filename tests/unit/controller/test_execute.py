"""Effects on the cluster: their order, and what happens when the world is not as it was looked at."""

from __future__ import annotations

from typing import Any

import pytest
from pintle.controller.effects import Effects
from pintle.controller.execute import Outcome, Refusal, execute
from pintle.controller.fence import Fence, NotLeader
from pintle.controller.notice import Notice
from pintle.controller.queue import KeyedQueue
from pintle.controller.store import Store
from pintle.core.plan import ANOTHER_OWNER, Delete, Key, Plan
from pintle.ports.cluster import NotFound, Refused, Unavailable
from pintle.ports.kinds import JOB, MODEL_DEPLOYMENT, ROUTE, SERVICE

from tests.unit.controller.fakes import FakeCluster, Obj, VirtualClock, obj

STATUS = {"conditions": [{"type": "Ready", "status": "True"}]}
REFUSED = Refused("spec.template.spec.containers[0].image: Required value", status=422, reason="Invalid")


class Shell:
    """A store filled from a fake cluster, and effects on it."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.clock = VirtualClock()
        self.store = Store()
        self.queue = KeyedQueue(self.clock, lambda failures: 1.0)
        self.notice = Notice(self.store, self.queue)
        self.fence = Fence(self.clock, renew_deadline=10, lease_duration=15)
        self.fence.renewed(self.clock.monotonic())
        self.done: list[str] = []
        self.effects = Effects(self.cluster, self.store, self.notice, self.fence, self._record)
        self.parent = self.seen(obj(MODEL_DEPLOYMENT, "web", spec={"modelName": "delays"}))

    def _record(self, verb: str, kind: str) -> None:
        self.done.append(f"{verb} {kind}")

    def seen(self, body: Obj) -> Obj:
        """An object that is on the cluster and in the store."""
        made = self.cluster.put(body)
        self.notice.seen(made)
        return made

    async def run(self, plan: Plan, known: Refusal | None = None) -> Outcome:
        self.cluster.calls.clear()
        return await execute(plan, self.parent, known, self.effects)


@pytest.fixture
def shell() -> Shell:
    return Shell()


def full_plan(shell: Shell) -> Plan:
    """One of each effect."""
    old = shell.seen(obj(SERVICE, "old", owner=shell.parent))
    route = shell.seen(obj(ROUTE, "web", owner=shell.parent, spec={"to": "old"}))
    moved = {**route, "spec": {"to": "new"}}
    return Plan(
        create=(obj(JOB, "job", owner=shell.parent),),
        apply=(obj(SERVICE, "new", owner=shell.parent),),
        traffic=moved,
        status=STATUS,
        delete=(Delete("v1", "Service", "team", "old", old["metadata"]["uid"]),),
    )


async def test_effects_come_in_the_order_that_survives_a_kill(shell: Shell) -> None:
    """Additions, traffic, status, deletions; and the parent is read live before it acts, moves traffic or deletes."""
    plan = full_plan(shell)
    outcome = await shell.run(plan)
    assert shell.cluster.calls == [
        "get ModelDeployment/web",
        "create Job/job",
        "find Service/new",
        "apply Service/new",
        "get ModelDeployment/web",
        "apply HTTPRoute/web",
        "status ModelDeployment/web",
        "get ModelDeployment/web",
        "delete Service/old",
    ]
    assert outcome.effects == 5
    assert shell.done == [
        "create Job",
        "apply Service",
        "traffic HTTPRoute",
        "status ModelDeployment",
        "delete Service",
    ]


async def test_our_own_writes_are_in_the_store_before_the_next_look(shell: Shell) -> None:
    """A watch that lags cannot make the next look act again."""
    await shell.run(full_plan(shell))
    assert shell.store.get(JOB, "team", "job") is not None
    assert shell.store.get(ROUTE, "team", "web")["spec"] == {"to": "new"}  # type: ignore[index]
    assert shell.store.get(MODEL_DEPLOYMENT, "team", "web")["status"] == STATUS  # type: ignore[index]
    assert shell.store.get(SERVICE, "team", "old") is None


async def test_a_job_that_exists_is_an_answer(shell: Shell) -> None:
    """AlreadyExists brings the existing object into the store and the plan goes on."""
    shell.cluster.put(obj(JOB, "job", owner=shell.parent, status={"succeeded": 1}))
    outcome = await shell.run(Plan(create=(obj(JOB, "job", owner=shell.parent),), status=STATUS))
    assert outcome == Outcome(effects=1)
    assert shell.store.get(JOB, "team", "job")["status"] == {"succeeded": 1}  # type: ignore[index]


async def test_a_job_of_another_owner_is_a_refusal(shell: Shell) -> None:
    """The name is taken, and the user is told by whom."""
    stranger = {**shell.parent, "metadata": {**shell.parent["metadata"], "uid": "other", "name": "other"}}
    shell.cluster.put(obj(JOB, "job", owner=stranger))
    outcome = await shell.run(Plan(create=(obj(JOB, "job", owner=shell.parent),), status=STATUS))
    assert outcome.refusal == Refusal("Job job", "Job job exists and belongs to another owner")


async def test_a_job_left_by_a_namesake_is_waited_for(shell: Shell) -> None:
    """Deleted and made again by the same name: the garbage collector will take the old Job, no condition says so."""
    before = {**shell.parent, "metadata": {**shell.parent["metadata"], "uid": "before"}}
    shell.cluster.put(obj(JOB, "job", owner=before))
    with pytest.raises(Unavailable):
        await shell.run(Plan(create=(obj(JOB, "job", owner=shell.parent),), status=STATUS))


async def test_a_users_own_service_is_not_taken_over(shell: Shell) -> None:
    """A Service without our label is not in the store; an apply over it would make it ours."""
    theirs = shell.cluster.put(obj(SERVICE, "web", spec={"selector": {"app": "theirs"}}))
    outcome = await shell.run(Plan(apply=(obj(SERVICE, "web", owner=shell.parent, spec={}),), status=STATUS))
    assert outcome.refusal == Refusal("Service web", "Service web exists and belongs to another owner")
    assert shell.cluster.objects["Service", "team", "web"] == theirs


async def test_a_name_that_is_taken_is_told_as_a_conflict(shell: Shell) -> None:
    """The plan knows the executor's words: the condition says RouteConflict, not that the spec is wrong."""
    shell.cluster.put(obj(SERVICE, "web", spec={"selector": {"app": "theirs"}}))
    outcome = await shell.run(Plan(apply=(obj(SERVICE, "web", owner=shell.parent, spec={}),), status=STATUS))
    assert outcome.refusal is not None
    assert ANOTHER_OWNER in outcome.refusal.message


async def test_a_gateway_without_the_gateway_api_is_a_refusal_that_says_so(shell: Shell) -> None:
    """Where HTTPRoute is no kind of the cluster the first route is no stale look, which nobody would be told of."""
    shell.cluster.failures["apply HTTPRoute/web"] = NotFound("404 Not Found", status=404, reason="Not Found")
    outcome = await shell.run(Plan(traffic=obj(ROUTE, "web", owner=shell.parent, spec={"to": "new"}), status=STATUS))
    assert outcome.stale is None
    assert outcome.refusal is not None
    assert "install the Gateway API" in outcome.refusal.message


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2},
        {"annotations": {"pintle.dev/word": "rollback"}},
        {"uid": "another"},
        {"deletionTimestamp": "now"},
    ],
    ids=["spec edited", "a word said", "made again", "being deleted"],
)
async def test_nothing_is_deleted_when_the_parent_is_another(shell: Shell, change: dict[str, Any]) -> None:
    """What the user said since the look is heard before anything is destroyed."""
    plan = Plan(delete=full_plan(shell).delete)
    shell.cluster.put({**shell.parent, "metadata": {**shell.parent["metadata"], **change}}, **change)
    outcome = await shell.run(plan)
    assert outcome.stale == "the parent was changed"
    assert not shell.cluster.writes()


async def test_nothing_is_made_for_a_parent_that_is_gone(shell: Shell) -> None:
    """No Job is started for a TrainingJob that was deleted while the look was going on."""
    shell.cluster.remove(MODEL_DEPLOYMENT, "team", "web")
    outcome = await shell.run(Plan(create=(obj(JOB, "job", owner=shell.parent),)))
    assert outcome.stale == "the parent is gone"
    assert not shell.cluster.writes()
    assert shell.store.get(MODEL_DEPLOYMENT, "team", "web") is None


async def test_traffic_is_never_moved_over_a_state_that_was_not_looked_at(shell: Shell) -> None:
    """A conflict changes nothing, brings the new state into the store, and leaves status and deletions undone."""
    plan = full_plan(shell)
    theirs = shell.cluster.put({**shell.cluster.objects["HTTPRoute", "team", "web"], "spec": {"to": "theirs"}})
    outcome = await shell.run(plan)
    assert outcome.stale
    assert shell.cluster.objects["HTTPRoute", "team", "web"]["spec"] == {"to": "theirs"}
    assert shell.store.get(ROUTE, "team", "web")["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"]  # type: ignore[index]
    assert "status ModelDeployment/web" not in shell.cluster.calls


async def test_the_first_route_is_not_applied_over_one_that_exists(shell: Shell) -> None:
    """A look that knew of no route does not take over the one that another leader has made."""
    shell.cluster.put(obj(ROUTE, "web", owner=shell.parent, spec={"to": "theirs"}))
    outcome = await shell.run(Plan(traffic=obj(ROUTE, "web", owner=shell.parent, spec={"to": "ours"})))
    assert outcome.stale
    assert shell.store.get(ROUTE, "team", "web")["spec"] == {"to": "theirs"}  # type: ignore[index]


async def test_a_new_refusal_ends_the_plan_so_that_the_next_look_can_tell(shell: Shell) -> None:
    """Status written now would claim that the write was done."""
    shell.cluster.failures["apply Service/new"] = REFUSED
    outcome = await shell.run(full_plan(shell))
    assert outcome.refusal == Refusal("Service new", REFUSED.message)
    assert shell.cluster.writes() == ["create Job/job", "apply Service/new"]


async def test_a_known_refusal_lets_the_status_through_and_nothing_else(shell: Shell) -> None:
    """Neither traffic nor deletions happen while something they may count on is refused."""
    shell.cluster.failures["apply Service/new"] = REFUSED
    await shell.run(full_plan(shell), known=Refusal("Service new", REFUSED.message))
    assert shell.cluster.writes() == ["create Job/job", "apply Service/new", "status ModelDeployment/web"]


async def test_an_overloaded_server_is_not_a_refusal(shell: Shell) -> None:
    """It is raised, so that the look is repeated with back-off, and the user sees no condition of it."""
    shell.cluster.failures["apply Service/new"] = Unavailable("too many requests", status=429)
    with pytest.raises(Unavailable):
        await shell.run(full_plan(shell))


async def test_a_child_that_is_gone_already_is_deleted(shell: Shell) -> None:
    """404 and another uid are answers: this very object is no more, and the store forgets it."""
    plan = full_plan(shell)
    shell.cluster.remove(SERVICE, "team", "old")
    outcome = await shell.run(Plan(delete=plan.delete))
    assert outcome == Outcome(effects=0)
    assert shell.store.get(SERVICE, "team", "old") is None


async def test_a_namesake_is_not_deleted(shell: Shell) -> None:
    """The uid is a precondition."""
    plan = full_plan(shell)
    shell.cluster.put(obj(SERVICE, "old"), uid="namesake")
    await shell.run(Plan(delete=plan.delete))
    assert ("Service", "team", "old") in shell.cluster.objects


async def test_the_same_apply_is_not_sent_again_while_the_object_stays(shell: Shell) -> None:
    """A plan that never recognises its own write (0.5 reads back as 500m) costs one request, not one per look."""
    plan = Plan(apply=(obj(SERVICE, "new", owner=shell.parent, spec={"cpu": "0.5"}),))
    assert (await shell.run(plan)).effects == 1
    assert (await shell.run(plan)).effects == 0
    assert shell.cluster.calls == []
    shell.seen({**shell.cluster.objects["Service", "team", "new"], "spec": {"cpu": "2"}})
    assert (await shell.run(plan)).effects == 1, "somebody has changed it"


async def test_a_status_without_nulls_is_sent(shell: Shell) -> None:
    """To apply null is not the same as to leave out."""
    await shell.run(Plan(status={"stable": None, "conditions": [{"type": "Ready", "message": None}]}))
    assert shell.cluster.objects["ModelDeployment", "team", "web"]["status"] == {"conditions": [{"type": "Ready"}]}


async def test_a_namesake_does_not_get_the_status_of_the_one_before(shell: Shell) -> None:
    """Deleted and made again while the look was going on."""
    shell.cluster.put(shell.parent, uid="another")
    outcome = await shell.run(Plan(status=STATUS))
    assert outcome.stale
    assert "status" not in shell.cluster.objects["ModelDeployment", "team", "web"]


async def test_nothing_is_written_once_the_lease_is_not_renewed(shell: Shell) -> None:
    """The fence stands before every single write."""
    shell.clock.seconds += 10.0
    with pytest.raises(NotLeader):
        await shell.run(Plan(apply=(obj(SERVICE, "new", owner=shell.parent),)))
    assert not shell.cluster.writes()


async def test_an_own_write_wakes_those_who_read_it(shell: Shell) -> None:
    """The event of it will be no news, so the answer to the write must wake them."""
    await shell.queue.take()
    shell.queue.done(Key("ModelDeployment", "team", "web"))
    await shell.run(Plan(status=STATUS))
    assert await shell.queue.take() == Key("ModelDeployment", "team", "web")
