"""Training: its way, its ends, and what starts it by itself."""

from __future__ import annotations

from e2e.guard_list.guard import CORE, RESOURCES, Guard

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
        patience=0.7,  # a pod has a minute to end
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
