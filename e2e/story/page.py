"""The closing page: a timeline, what every version was worth, what was lost, and where to look next."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import httpx

from e2e.demo import objects as basics
from e2e.demo.terminal import clock
from e2e.story.plots import Line, Mark, Point, page, plot
from e2e.story.run import Told
from e2e.story.scale import start_of

WIDTH = 110
SELECTED = f'namespace="{basics.NAMESPACE}",deployment="{basics.NAME}"'


def terminal(told: Told) -> str:
    """The page for a terminal."""
    parts = [
        (f"What happened ({told.scale})", _timeline(told)),
        ("What each version is worth (AUC, 95 % by whole days, on the flights of that month)", _worth(told)),
        ("What was lost", _lost(told)),
        ("The cure", [told.cure or "not needed in this run"]),
        ("Where the time went", [f"{clock(seconds):>12}  {title}" for title, seconds in told.times]),
        ("Where to look next", _next()),
    ]
    lines: list[str] = []
    for title, body in parts:
        lines += ["", f"── {title} ".ljust(WIDTH, "─"), *body]
    return "\n".join(lines)


def _timeline(told: Told) -> list[str]:
    lines = []
    for entry in told.chronicle.entries:
        when = f"{told.scale.then(entry.time):%d %b}" if entry.time < _end(told) else "after"
        when = "before" if entry.time < told.scale.began else when
        lines.append(f"{when:<7} {entry.kind:<9} {entry.title}")
        if entry.detail:
            lines.append(f"{'':<17} {entry.detail[: WIDTH * 2]}")
    return lines or ["nothing"]


def _end(told: Told) -> float:
    return max((item.sent for item in told.stream.asked), default=0.0)


def _worth(told: Told) -> list[str]:
    numbers = sorted({number for month in told.months for number in month.by_version})
    head = f"{'month':<10}{'flights':>8}{'late':>7}  {'answered live':<22}" + "".join(f"{f'v{n}':<22}" for n in numbers)
    lines = [head]
    for month in told.months:
        seen = {n: _learnt(told, n, month.month) for n in numbers}
        versions = ["(trained on it)" if seen[n] else _interval(month.by_version[n]) for n in numbers]
        cells = [_interval(month.live), *versions]
        name = calendar.month_name[month.month]
        lines.append(f"{name:<10}{month.flights:>8,}{month.late:>7.1%}  " + "".join(f"{cell:<22}" for cell in cells))
    spans = [f"v{item['spec']['version']}: trained on {_trained(item)}" for item in told.versions]
    return lines + spans


def _learnt(told: Told, number: int, month: int) -> bool:
    """The version has learnt from rows of that month: its AUC there says nothing."""
    version = next(item for item in told.versions if int(item["spec"]["version"]) == number)
    middle = f"2013-{month:02d}-15"
    return any(
        d.get("role") == "Train" and str(d.get("from", "")) <= middle <= str(d.get("through", ""))
        for d in version["spec"].get("datasets", [])
    )


def _interval(found: object) -> str:
    value, low, high = (getattr(found, name) for name in ("value", "low", "high"))
    return f"{value:.3f} ({low:.3f}–{high:.3f})"


def _trained(version: dict[str, object]) -> str:
    spec = version["spec"]
    datasets = spec.get("datasets", []) if isinstance(spec, dict) else []
    spans = [f"{d.get('from', '?')[:10]} to {d.get('through', '?')[:10]}" for d in datasets if d.get("role") == "Train"]
    return "; ".join(spans) or "?"


def _lost(told: Told) -> list[str]:
    lines = []
    for name, stream in (("the year", told.stream), ("the last version's trial", told.last)):
        by_version: dict[str, int] = {}
        for item in stream.asked:
            if not item.error:
                by_version[item.version] = by_version.get(item.version, 0) + 1
        answered = ", ".join(f"v{version} {count:,}" for version, count in sorted(by_version.items()))
        lines.append(f"{name}: {len(stream.failed)} of {len(stream.asked):,} requests failed; answered by {answered}")
        lines += [f"   {item.error[:WIDTH]}" for item in stream.failed[:3]]
        if stream.label_errors:
            lines.append(
                f"   {len(stream.label_errors)} batches of truths were not taken: {stream.label_errors[0][:90]}"
            )
    return lines


def _next() -> list[str]:
    space, name = basics.NAMESPACE, basics.NAME
    return [
        f"kubectl pintle why mdep/{name} -n {space}       # every decision with its figures",
        f"kubectl pintle lineage {name} -n {space}        # down to code, data and trigger",
        f"kubectl pintle get {name} -n {space} --watch",
        "make demo-clean      # removes the demo; cluster and operator stay",
    ]


def html(told: Told) -> str:
    """The page with plots."""
    first = start_of(told.plan.months[0])
    span = (first, told.scale.then(max(_end(told), told.scale.began + 1)) + timedelta(days=1))
    marks = [
        Mark(told.scale.then(entry.time), entry.title[:24])
        for entry in told.chronicle.entries
        if entry.kind == "Rollout" and first <= told.scale.then(entry.time) <= span[1]
    ]
    plots = [
        plot(f"Weights, percent ({told.scale})", _weights(told), span, marks),
        plot("Failed requests, share by version", _range(told, _errors(), "version", span), span, marks),
        plot("Missing departure delay, share by version", _range(told, _missing(), "version", span), span, marks),
        plot(
            "Drift: lower end of PSI by feature (dashed: floor of the training data)", _drift(told, span), span, marks
        ),
        plot("AUC per month: answered live, and every version on the same flights", _aucs(told), span, marks),
    ]
    tables = {"Page": terminal(told), **told.whys}
    note = (
        f"Real flights out of New York in 2013, replayed in order; {told.scale}. Everything is read from the cluster."
    )
    return page("Pintle: the loop on real flights", note, plots, tables)


def _weights(told: Told) -> list[Line]:
    versions = sorted({version for share in told.chronicle.shares for version in share.weights}, key=int)
    lines = []
    for version in versions:
        points: list[Point] = [
            (told.scale.then(share.time), float(share.weights.get(version, 0))) for share in told.chronicle.shares
        ]
        lines.append(Line(f"v{version}", points, steps=True))
    return lines


def _errors() -> str:
    bad = f'sum by (version) (rate(model_requests_total{{{SELECTED},result=~"server_error|schema_rejected"}}[10s]))'
    return f"{bad} / sum by (version) (rate(model_requests_total{{{SELECTED}}}[10s]))"


def _missing() -> str:
    of = f'model_feature_bin_total{{{SELECTED},feature="dep_delay"'
    return f'sum by (version) (rate({of},bin="missing"}}[10s])) / sum by (version) (rate({of}}}[10s]))'


def _drift(told: Told, span: tuple[datetime, datetime]) -> list[Line]:
    labels = f'namespace="{basics.NAMESPACE}",deployment="{basics.NAME}"'
    exported = labels.replace("namespace=", "exported_namespace=")
    query = f"topk(5, max by (feature) (pintle_drift_psi_low{{{labels}}} or pintle_drift_psi_low{{{exported}}}))"
    lines = _range(told, query, "feature", span)
    strongest = sorted(lines, key=lambda line: -max((value for _, value in line.points), default=0.0))[:4]
    names = "|".join(line.name for line in strongest)
    floors = f'max by (feature) (model_feature_drift_floor{{{SELECTED},window="7d",feature=~"{names}"}})'
    return strongest + [
        Line(f"floor {line.name}", line.points, dashed=True) for line in _range(told, floors, "feature", span)
    ]


def _range(told: Told, query: str, label: str, span: tuple[datetime, datetime]) -> list[Line]:
    """Lines of a Prometheus range over the whole story, by one label."""
    start, end = told.scale.began, max(_end(told), told.scale.began + 1)
    params = {"query": query, "start": str(start), "end": str(end), "step": "1"}
    with httpx.Client(timeout=30, trust_env=False) as client:
        answer = client.get(f"{told.prometheus.rstrip('/')}/api/v1/query_range", params=params)
    if answer.status_code != 200:
        return []
    lines = []
    for series in answer.json()["data"]["result"]:
        points = [(told.scale.then(float(at)), float(value)) for at, value in series["values"] if value != "NaN"]
        inside = [point for point in points if span[0] <= point[0] <= span[1]]
        lines.append(Line(str(series["metric"].get(label, "")), inside))
    return sorted(lines, key=lambda line: line.name)


def _aucs(told: Told) -> list[Line]:
    def middle(month: int) -> datetime:
        return datetime(2013, month, 15, tzinfo=UTC)

    lines = [
        Line(
            "answered live",
            [(middle(month.month), month.live.value) for month in told.months],
            bars=[(month.live.low, month.live.high) for month in told.months],
        )
    ]
    numbers: Sequence[int] = sorted({number for month in told.months for number in month.by_version})
    for number in numbers:
        found = [
            (month.month, month.by_version[number])
            for month in told.months
            if number in month.by_version and not _learnt(told, number, month.month)
        ]
        points = [(middle(month), value.value) for month, value in found]
        lines.append(Line(f"v{number}", points, bars=[(value.low, value.high) for _, value in found]))
    return lines
