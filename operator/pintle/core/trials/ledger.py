"""What the pods of a trial have done since its origin, pods that are gone included; from what each look sees of them.

It is kept in memory: after a take-over, restarts from before it are not known, except those of pods that are new.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pintle.core.judgement.facts import PodFacts
from pintle.core.rollout.trial import PodState


@dataclass
class _Pod:
    revision: str
    baseline: int
    """Restarts that do not count: from before the trial."""
    restarts: int = 0
    unready: int = 0
    since: float | None = None
    """Ready since then; None while it is not."""
    first_ready: float | None = None
    gone: float | None = None


class Ledger:
    """The pods of both revisions of one trial."""

    def __init__(self, tested: str, control: str, origin: float) -> None:
        self._tested = tested
        self._control = control
        self._origin = origin
        self._pods: dict[str, _Pod] = {}
        self._begun = False

    def update(self, pods: Iterable[PodState], leaving: Collection[str], now: float) -> None:
        """What a look at `now` sees; `leaving` are names of pods that are being deleted."""
        seen = set()
        for state in pods:
            seen.add(state.name)
            # A pod that turns up later is new: all of its restarts are the trial's.
            pod = self._pods.setdefault(state.name, _Pod(state.revision, 0 if self._begun else state.restarts))
            pod.restarts = max(pod.restarts, state.restarts - pod.baseline)
            if state.name in leaving:
                pod.gone = pod.gone or now
                pod.since = None
            else:
                _readiness(pod, state.ready_since)
        for name, pod in self._pods.items():
            if name not in seen and pod.gone is None:
                pod.gone, pod.since = now, None
        self._begun = True

    def facts(self, now: float) -> PodFacts:
        """The sums up to `now`."""
        tested, control = (self._sums(revision, now) for revision in (self._tested, self._control))
        ready = {name: pod.since for name, pod in self._pods.items() if pod.since is not None}
        return PodFacts(tested[0], control[0], tested[1], control[1], tested[2], control[2], ready)

    def _sums(self, revision: str, now: float) -> tuple[float, float, float]:
        """Restarts, times that readiness was lost, pod-seconds."""
        pods = [pod for pod in self._pods.values() if pod.revision == revision]
        seconds = 0.0
        for pod in pods:
            if pod.first_ready is not None:
                end = now if pod.gone is None else pod.gone
                seconds += max(end - max(pod.first_ready, self._origin), 0.0)
        return float(sum(pod.restarts for pod in pods)), float(sum(pod.unready for pod in pods)), seconds


def _readiness(pod: _Pod, since: float | None) -> None:
    # Ready since later than known: it was lost and found between two looks.
    if pod.since is not None and (since is None or since > pod.since):
        pod.unready += 1
    pod.since = since
    if since is not None:
        pod.first_ready = since if pod.first_ready is None else min(pod.first_ready, since)
