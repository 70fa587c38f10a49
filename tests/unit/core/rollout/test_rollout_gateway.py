"""The gateway in the spec, what it answers, and the alias that goes with a promotion."""

from __future__ import annotations

from datetime import timedelta

from pintle.contract import names

from tests.builders import START, model_deployment
from tests.serving_world import Serving
from tests.unit.core.rollout.canaries import at_step, in_guard, rolled_back
from tests.unit.core.rollout.canaries import serving as serving_canary


def started(**gateway: object) -> Serving:
    serving = Serving(model_deployment().gateway(**gateway).obj())  # type: ignore[arg-type]
    serving.converge()
    serving.world.log.clear()
    return serving


def annotation(serving: Serving, kind: str) -> str:
    found = serving.world.get(kind, "delays")
    return ((found or {}).get("metadata", {}).get("annotations") or {}).get(names.ANNOTATION_ROLLOUT, "")


def test_a_route_that_is_not_accepted_is_said() -> None:
    """Ready is False/RouteNotAccepted with the gateway's word; pods serve, so Available is True."""
    serving = started()
    serving.gateway_says = ("Accepted", "False")
    serving.converge()
    assert serving.conditions()["Ready"] == ("False", "RouteNotAccepted")
    assert serving.conditions()["Available"] == ("True", "Serving")
    assert "NoMatchingParent" in serving.status["conditions"][2]["message"]


def silent() -> Serving:
    """Its route has just been made, and no gateway answers."""
    serving = Serving(model_deployment().gateway().obj())
    serving.gateway_says = None
    serving.until(lambda s: s.route is not None)
    return serving


def test_a_gateway_may_take_a_moment_to_answer() -> None:
    """Until half a minute is over nobody is warned; the operator looks again then, and at the answer."""
    serving = silent()
    serving.world.tick(10)
    plan = serving.act()
    assert serving.conditions()["Ready"] == ("False", "AwaitingGateway")
    assert plan.requeue_after is not None
    assert plan.requeue_after <= timedelta(seconds=20)
    serving.world.tick(1)
    serving.gateway_says = ("Accepted", "True")
    serving.pods()
    assert not [event for event in (*plan.events, *serving.act().events) if event.type == "Warning"]
    assert serving.conditions()["Ready"] == ("True", "Ready")


def test_a_gateway_that_refuses_is_said_at_once() -> None:
    """A refusal is an answer: nothing is waited for."""
    serving = silent()
    serving.gateway_says = ("Accepted", "False")
    serving.pods()
    serving.act()
    assert serving.conditions()["Ready"] == ("False", "RouteNotAccepted")


def test_a_route_that_no_gateway_answers_to_is_not_accepted() -> None:
    """Silence is no consent: there is no such gateway, and the message names it."""
    serving = silent()
    serving.converge()
    assert serving.conditions()["Ready"] == ("False", "RouteNotAccepted")
    (ready,) = [item for item in serving.status["conditions"] if item["type"] == "Ready"]
    assert "gateway pintle does not answer" in ready["message"]


def test_a_changed_gateway_changes_the_route_only() -> None:
    """Path, host and parent go into the route; no pod is touched, no weight moves."""
    serving = started(hostnames=["delays.example.com"], path="/a")
    weights = serving.weights()
    serving.edit(traffic={"gateway": {"parentRefs": [{"name": "other", "namespace": "infra"}], "path": "/b/"}})
    serving.converge()
    assert serving.route is not None
    spec = serving.route["spec"]
    assert spec["parentRefs"][0]["name"] == "other"
    assert spec["hostnames"] == []
    assert spec["rules"][0]["matches"][0]["path"]["value"] == "/b"
    assert serving.weights() == weights
    assert not [entry for entry in serving.world.log if "Deployment delays-" in entry]


def test_taking_the_gateway_away_hands_the_truth_to_the_root_service_first() -> None:
    """The route is deleted only once the Service carries the record."""
    serving = started()
    serving.edit(traffic={})
    serving.act()
    assert annotation(serving, "Service")
    assert serving.route is not None
    serving.converge()
    assert serving.route is None
    assert serving.status["stable"]["version"] == 1
    assert serving.conditions()["Ready"] == ("True", "Ready")


def test_adding_a_gateway_hands_the_truth_to_the_route_first() -> None:
    """The Service keeps its record until the route has one; nothing restarts."""
    serving = Serving(model_deployment().obj())
    serving.converge()
    stable = serving.status["stable"]
    serving.edit(traffic={"gateway": {"parentRefs": [{"name": "pintle"}], "path": "/"}})
    serving.act()
    assert annotation(serving, "HTTPRoute")
    assert annotation(serving, "Service")
    serving.converge()
    assert not annotation(serving, "Service")
    assert serving.status["stable"] == stable
    assert serving.conditions()["Ready"] == ("True", "Ready")


def test_the_url_is_where_clients_find_it() -> None:
    """At the gateway's host where there is one, else inside the cluster."""
    assert started(hostnames=["*.any", "a.example.com"], path="/v").status["url"] == "http://a.example.com/v"
    assert started().status["url"] == "http://delays.team.svc"


def test_the_alias_moves_with_the_promotion() -> None:
    """One more in sequence with every move, and none between."""
    serving = Serving(model_deployment().gateway().on_promoted("champion").obj())
    serving.converge()
    assert serving.status["alias"] == {"name": "champion", "version": 1, "sequence": 1}
    serving.publish(2)
    serving.act()
    assert serving.status["alias"]["version"] == 1
    serving.converge()
    assert serving.status["alias"] == {"name": "champion", "version": 2, "sequence": 2}


def test_a_sequence_is_never_used_twice_even_when_the_record_is_lost() -> None:
    """The ModelVersions remember the last claim."""
    serving = Serving(model_deployment().gateway().on_promoted("champion").obj())
    serving.converge()
    version = serving.world.objects["ModelVersion", "delays-v1"]
    version["status"]["aliases"] = [{"name": "champion", "owner": "ModelDeployment/delays", "sequence": 5}]
    serving.world.remove("HTTPRoute", "delays")
    serving.parent.pop("status")
    serving.converge()
    assert serving.status["alias"]["sequence"] == 6


def test_of_two_deployments_with_one_alias_the_older_one_holds_it() -> None:
    """The younger serves all the same, says AliasConflict and claims nothing; it takes over when the other goes."""
    serving = Serving(model_deployment().gateway().on_promoted("champion").created(START).obj())
    rival = model_deployment("another").on_promoted("champion").created(START.replace(year=2025))
    serving.world.add(rival.owns_alias("champion", 1, 9).obj())
    serving.converge()
    assert serving.conditions()["AliasConflict"] == ("True", "AliasConflict")
    assert "another" in serving.status["conditions"][3]["message"]
    assert serving.conditions()["Ready"] == ("True", "Ready")
    assert "alias" not in serving.status
    serving.edit(onPromoted=None)
    serving.converge()
    assert "AliasConflict" not in serving.conditions()
    serving.edit(onPromoted={"alias": "champion"})
    serving.world.objects["ModelDeployment", "another"]["spec"].pop("onPromoted")
    serving.converge()
    assert serving.status["alias"]["sequence"] == 10


def test_an_alias_that_is_given_up_is_claimed_no_more() -> None:
    """Without onPromoted there is no alias in the status."""
    serving = Serving(model_deployment().gateway().on_promoted("champion").obj())
    serving.converge()
    serving.edit(onPromoted=None)
    serving.converge()
    assert "alias" not in serving.status


def test_another_model_may_use_the_same_alias() -> None:
    """Aliases belong to a model."""
    serving = Serving(model_deployment().gateway().on_promoted("champion").obj())
    serving.world.add(
        model_deployment("another", "other").on_promoted("champion").created(START.replace(year=2025)).obj()
    )
    serving.converge()
    assert serving.status["alias"]["version"] == 1


def _headers(serving: Serving) -> dict[str, str]:
    """Value of x-pintle-version -> Service, as the route says."""
    assert serving.route is not None
    found = {}
    for rule in serving.route["spec"]["rules"][1:]:
        (match,) = rule["matches"]
        (header,) = match["headers"]
        assert (header["type"], header["name"]) == ("Exact", "x-pintle-version")
        assert rule["filters"][0]["requestHeaderModifier"] == {"set": [{"name": "pintle-route", "value": "direct"}]}
        found[header["value"]] = rule["backendRefs"][0]["name"]
    return found


def test_a_header_reaches_each_revision_in_the_route_by_number_and_by_name() -> None:
    """Canary and stable, and in the guard the one before; what comes so is marked, and judged never."""
    canary = at_step(1)
    one, two = canary.revision(1), canary.revision(2)
    expected = {"1": f"delays-{one}", one: f"delays-{one}", "2": f"delays-{two}", two: f"delays-{two}"}
    assert _headers(canary) == expected
    assert _headers(in_guard()) == expected
    assert set(_headers(rolled_back())) == {"1", one}


def test_a_client_cannot_mark_its_requests_as_direct() -> None:
    """The rule of the weights takes the mark off; else a canary would answer what is never judged."""
    made = at_step(1)
    assert made.route is not None
    rule = made.route["spec"]["rules"][0]
    assert "headers" not in rule["matches"][0]
    assert rule["filters"][0]["requestHeaderModifier"] == {"remove": ["pintle-route"]}


def test_the_path_prefix_is_taken_off_for_the_header_too() -> None:
    """And the match has the same path, so that the one with the header is the more specific one."""
    made = at_step(1, traffic={"gateway": {"parentRefs": [{"name": "pintle"}], "path": "/m/delays/"}})
    assert made.route is not None
    for rule in made.route["spec"]["rules"]:
        assert [item["type"] for item in rule["filters"]] == ["RequestHeaderModifier", "URLRewrite"]
        assert [match["path"] for match in rule["matches"]] == [{"type": "PathPrefix", "value": "/m/delays"}]


def test_of_two_revisions_of_one_version_the_number_leads_to_the_new_one() -> None:
    """A changed runtime: testers look at what comes."""
    made = serving_canary()
    made.runtime(env=[{"name": "THREADS", "value": "2"}])
    made.until(lambda s: len(s.weights()) == 2)
    assert made.record is not None
    assert _headers(made)["1"] == f"delays-{made.record.canary}"
    assert len(_headers(made)) == 3
