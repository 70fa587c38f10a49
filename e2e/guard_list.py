"""For each e2e test the text that it guards, and what stands there instead when that one behaviour is disabled.

A replacement leaves a program that installs and runs; only what the test claims is gone. `e2e.guards` tries them on a
cluster, tests/unit/test_guards.py keeps the list complete and each text unique in its file.
"""

from __future__ import annotations

from dataclasses import dataclass

CORE = "operator/pintle/core"
RESOURCES = "operator/pintle/resources"


@dataclass(frozen=True)
class Guard:
    """`line`, which stands once in `file`, becomes `instead`; `test` must then fail, because of `why`."""

    test: str
    file: str
    line: str
    instead: str
    why: str


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

TRAINING: tuple[Guard, ...] = (
    Guard(
        test="test_a_run_ends_in_an_immutable_version_with_lineage",
        file="charts/pintle-crds/templates/modelversions.pintle.dev.yaml",
        line="- rule: self == oldSelf\n",
        instead="- rule: 'true'\n",
        why="the API server refuses every change of a ModelVersion's spec",
    ),
    Guard(
        test="test_a_run_ends_in_an_immutable_version_with_lineage",
        file=f"{RESOURCES}/model_version.py",
        line='        "codeDigest": request.code.get("digest") or None,\n',
        instead="",
        why="a version says what code it was made of",
    ),
    Guard(
        test="test_the_training_code_sees_no_key_no_token_and_no_evaluation_row",
        file=f"{RESOURCES}/run_pod.py",
        line="""        mount("record-train", folders.RECORD_TRAIN),
    ]
    more: """,
        instead="""        mount("record-train", folders.RECORD_TRAIN),
        mount("held", folders.HELD),
    ]
    more: """,
        why="the folder with the rows to judge by is not mounted where the user's code runs",
    ),
    Guard(
        test="test_the_training_code_sees_no_key_no_token_and_no_evaluation_row",
        file=f"{RESOURCES}/run_pod.py",
        line='        "automountServiceAccountToken": False,\n',
        instead="",
        why="a run pod has no token for the API server",
    ),
    Guard(
        test="test_an_unchanged_definition_never_trains_again",
        file=f"{CORE}/training/definition.py",
        line='            "modelFormat": spec.output.modelFormat,\n',
        instead='            "modelFormat": spec.output.modelFormat,\n            "backoffLimit": spec.backoffLimit,\n',
        why="how a run is carried out is no part of what it is defined by",
    ),
    Guard(
        test="test_data_that_breaks_the_schema_train_nothing_and_say_why",
        file="operator/pintle/train/reading.py",
        line="                    message += _no_numbers(texts)\n",
        instead='                    message += ""\n',
        why="a column of words among numbers is refused with the rows and values that are wrong",
    ),
    Guard(
        test="test_a_crash_of_the_training_code_shows_exit_code_and_log_tail",
        file=f"{RESOURCES}/pods.py",
        line='made["terminationMessagePolicy"] = "FallbackToLogsOnError"',
        instead='made["terminationMessagePolicy"] = "File"',
        why="the end of the log reaches the condition without a right to read logs",
    ),
    Guard(
        test="test_a_refused_model_stays_registered_and_is_not_ready",
        file=f"{CORE}/training/results.py",
        line="REGISTERED = (Exit.REFUSED, Exit.NEED_MORE_DATA)\n",
        instead="REGISTERED: tuple[Exit, ...] = ()\n",
        why="a model that its gates refuse is registered all the same",
    ),
    Guard(
        test="test_a_suspended_job_starts_nothing_until_it_is_resumed",
        file=f"{CORE}/training/plan.py",
        line='spec = TrainingJobSpec.model_validate(parent["spec"])',
        instead='spec = TrainingJobSpec.model_validate({**parent["spec"], "suspend": False})',
        why="spec.suspend is heeded",
    ),
    Guard(
        test="test_an_image_that_cannot_be_pulled_ends_the_run_with_its_name",
        file=f"{CORE}/training/outcome.py",
        line="        if trouble.hopeless or left <= timedelta(0):\n",
        instead="        if trouble.hopeless:\n",
        why="a run whose image cannot be pulled is given up after policy.startDeadlineSeconds",
    ),
    Guard(
        test="test_missing_code_waits_and_says_what_is_missing",
        file=f"{CORE}/training/look.py",
        line="    if observed.config_map is None:\n",
        instead="    if observed.config_map is None:\n        return None\n    if observed.config_map == {}:\n",
        why="no Job is made before the ConfigMap with the code is there",
    ),
    Guard(
        test="test_deleting_a_training_job_keeps_its_versions",
        file=f"{CORE}/training/runs.py",
        line="    look.create.append(model_version(request, number, trained))\n",
        instead="""    from pintle.resources.pods import owner_reference

    made = model_version(request, number, trained)
    made["metadata"]["ownerReferences"] = [owner_reference(look.observed.parent)]
    look.create.append(made)
""",
        why="a version has no owner, so it outlives the TrainingJob",
    ),
)

ENDINGS: tuple[Guard, ...] = (
    Guard(
        test="test_a_run_that_hangs_ends_at_its_deadline",
        file=f"{RESOURCES}/run_job.py",
        line='"activeDeadlineSeconds": spec.activeDeadlineSeconds or DEFAULT_DEADLINE_SECONDS,',
        instead='"activeDeadlineSeconds": DEFAULT_DEADLINE_SECONDS,',
        why="spec.activeDeadlineSeconds reaches the Job",
    ),
    Guard(
        test="test_a_run_that_needs_too_much_memory_says_so",
        file=f"{CORE}/pods.py",
        line='        if self.reason == "OOMKilled":\n',
        instead='        if self.reason == "OOMKilled" and not self.code:\n',
        why="the kubelet's word OOMKilled is told",
    ),
    Guard(
        test="test_more_memory_after_oom_runs_again",
        file=f"{CORE}/training/plan.py",
        line="    return history.spec_changed_since(last, entries, look.generation, look.spec_digest)\n",
        instead="    return False\n",
        why="a spec that is changed after a failed run is run",
    ),
    Guard(
        test="test_an_eviction_is_no_failure_of_the_run",
        file=f"{RESOURCES}/run_job.py",
        line='    return [*rules, {"action": "Ignore", "onPodConditions": [disrupted]}]\n',
        instead="    return rules\n",
        why="disruptions do not count against backoffLimit",
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

RETRAINING: tuple[Guard, ...] = (
    Guard(
        test="test_data_that_land_are_trained_once_and_against_the_champion",
        file=f"{CORE}/training/listing.py",
        line="    if listing.digest is None or listing.digest == memory.read:\n",
        instead="    if listing.digest is None:\n",
        why="data that the last run has read are nothing new",
    ),
    Guard(
        test="test_data_that_land_are_trained_once_and_against_the_champion",
        file="operator/pintle/train/gates.py",
        line="    return _Rival({champion.name: champion.prediction}, champion.later, about)\n",
        instead="    return _Rival(evidence.baselines, everything)\n",
        why="a candidate is compared with the champion, not with the baseline",
    ),
    Guard(
        test="test_a_worse_candidate_is_refused_and_kept",
        file=f"{CORE}/training/champion.py",
        line="""    return max(named or others, key=lambda version: int(version["spec"]["version"]), default=None)\n""",
        instead="    return None\n",
        why="the newest version that is Ready is the champion where none has the alias",
    ),
    Guard(
        test="test_a_worse_candidate_is_refused_and_kept",
        file=f"{CORE}/training/governor.py",
        line=" * (1 << min(refusals, LONGEST_BACK_OFF))\n",
        instead="\n",
        why="the cooldown doubles with each candidate that was refused",
    ),
    Guard(
        test="test_data_that_break_the_schema_train_nothing_by_themselves",
        file=f"{CORE}/training/governor.py",
        line="    if facts.failures < limit:\n",
        instead="    if facts.failures < limit + 100:\n",
        why="after maxConsecutiveFailures nothing starts by itself",
    ),
    Guard(
        test="test_data_that_break_the_schema_train_nothing_by_themselves",
        file=f"{CORE}/training/memory.py",
        line="    if counts_as_failure(entry):\n",
        instead="    if not entry:\n",
        why="a run that broke counts against the limit of failures in a row",
    ),
    Guard(
        test="test_the_brakes_hold_and_a_person_goes_on",
        file=f"{CORE}/training/governor.py",
        line="    if len(times) < limit:\n",
        instead="    if len(times) < 100:\n",
        why="no more than maxPerDay runs are triggered in 24 hours",
    ),
    Guard(
        test="test_the_brakes_hold_and_a_person_goes_on",
        file=f"{CORE}/training/retrain.py",
        line=" if trigger is not None and trigger.key not in memory.seen)",
        instead=" if trigger is not None)",
        why="the id of a person's word is answered once",
    ),
    Guard(
        test="test_the_brakes_hold_and_a_person_goes_on",
        file=f"{CORE}/training/governor.py",
        line='f"Run {facts.going} goes on; one at a time.") if facts.going else None\n',
        instead='f"Run {facts.going} goes on.") if facts.going and not trigger else None\n',
        why="one run at a time, whoever asks",
    ),
    Guard(
        test="test_the_brakes_hold_and_a_person_goes_on",
        file=f"{CORE}/training/governor.py",
        line='    if facts.policy.mode != "Off":\n',
        instead='    if facts.policy.mode != "Never":\n',
        why="with mode Off nothing starts by itself",
    ),
    Guard(
        test="test_the_brakes_hold_and_a_person_goes_on",
        file=f"{CORE}/training/retrain.py",
        line="    rows = max(look.spec.retrainPolicy.minNewRows, 1 if facts.refusals else 0)\n",
        instead="    rows = 0\n",
        why="a run by itself needs minNewRows rows that no run has used",
    ),
    Guard(
        test="test_drift_retrains_once_not_twice",
        file=f"{CORE}/training/retrain.py",
        line=" if trigger is not None and trigger.key not in memory.seen)",
        instead=" if trigger is not None)",
        why="a drift that lasts is answered by one run",
    ),
    Guard(
        test="test_drift_retrains_once_not_twice",
        file=f"{CORE}/training/governor.py",
        line="    if not trigger.is_cause or trigger.source not in facts.waiting:\n",
        instead="    if trigger.is_cause or trigger.source not in facts.waiting:\n",
        why="a deployment that does not serve the newest version yet gets no other",
    ),
)

ROLLOUT: tuple[Guard, ...] = (
    Guard(
        test="test_an_identical_canary_is_promoted",
        file=f"{CORE}/rollout/steps.py",
        line="    if _at(look) < len(look.steps) or look.sight.verdict == PASS:\n",
        instead="    if _at(look) < len(look.steps):\n",
        why="evidence that it is as good promotes a canary",
    ),
    Guard(
        test="test_five_percent_errors_roll_back",
        file=f"{CORE}/rollout/rollback.py",
        line="    test, other = failing(sight), record.previous or record.stable\n",
        instead="    test, other = None and failing(sight), record.previous or record.stable\n",
        why="a test that fails takes the canary back",
    ),
    Guard(
        test="test_a_canary_that_its_requests_kill_rolls_back",
        file=f"{CORE}/rollout/move.py",
        line="    record = record.refuse(bad, why, look.time).with_(\n",
        instead="    record = record.with_(\n",
        why="what was taken back is refused, or it would come again",
    ),
    Guard(
        test="test_a_crash_looping_canary_gets_no_traffic",
        file=f"{CORE}/rollout/trouble.py",
        line='    if ended.get("exitCode"):\n',
        instead='    if ended.get("exitCode", 0) < 0:\n',
        why="a container that ended is told by its exit code, whatever the kubelet waits for meanwhile",
    ),
    Guard(
        test="test_a_differently_scoring_candidate_is_promoted",
        file=f"{CORE}/rollout/sight.py",
        line="        if self.judgement is not None and self.judgement.verdict == FAIL:\n            return FAIL\n",
        instead="        if self.judgement is not None and self.judgement.rows > 20:\n            return FAIL\n",
        why="only a test that fails holds a canary; another distribution of scores is none",
    ),
    Guard(
        test="test_a_column_that_live_rows_lack_rolls_back",
        file=f"{CORE}/judgement/results.py",
        line="    if worse >= threshold:\n",
        instead="    if worse >= threshold and test != MISSING:\n",
        why="the missing share of the worst feature is judged",
    ),
    Guard(
        test="test_no_traffic_holds",
        file=f"{CORE}/rollout/steps.py",
        line="    if rows >= needed:\n        return None\n",
        instead="    if rows >= 0:\n        return None\n",
        why="a step needs its minimum of requests",
    ),
    Guard(
        test="test_bad_after_promotion_goes_back",
        file=f"{CORE}/rollout/guard.py",
        line="    if min(left, longest) <= 0 and (look.stable.ready or look.scaled_to_zero):\n",
        instead="    if look.stable.ready or look.scaled_to_zero:\n",
        why="the guard lasts as long as the spec says",
    ),
    Guard(
        test="test_a_refused_revision_is_not_tried_again",
        file=f"{CORE}/rollout/request.py",
        line="    if made is not None and made.name in record.refused:\n",
        instead="    if made is not None and made.name in () and record.refused:\n",
        why="a refused revision is not requested until a person clears it",
    ),
    Guard(
        test="test_a_pod_of_the_stable_is_killed_during_a_rollback",
        file=f"{RESOURCES}/serving.py",
        line="DRAIN_SECONDS = 5\n",
        instead="DRAIN_SECONDS = 0\n",
        why="a pod that goes answers until the gateway has heard of it",
    ),
    Guard(
        test="test_the_guard_keeps_what_the_autoscaler_had_grown",
        file=f"{CORE}/rollout/scale.py",
        line="    if serves and holds(look):\n",
        instead="    if serves and holds(look) and not look.record.canary and not look.record.in_guard:\n",
        why="neither revision loses pods from the start of a rollout to the end of its guard",
    ),
    Guard(
        test="test_two_deployments_of_one_model_are_judged_apart",
        file="operator/pintle/controller/watching/trials.py",
        line="""        found[item.labels.get("namespace", ""), item.labels.get("deployment", "")].append(item)\n""",
        instead="""        found[item.labels.get("namespace", ""), item.labels.get("model", "")].append(item)\n""",
        why="counters belong to their deployment, not to the model",
    ),
    Guard(
        test="test_a_deployment_that_is_deleted_in_the_middle_leaves_nothing",
        file=f"{RESOURCES}/services.py",
        line='        "metadata": owner.metadata(name, revision, annotations),\n',
        instead="""        "metadata": {
            key: value
            for key, value in owner.metadata(name, revision, annotations).items()
            if key != "ownerReferences"
        },
""",
        why="what a deployment has made goes with it",
    ),
    Guard(
        test="test_a_header_reaches_a_revision_and_is_not_judged",
        file=f"{RESOURCES}/routes.py",
        line='"headers": [{"type": "Exact", "name": HEADER_VERSION, "value": value}]}',
        instead='"headers": [{"type": "Exact", "name": "x-other", "value": value}]}',
        why="the header picks a revision",
    ),
    Guard(
        test="test_a_person_pauses_resumes_and_aborts",
        file=f"{CORE}/rollout/word.py",
        line="    if known is not None and known.id == spoken.id:\n",
        instead="    if known is None or known.id:\n",
        why="a word that was not heard before is answered",
    ),
)

NEIGHBOURS: tuple[Guard, ...] = (
    Guard(
        test="test_one_name_in_two_namespaces_is_two_models",
        file="operator/pintle/controller/watching/trials.py",
        line="found.get((case.spec.namespace, case.spec.deployment), [])",
        instead="[one for key, every in found.items() if key[1] == case.spec.deployment for one in every]",
        why="counters of another namespace are nobody's here, whatever their names",
    ),
)

DISTURBED: tuple[Guard, ...] = (
    Guard(
        test="test_prometheus_down_in_a_canary_holds_and_resumes",
        file=f"{CORE}/rollout/steps.py",
        line="    return _blind(look) if look.sight.blind else None\n",
        instead="    return None\n",
        why="a rollout that cannot be judged holds, and says so",
    ),
    Guard(
        test="test_the_operator_is_killed_at_every_step_of_a_rollout",
        file=f"{CORE}/rollout/record.py",
        line="                course=Course.from_dict(raw),\n",
        instead="""                course=Course.from_dict(raw)
                if str(raw["since"]) >= globals().setdefault("BEGAN", format_time(datetime.now(UTC)))
                else Course(),
""",
        why="how far a rollout is stands in the route, not in the process",
    ),
    Guard(
        test="test_of_two_operators_one_acts_and_the_other_takes_over",
        file="operator/pintle/controller/lease.py",
        line='        if holder in ("", self._identity.holder):\n',
        instead="        if holder is not None:\n",
        why="a Lease that another holds is not taken",
    ),
    Guard(
        test="test_a_stale_leader_raises_no_refused_revision",
        file="operator/pintle/controller/effects.py",
        line="""(body, manager=names.FIELD_MANAGER, timeout=self._time_out())
        except (Conflict, NotFound) as error:
""",
        instead="""(
                {**body, "metadata": {key: value for key, value in metadata.items() if key != "resourceVersion"}},
                manager=names.FIELD_MANAGER,
                timeout=WRITE_TIMEOUT,
            )
        except (Conflict, NotFound) as error:
""",
        why="traffic is written by the holder of the Lease, and upon the very state that was looked at",
    ),
)

GUARDS: tuple[Guard, ...] = (
    *OPERATOR,
    *SERVING,
    *TRAINING,
    *ENDINGS,
    *STORAGE,
    *RETRAINING,
    *ROLLOUT,
    *NEIGHBOURS,
    *DISTURBED,
)
