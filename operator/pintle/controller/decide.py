"""Which decision belongs to which kind. The only place that knows all three."""

from __future__ import annotations

from datetime import datetime

from pintle.controller import gather
from pintle.controller.mapping import key_of
from pintle.controller.store import Store
from pintle.controller.watching.watch import Watch
from pintle.core.plan import Obj, Plan, Policy
from pintle.core.rollout.plan import plan as plan_rollout
from pintle.core.training.plan import plan as plan_training
from pintle.core.versions.plan import plan as plan_version
from pintle.ports.cluster import Cluster
from pintle.ports.kinds import MODEL_DEPLOYMENT, MODEL_VERSION, TRAINING_JOB


async def plan_for(
    parent: Obj,
    store: Store,
    cluster: Cluster,
    watch: Watch,
    write_error: str | None,
    now: datetime,
    policy: Policy,
) -> Plan:
    """Gather the facts about a parent and decide. Raises ClusterError when a fact cannot be read."""
    kind = parent["kind"]
    if kind == TRAINING_JOB.name:
        return plan_training(await gather.training(parent, store, cluster, write_error), now, policy)
    if kind == MODEL_VERSION.name:
        return plan_version(gather.version(parent, store, write_error), now, policy)
    if kind == MODEL_DEPLOYMENT.name:
        key = key_of(parent)
        observed = gather.deployment(parent, store, write_error, watch.seen(key))
        watch.observe(key, observed, now)
        return plan_rollout(observed, now, policy)
    raise KeyError(kind)
