"""The samples of a recording out of Prometheus: counters, the shares of the traffic, what is known of the pods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pintle.cli.record_source import Found, Source
from pintle.contract import metrics as names
from pintle.core.backtest.recording import (
    POD_FACTS,
    POD_READY,
    Recording,
    SeriesKey,
    Setup,
    Shares,
    bin_of,
)
from pintle.core.trials import selectors

HISTORY_SECONDS = 3600.0
"""The past of the control by which bursts are known; a unit test compares it with the judgement's own."""
LOOKBACK_SCRAPES = 6
WEIGHTS = "pintle_traffic_weight_ratio"
ANY_REVISION = ".+"


@dataclass
class Samples:
    """Counters by series, with the versions of the revisions that they name."""

    series: dict[SeriesKey, list[tuple[float, float]]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)

    def take(self, found: Iterable[Found]) -> None:
        """More samples, in the order of time."""
        for labels, samples in found:
            revision = labels.get("revision", "")
            pod = labels.get("pod") or labels.get("instance", "")
            key = revision, pod, labels.get("__name__", ""), bin_of(labels)
            self.series.setdefault(key, []).extend(samples)
            if labels.get("version", "").isdigit():
                self.versions[revision] = int(labels["version"])

    def recording(self, setup: Setup) -> Recording:
        """Those of the two revisions."""
        made = Recording(
            replace(setup, versions={name: self.versions[name] for name in setup.revisions if name in self.versions})
        )
        for key, samples in self.series.items():
            if key[0] in setup.revisions:
                made.add(key, samples)
        return made

    @property
    def pods(self) -> dict[str, str]:
        """Pod -> revision."""
        return {pod: revision for revision, pod, _, _ in self.series}


def counters(
    source: Source, namespace: str, deployment: str, revisions: list[str], since: float, until: float
) -> Samples:
    """Everything that a trial reads, with all limits of the durations. Raises CliError."""
    found = Samples()
    found.take(source.raw(selectors.everything(namespace, deployment, revisions, None), since, until))
    return found


def pod_facts(source: Source, namespace: str, deployment: str, found: Samples, since: float, until: float) -> bool:
    """Add what kube-state-metrics knows of the pods, where Prometheus has it; whether it has."""
    pods = found.pods
    matchers = f'namespace="{namespace}",pod=~"{deployment}-.+",condition=~"|true"'
    told = False
    for labels, samples in source.raw(f'{{__name__=~"{"|".join(POD_FACTS)}",{matchers}}}', since, until):
        revision = pods.get(labels.get("pod", ""))
        if revision is None or not samples:
            continue
        metric = labels["__name__"]
        # Of several containers, and of several that tell of them, each is a series of its own.
        where = {"condition": "true"} if metric == POD_READY else {"instance": labels.get("container", "")}
        key = revision, labels["pod"], metric, bin_of({**where, "job": labels.get("job", "")})
        found.series.setdefault(key, []).extend(samples)
        told = True
    return told


def shares(source: Source, namespace: str, deployment: str, since: float, until: float) -> tuple[Shares, ...]:
    """How the traffic was divided, as the operator exports it, where that is scraped; only where it changed."""
    by_time: dict[float, dict[str, int]] = {}
    for labels, samples in source.raw(f'{WEIGHTS}{{deployment="{deployment}"}}', since, until):
        if namespace in (labels.get("exported_namespace"), labels.get("namespace")):
            for time, value in samples:
                by_time.setdefault(time, {})[labels.get("revision", "")] = round(100 * value)
    made: list[Shares] = []
    for time, weights in sorted(by_time.items()):
        if not made or made[-1].weights != weights:
            made.append(Shares(time, weights))
    return tuple(made)


def requests(found: Samples) -> Mapping[str, list[list[tuple[float, float]]]]:
    """Samples of the requests by revision, each series by itself."""
    made: dict[str, list[list[tuple[float, float]]]] = {}
    for (revision, _, metric, _), samples in found.series.items():
        if metric == names.REQUESTS:
            made.setdefault(revision, []).append(samples)
    return made
