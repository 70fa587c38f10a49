"""A recording out of a range of Prometheus: which two revisions met there, and since when, as the counters show it."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from pintle.cli import errors
from pintle.cli.errors import CliError
from pintle.cli.kubectl import Kubectl
from pintle.cli.record_samples import (
    ANY_REVISION,
    HISTORY_SECONDS,
    Samples,
    counters,
    pod_facts,
    requests,
    shares,
)
from pintle.cli.record_source import Source
from pintle.core.backtest.recording import CANARY, Recording, Setup, Shares

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SENSITIVITY = "Balanced"
LATE_SCRAPES = 2
"""Later than the oldest of all samples by more than this is no series that was there before they were read."""
Sample = tuple[float, float]


def recorded_range(kubectl: Kubectl, arguments: argparse.Namespace) -> Recording:
    """`--prometheus URL --deployment NAME --from TIME [--to TIME]`. Raises CliError."""
    if not arguments.deployment or arguments.since is None:
        raise CliError(
            "--prometheus needs --deployment NAME and --from TIME (of the rollout's beginning).", errors.USAGE
        )
    now = time.time()
    since, until = moment(arguments.since, now), moment(arguments.until, now) if arguments.until else now
    if since >= until:
        raise CliError("--from must be before --to.", errors.USAGE)
    namespace, deployment = kubectl.namespace(), arguments.deployment
    source = Source(arguments.prometheus, kubectl, arguments.token_file or "", arguments.ca_file or "")
    found = counters(source, namespace, deployment, [ANY_REVISION], since - HISTORY_SECONDS, until)
    if not found.series:
        raise CliError(
            f"Prometheus has no samples of {deployment} in namespace {namespace} in that time:"
            " look at -n, --deployment, --from and --to.",
            errors.NOT_FOUND,
        )
    weights = shares(source, namespace, deployment, since, until)
    pod_facts(source, namespace, deployment, found, since, until)
    tested, control = pair_of(found, weights, since, arguments.tested or "", arguments.control or "")
    origin = moment(arguments.origin, now) if arguments.origin else first_traffic(found, tested, since)
    setup = Setup(
        namespace=namespace,
        deployment=deployment,
        tested=tested,
        control=control,
        origin=round(origin, 3),
        phase=arguments.phase or CANARY,
        until=round(until, 3),
        scrape_seconds=arguments.scrape_seconds,
        rollout={"sensitivity": SENSITIVITY},
        weights=weights,
    )
    return found.recording(setup)


def moment(text: str, now: float) -> float:
    """Unix seconds from RFC 3339, unix seconds, or how long ago (90m, 3h, 2d). Raises CliError."""
    ago = _AGO.fullmatch(text)
    if ago:
        return now - float(ago[1]) * _UNITS[ago[2]]
    try:
        if "T" not in text:
            return float(text)
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CliError(
            f"{text} is no time: write 2026-11-21T12:00:00Z, unix seconds, or 3h (ago).", errors.USAGE
        ) from None
    if at.tzinfo is None:
        raise CliError(f"{text} has no time zone: write {text}Z for UTC.", errors.USAGE)
    return at.timestamp()


def pair_of(found: Samples, weights: tuple[Shares, ...], since: float, tested: str, control: str) -> tuple[str, str]:
    """The revision that came, and the one that was there: as said, by the shares, or by who began later."""
    begun = _begun(found, since)
    known = sorted({revision for revision, _, _, _ in found.series if revision})
    for name in (tested, control):
        if name and name not in known:
            raise CliError(
                f"Prometheus has no revision {name} in that time; it has {', '.join(known)}.", errors.NOT_FOUND
            )
    if tested and control:
        return tested, control
    joined = _joined(weights)
    if joined and tested in ("", joined[0]) and control in ("", joined[1]):
        return joined
    left = [name for name in begun if name not in (tested, control)]
    if len(left) + bool(tested) + bool(control) != 2:
        raise CliError(
            f"In that time {len(begun)} revisions answered requests ({', '.join(begun) or 'none'}), and a rollout"
            " has two: move --from and --to around it, or name them with --tested and --control.",
            errors.USAGE,
        )
    if tested:
        return tested, left[0]
    if control:
        return left[0], control
    earlier, later = sorted(begun, key=lambda name: begun[name])
    if begun[earlier] == begun[later]:
        raise CliError(
            f"{earlier} and {later} began at the same moment: name them with --tested and --control.", errors.USAGE
        )
    return later, earlier


def first_traffic(found: Samples, tested: str, since: float) -> float:
    """The last sample before the revision's first requests; where the grid begins."""
    every = requests(found)
    oldest = _oldest(every)
    ends = [before for samples in every.get(tested, ()) for before, after in _growths(samples, oldest) if after > since]
    return max(min(ends, default=since), since)


def _begun(found: Samples, since: float) -> Mapping[str, float]:
    """Revisions that answered requests in the range -> when the first of them was seen, in all that was read."""
    made: dict[str, float] = {}
    every = requests(found)
    oldest = _oldest(every)
    for revision, series in every.items():
        grown = [after for samples in series for _, after in _growths(samples, oldest)]
        if grown and max(grown) > since:
            made[revision] = min(grown)
    return made


def _oldest(every: Mapping[str, Sequence[Sequence[Sample]]]) -> float:
    return min((samples[0][0] for series in every.values() for samples in series), default=0.0)


def _growths(samples: Sequence[Sample], oldest: float) -> list[tuple[float, float]]:
    """Between which samples a counter grew.

    A pod may have answered before Prometheus first saw it: what begins later than the rest has begun at 0.
    """
    made = [(before[0], after[0]) for before, after in pairwise(samples) if after[1] != before[1]]
    first = samples[0]
    interval = samples[1][0] - first[0] if len(samples) > 1 else float("inf")
    if first[1] > 0 and first[0] - oldest > LATE_SCRAPES * interval:
        made.insert(0, (first[0] - interval, first[0]))
    return made


def _joined(weights: tuple[Shares, ...]) -> tuple[str, str] | None:
    """The first revision that got a share beside another one, and that one."""
    before: set[str] = set()
    for item in weights:
        shared = {name for name, weight in item.weights.items() if weight > 0}
        came = shared - before
        if len(shared) == 2 and len(came) == 1 and before:
            return came.pop(), (shared & before).pop()
        before = shared
    return None
