"""The lines of `why`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pintle.cli.facts import age, until
from pintle.cli.figures import comparison, count
from pintle.cli.kubectl import MODEL_DEPLOYMENT, TRAINING_JOB
from pintle.cli.model_tree import course
from pintle.cli.run_list import trigger
from pintle.cli.text import bold, dim, judged, odd, table
from pintle.cli.why import is_trouble

View = Mapping[str, Any]


def lines(view: View, now: datetime) -> list[str]:
    """Why the object is as it is: what holds it up, what is under way, what was decided."""
    parts: dict[str, tuple[Callable[[View, datetime], list[str]], ...]] = {
        MODEL_DEPLOYMENT: (_serving, _conditions, _now, _tests, _refused, _word, _watching, _trail, _queries),
        TRAINING_JOB: (_conditions, _governor, _asked, _runs),
    }
    head = f"{bold(view['name'])} {dim(view['of'] + ' in namespace ' + view['namespace'])}"
    made = [head]
    for part in parts.get(view["of"], (_conditions, _gates)):
        found = part(view, now)
        made += ["", *found] if found and part is not _serving else found
    return made


def _serving(view: View, now: datetime) -> list[str]:
    served = [
        f"version {item['version']} as {item['revision']} with {item.get('weight', 0)} %" for item in view["revisions"]
    ]
    observed = odd(" It only observes: nothing is promoted, rolled back or retrained.")
    return [
        f"It asks for {view['asks']}. "
        + (f"It serves {', '.join(served)}." if served else "It serves nothing yet.")
        + (observed if view["automation"] == "Observe" else "")
    ]


def _conditions(view: View, now: datetime) -> list[str]:
    made: list[str] = [bold("Conditions")]
    told: list[str] = []

    for item in view["conditions"]:
        made.append(
            f"  {item['type']} {judged(item['status']) if is_trouble(item) else item['status']}"
            f" {item.get('reason', '')} {dim('since ' + age(item.get('since'), now))}"
        )
        said = [item.get("message", ""), dim("To do: " + item["do"]) if is_trouble(item) and item.get("do") else ""]
        made += [f"    {text}" for text in said if text and text not in told]
        told += said
    return made if view["conditions"] else ["It has no conditions yet: is the operator running?"]


def _now(view: View, now: datetime) -> list[str]:
    rollout, waits = view["rollout"], view["waitsFor"]
    if not rollout and not waits:
        return []
    state = "" if rollout.get("state") == "Guard" else "canary, "
    head = bold("Now") + (f" {state}{course(rollout, now)}" if rollout else "")
    return [head, *(f"  - {sentence}" for sentence in waits)]


def _tests(view: View, now: datetime) -> list[str]:
    tests = view["rollout"].get("tests") or ()
    if not tests:
        return []
    taken = view["rollout"].get("asOfTime")
    header = ("TEST", "VERDICT", "VALUE", "STABLE", "N", "N STABLE", "WORSE", "FAILS AT", "NOT WORSE", "PASSES AT", "")
    rows = [
        (
            test["name"],
            judged(test["verdict"]) + (dim(" dry run") if test.get("dryRun") else ""),
            test.get("value"),
            test.get("stableValue"),
            _count(test.get("rows")),
            _count(test.get("stableRows")),
            test.get("evidence"),
            test.get("threshold"),
            test.get("passEvidence"),
            test.get("passThreshold"),
            test.get("message"),
        )
        for test in tests
    ]
    when = dim(f" {age(taken, now)} ago, evidence in nats") if taken else ""
    return [bold("Tests") + when, *table(header, rows, "  ")]


def _count(number: Any) -> str | None:
    return None if number is None else count(number)


def _queries(view: View, now: datetime) -> list[str]:
    """Of every test that is named above, once."""
    entries = [*((test["name"], test) for test in view["rollout"].get("tests") or ())]
    entries += [(entry["rule"], entry) for entry in view["history"] if entry.get("rule")]
    found = {name: str(entry["query"]) for name, entry in entries if entry.get("query")}
    return [bold("Queries"), *(f"  {name}: {dim(query)}" for name, query in found.items())] if found else []


def _refused(view: View, now: datetime) -> list[str]:
    if not view["refused"]:
        return []
    rows = [
        (
            f"v{item['version']}" if item.get("version") else "",
            item["revision"],
            f"{age(item.get('time'), now)} ago",
            item.get("why"),
        )
        for item in view["refused"]
    ]
    hint = dim(f"not tried again until: kubectl pintle clear {view['name']} REVISION")
    return [f"{bold('Refused')} {hint}", *table(("VERSION", "REVISION", "WHEN", "WHY"), rows, "  ")]


def _word(view: View, now: datetime) -> list[str]:
    word = view["action"]
    if not word:
        return []
    who = f" of {word['by']} (claimed)" if word.get("by") else ""
    told = f": {word['message']}" if word.get("message") else ""
    when = f", {age(word['time'], now)} ago" if word.get("time") else ""
    return [f"{bold('Last word')}{who}: {word['verb']}, {judged(word['result'])}{when}{told}"]


def _watching(view: View, now: datetime) -> list[str]:
    found, made = view["monitoring"], []
    rows = [
        (item["feature"], judged(item["verdict"]), item["psi"], item["low"], item["threshold"], count(item["rows"]),
         f"{item['windowSeconds']} s")
        for item in found.get("drift") or ()
    ]  # fmt: skip
    made += table(("FEATURE", "VERDICT", "PSI", "LOWER END", "DRIFTS ABOVE", "N", "WINDOW"), rows, "  ")
    labels = [f"{name} {found[name]}" for name in ("loss", "auc") if found.get(name)]
    if labels:
        made.append(f"  labels: {', '.join(labels)}, n {count(found.get('rows', 0))}")
    if found.get("estimatedAccuracy"):
        made.append(f"  accuracy as the scores let expect: {found['estimatedAccuracy']}")
    made += [
        f"  {odd(item['cause'])} for {age(item.get('since'), now)}: {item.get('message', '')}".rstrip(": ")
        for item in view["causes"]
    ]
    return [bold("Watching"), *made] if made else []


def _trail(view: View, now: datetime) -> list[str]:
    made = []
    for entry in view["history"]:
        version = f" v{entry['version']}" if entry.get("version") else ""
        by = f" by {entry['by']} (claimed)" if entry.get("by") else ""
        made.append(f"  {dim(entry['time'])}  {bold(entry['action'])} {entry.get('revision', '')}{version}{by}")
        rule = f"{entry['rule']}: " if entry.get("rule") else ""
        told = [text for text in (comparison(entry), entry.get("why", "")) if text]
        made += [f"    {rule if number == 0 else ''}{text}" for number, text in enumerate(told)]
    return [f"{bold('Trail')} {dim('newest first')}", *made] if made else []


def _governor(view: View, now: datetime) -> list[str]:
    found = view["governor"]
    started, failures = found.get("startedInDay", 0), found.get("consecutiveFailures", 0)
    made = [
        f"{bold('Retraining')} mode {found['mode']}, {started} of {found['maxPerDay']} triggered runs in 24 hours,"
        f" {failures} of {found['maxConsecutiveFailures']} failures in a row"
    ]
    if found.get("held"):
        made.append(f"  held back: {trigger(found['held'])} {dim(found['held'].get('message', ''))}".rstrip())
        later = f" Again in {until(found['retryTime'], now)}." if found.get("retryTime") else ""
        made.append(f"    {odd(found.get('reason', ''))}: {found.get('message', '')}{later}")
        if found.get("do"):
            made.append(f"    {dim('To do: ' + found['do'])}")
    return made


def _asked(view: View, now: datetime) -> list[str]:
    rows = [
        (
            item["deployment"],
            item["cause"] if item["listened"] else dim(f"{item['cause']} (not in spec.retrain.causes)"),
            f"for {age(item.get('since'), now)}",
            item.get("message"),
        )
        for item in view["asked"]
    ]
    return [bold("Deployments ask"), *table(("DEPLOYMENT", "CAUSE", "SINCE", "FIGURES"), rows, "  ")] if rows else []


def _runs(view: View, now: datetime) -> list[str]:
    made = []
    for run in view["runs"]:
        version = f" made v{run['version']}" if run.get("version") else ""
        state = judged(run["result"])
        made.append(f"  {dim(run.get('startTime', ''))}  {bold(run['run'])} {state} {run['reason']}{version}")
        if run.get("trigger"):
            told = run["trigger"].get("message", "")
            made.append(f"    because of {trigger(run['trigger'])}" + (f": {told}" if told else ""))
        if run.get("message"):
            made.append(f"    {run['message']}")
    return [f"{bold('Runs')} {dim('newest first')}", *made] if made else []


def _gates(view: View, now: datetime) -> list[str]:
    made = [f"  {judged(gate['verdict'])} {gate.get('message') or gate['metric']}" for gate in view["gates"]]
    used = [f"serves in {', '.join(view['usedBy'])}"] if view["usedBy"] else []
    aliases = [f"alias {alias['name']} ({alias['owner']})" for alias in view["aliases"]]
    return [*([bold("Gates"), *made] if made else []), *used, *aliases]
