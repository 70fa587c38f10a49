"""The operator itself, serving and storage."""

from __future__ import annotations

from e2e.guard_list.guard import CORE, RESOURCES, Guard

OPERATOR: tuple[Guard, ...] = (
    Guard(
        test="test_the_installed_operator_passes_restricted",
        file="e2e/install.py",
        line='labels = {"pod-security.kubernetes.io/enforce": "restricted"}',
        instead='labels = {"pod-security.kubernetes.io/enforce": "baseline"}',
        why="the operator is installed into a namespace that enforces Pod Security restricted",
    ),
    Guard(
        test="test_a_run_survives_the_loss_of_the_leader",
        file=f"{CORE}/training/runs.py",
        line="""    \"""Digest of the definition that a Job runs; empty for a Job that is not ours.\"""
""",
        instead="""    from datetime import UTC, datetime

    began = globals().setdefault("BEGAN", timestamp(datetime.now(UTC) - timedelta(seconds=2)))
    if str(job["metadata"].get("creationTimestamp", "")) < began:
        return ""
""",
        why="what is known of a run stands on its Job, not in the process that made it",
    ),
    Guard(
        test="test_an_upgrade_with_another_default_image_restarts_no_pod",
        file=f"{CORE}/rollout/children.py",
        line="""    if today is not None and digest == serving.template_digest(today):
        return today, serving.made_of(revision, digest)
""",
        instead="""    if today is not None:
        return today, serving.made_of(revision, serving.template_digest(today))
""",
        why="pods that were made by another operator stay as they were made",
    ),
)

SERVING: tuple[Guard, ...] = (
    Guard(
        test="test_a_version_is_served_through_the_gateway",
        file=f"{RESOURCES}/routes.py",
        line='        filters.append({"type": "URLRewrite", "urlRewrite": rewrite})\n',
        instead="        assert rewrite\n",
        why="the path of the deployment is taken off before the server sees it",
    ),
    Guard(
        test="test_a_version_is_served_through_the_gateway",
        file="operator/pintle/serve/rows.py",
        line="            self._check_types(values, row, index)\n",
        instead="            pass\n",
        why="a value of the wrong type is the client's error, named by column",
    ),
    Guard(
        test="test_a_new_version_replaces_the_old_one_without_a_failed_request",
        file=f"{CORE}/rollout/moves.py",
        line="    if (in_route and look.steps) or member.all_ready(scale_of(look, target.name).least):\n",
        instead="    if (in_route and look.steps) or member.deployment is not None:\n",
        why="the stable revision keeps all traffic until every pod of its successor is ready and warmed",
    ),
    Guard(
        test="test_a_revision_that_cannot_start_never_gets_traffic",
        file=f"{CORE}/rollout/moves.py",
        line="    left = look.deadline\n    if left > timedelta(0):\n",
        instead="    left = max(look.deadline, timedelta(seconds=5))\n    if left > timedelta(0):\n",
        why="after progressDeadlineSeconds the condition says that the revision is not ready",
    ),
    Guard(
        test="test_a_hand_written_version_goes_through_the_same_door",
        file="operator/pintle/serve/fetch.py",
        line="    if found != digest:\n",
        instead="    if found != digest and not digest:\n",
        why="bytes are compared with the digest of the version",
    ),
    Guard(
        test="test_deleting_a_model_deployment_leaves_nothing_behind",
        file=f"{RESOURCES}/serving.py",
        line="owner.metadata(owner.child_name(revision.name), revision, {ANNOTATION_MADE_OF: made_of}),",
        instead="""{
            **owner.metadata(owner.child_name(revision.name), revision, {ANNOTATION_MADE_OF: made_of}),
            "finalizers": ["orphan"],
        },""",
        why="all that a revision is made of goes with its owner, down to the pods",
    ),
    Guard(
        test="test_prometheus_counts_what_was_sent",
        file="operator/pintle/serve/metrics.py",
        line="        self._rows += rows\n",
        instead="        self._rows += 1\n",
        why="model_predictions_total counts rows, not requests",
    ),
)

STORAGE: tuple[Guard, ...] = (
    Guard(
        test="test_a_model_is_trained_from_and_served_out_of_a_bucket",
        file=f"{RESOURCES}/serving.py",
        line='        mounts.append({"name": "key", "mountPath": str(folders.MODEL_SECRET), "readOnly": True})\n',
        instead="        pass\n",
        why="the container that fetches the model has the key of its store",
    ),
    Guard(
        test="test_a_wrong_key_is_said_and_nothing_is_trained",
        file="operator/pintle/train/storage.py",
        line='STORAGE_UNAVAILABLE, f"{uri}: {what} ({detail})")',
        instead='STORAGE_UNAVAILABLE, f"{what} ({detail})")',
        why="a store that denies access is named",
    ),
)
