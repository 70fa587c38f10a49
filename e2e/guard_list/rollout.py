"""Rollouts, alone, beside others, and while operator or Prometheus are taken away."""

from __future__ import annotations

from e2e.guard_list.guard import CORE, RESOURCES, Guard

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
        test="test_an_incident_becomes_a_recording_that_replays_the_same",
        file=f"{CORE}/backtest/replay.py",
        line="        self._pair.feed(list(self._since_last(at)), at)\n",
        instead="        self._pair.feed([], at)\n",
        why="a replay judges what was recorded",
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
        line="        least = max(least, member.replicas, _lifted(member), min(_needed(look), most or 0))\n",
        instead="        least = max(least, min(_needed(look), most or 0))\n",
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
