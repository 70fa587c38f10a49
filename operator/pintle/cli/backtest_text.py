"""The lines of `backtest`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pintle.api import reasons
from pintle.cli.figures import comparison, count
from pintle.cli.text import bad, bold, dim, good, judged, odd, table

View = Mapping[str, Any]
SOME = 12
"""So many looks are shown beside those at which something changed."""
OUTCOMES = {
    reasons.ROLLED_BACK: bad("taken back"),
    "Promoted": good("promoted, and the guard passed"),
    "InGuard": good("promoted") + ", the recording ends in the guard",
    "Undecided": odd("not decided"),
}


def lines(view: View, every_look: bool) -> list[str]:
    """What was replayed, look by look, what came of it, and beside it what others would have done."""
    made = _head(view)
    shown = _chosen(view["looks"], every_look)
    made += ["", *_looks(shown, len(view["looks"]))] if shown else []
    made += ["", *_outcome(view)]
    if view["compared"]:
        made += ["", *_compared(view["compared"])]
    return made + [dim(f"Note: {note}") for note in view["notes"]]


def after(seconds: float) -> str:
    """Since the origin: +1m15s."""
    left = round(abs(seconds))
    hours, minutes, rest = left // 3600, left // 60 % 60, left % 60
    text = f"{hours}h{minutes:02}m{rest:02}s" if hours else f"{minutes}m{rest:02}s"
    return ("-" if seconds < 0 else "+") + text


def _head(view: View) -> list[str]:
    of, settings = view["of"], view["settings"]
    versions = of.get("versions") or {}
    both = (of["tested"], of.get("control", ""))
    tested, control = (f"{name} (v{versions[name]})" if versions.get(name) else name for name in both)
    against = f" beside {control}" if control else ""
    steps = ", ".join(f"{step['weight']} %" if step.get("weight") else "pause" for step in settings.get("steps", ()))
    phase = "Guard" if of["phase"] == "Guard" else f"Canary, {steps}"
    return [
        f"{bold(of['deployment'])} {dim('in namespace ' + of['namespace'])}",
        f"{tested}{against} since {of['originTime']}",
        f"{phase}; {settings['sensitivity']}, alpha {settings['alpha']:g}, beta {settings['beta']:g}, at least"
        f" {settings['minRows']:g} rows, a look every {settings['scrapeSeconds']:g} s; {count(of['rows'])} samples",
    ]


def _chosen(looks: Sequence[View], every_look: bool) -> list[View]:
    """All of them, or those at which something changed and some in between."""
    if every_look:
        return list(looks)
    stride = max(len(looks) // SOME, 1)
    found, before = [], None
    for number, look in enumerate(looks):
        gist = (
            look["phase"],
            look["verdict"],
            look["reason"],
            tuple(test["verdict"] for test in look.get("tests", ())),
        )
        if look.get("done") or gist != before or number % stride == 0 or number == len(looks) - 1:
            found.append(look)
        before = gist
    return found


def _looks(looks: Sequence[View], all_of_them: int) -> list[str]:
    names = list(dict.fromkeys(test["name"] for look in looks for test in look.get("tests", ())))
    header = ["AFTER", "SHARE", "ROWS", *(_header(name, looks) for name in names), "WHAT"]
    rows = [_row(look, names) for look in looks]
    some = f"; {len(looks)} of {all_of_them}, --all shows the others" if len(looks) < all_of_them else ""
    legend = "evidence in nats that it is worse | that it is not worse; what it takes to fail | to pass" + some
    return [f"{bold('Looks')} {dim(legend)}", *table(header, rows, "  ")]


def _header(name: str, looks: Sequence[View]) -> str:
    """With the thresholds, which are the same at every look (but for features that turn up later)."""
    last = next(test for look in reversed(looks) for test in look.get("tests", ()) if test["name"] == name)
    return f"{name.upper()} {last['threshold']} | {last['passThreshold']}"


def _row(look: View, names: Sequence[str]) -> list[str]:
    tests = {test["name"]: test for test in look.get("tests", ())}
    what = f"{bold(look['done'])}: {look['message']}" if look.get("done") else dim(look["message"])
    cells = [_evidence(tests[name]) if name in tests else "" for name in names]
    share = f"{look['weight']} %" + (dim(" guard") if look["phase"] == "Guard" else "")
    return [after(look["seconds"]), share, count(look["rows"]), *cells, what]


def _evidence(test: View) -> str:
    verdict = test["verdict"]
    told = f"{test['evidence']} | {test['passEvidence']}"
    dry = dim(" dry run") if test.get("dryRun") else ""
    return (dim(told) if verdict == "NeedMoreData" else f"{told} {judged(verdict)}") + dry


def _outcome(view: View) -> list[str]:
    made = [f"{bold('Outcome')} {OUTCOMES[view['outcome']]}"]
    for deed in view["deeds"]:
        figures = comparison(deed)
        made.append(f"  {after(deed['seconds'])}  {bold(deed['action'])}  {deed['why']}")
        made += [f"    {dim(deed['rule'] + ': ' + figures)}"] if figures and deed.get("evidence") else []
    if view["outcome"] == "Undecided" and view["looks"]:
        made.append(f"  at the end: {view['looks'][-1]['message']}")
    if view["recorded"]:
        made.append(f"{bold('The operator')} {_agreement(view['agrees'])}")
        made += [f"  {dim(entry['time'])}  {entry['action']}  {entry.get('why', '')}" for entry in view["recorded"]]
    return made


def _agreement(agrees: bool | None) -> str:
    if agrees is None:
        return dim("had not decided yet")
    return good("decided the same") if agrees else odd("decided otherwise")


def _compared(variants: Sequence[View]) -> list[str]:
    rows = [
        (
            item["name"],
            bad(item["outcome"]) if item["outcome"] == reasons.ROLLED_BACK else item["outcome"],
            after(item["decided"]["seconds"]) if item.get("decided") else "",
            count(item.get("rows", 0)),
            " ".join(after(step["seconds"]) for step in item.get("steps", ())),
            item["decided"]["why"] if item.get("decided") else item.get("waitsFor", ""),
        )
        for item in variants
    ]
    legend = "on the same samples: other settings would have given the canary other shares"
    header = ("SETTINGS", "OUTCOME", "AFTER", "ROWS", "NEXT STEPS", "WHY")
    return [f"{bold('Others')} {dim(legend)}", *table(header, rows, "  ")]
