"""What a judgement tolerates and how sure it has to be. docs/judgement.md says what each parameter costs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from math import log
from typing import Any

ERRORS = "errors"
SLOW = "slow"
MISSING = "missing"
LOSS = "loss"
RESTARTS = "restarts"
TESTS = (ERRORS, SLOW, MISSING, LOSS, RESTARTS)
"""Names of the tests, as users write and read them."""

ALPHA_SHARES: Mapping[str, float] = {ERRORS: 0.5, SLOW: 0.125, MISSING: 0.125, LOSS: 0.125, RESTARTS: 0.125}
"""How alpha is split over the tests (Bonferroni). Errors are what a rollback most often is about: half is theirs."""

CAREFUL = "Careful"
BALANCED = "Balanced"
FAST = "Fast"
SENSITIVITIES = (CAREFUL, BALANCED, FAST)


@dataclass(frozen=True)
class Limits:
    """How much worse than the control a revision may be: a share, a loss per row, restarts per pod-second.

    A difference beyond `tolerated` rolls back once the evidence is there; promotion needs the evidence that the
    difference is below `margin`. 0 <= tolerated < margin.
    """

    tolerated: float
    margin: float


@dataclass(frozen=True)
class Settings:
    """Everything that decides a verdict beside the data."""

    alpha: float = 0.01
    """Bound on false rollbacks of one rollout, over all of its looks and tests."""
    beta: float = 0.05
    """Bound on promoting a revision that is worse than a margin."""
    min_rows: float = 100
    """No promotion before the tested revision has answered so many."""
    grid_seconds: float = 15.0
    """Length of a block: the scrape interval."""
    slow_seconds: float | None = None
    """A request is slow beyond this latency, a bucket's upper end; None: chosen from the control's past."""
    errors: Limits = Limits(0.0, 0.01)
    slow: Limits = Limits(0.02, 0.05)
    missing: Limits = Limits(0.005, 0.02)
    loss: Limits = Limits(0.0, 0.02)
    new_feature: Limits = Limits(0.1, 0.2)
    """Missing share of a feature that only the tested revision has, against its training rows: another time, not
    another revision, so a difference has to be gross."""
    restarts: Limits = Limits(1 / 1800, 1 / 60)
    """Per pod-second. A healthy pod restarts less often than `tolerated`; more often than the control is worse, too."""
    gross_errors: float = 0.25
    """Without a control only a share of errors beyond this may act."""
    dry_run: frozenset[str] = field(default_factory=frozenset)
    """Tests that are shown and decide nothing."""
    tests: tuple[str, ...] = TESTS
    """Tests that are made at all; alpha is split over them."""
    required: frozenset[str] = frozenset({ERRORS, SLOW, MISSING, RESTARTS})
    """Tests that promotion waits for, if their counters exist. Labels may take months: the loss only where asked."""

    def limits(self, test: str) -> Limits:
        """Limits of a test by its name."""
        found: Limits = getattr(self, test)
        return found

    def fail_threshold(self, test: str) -> float:
        """Evidence in nats at which a test fails: log(1 / its part of alpha)."""
        part = ALPHA_SHARES[test] / sum(ALPHA_SHARES[name] for name in self.tests)
        return log(1 / (self.alpha * part))

    @property
    def pass_threshold(self) -> float:
        """Evidence in nats at which a test passes. Not split: promotion needs every test, so the weakest bounds it."""
        return log(1 / self.beta)


PRESETS: Mapping[str, Settings] = {
    CAREFUL: Settings(
        alpha=0.01,
        beta=0.01,
        min_rows=500,
        errors=Limits(0.0, 0.005),
        slow=Limits(0.01, 0.03),
        missing=Limits(0.002, 0.01),
        loss=Limits(0.0, 0.01),
        restarts=Limits(1 / 1800, 1 / 300),
    ),
    BALANCED: Settings(),
    FAST: Settings(
        alpha=0.05,
        beta=0.1,
        min_rows=50,
        errors=Limits(0.002, 0.03),
        slow=Limits(0.05, 0.1),
        missing=Limits(0.01, 0.05),
        loss=Limits(0.0, 0.05),
        restarts=Limits(1 / 1800, 1 / 15),
    ),
}

_NUMBERS = {"alpha": "alpha", "beta": "beta", "minRows": "min_rows", "slowSeconds": "slow_seconds"}


def settings_for(
    sensitivity: str | None = None,
    advanced: Mapping[str, Any] | None = None,
    *,
    grid_seconds: float | None = None,
    dry_run: Collection[str] = (),
) -> Settings:
    """Settings of a preset (None: Balanced) with single parameters replaced, as the API writes them.

    `advanced` knows alpha, beta, minRows, slowSeconds, and per test {tolerated, margin}; numbers may be strings.
    Raises ValueError for an unknown name or a value out of its range.
    """
    if (sensitivity or BALANCED) not in PRESETS:
        raise ValueError(f"sensitivity {sensitivity!r} is none of {', '.join(SENSITIVITIES)}")
    unknown = sorted(set(dry_run) - set(TESTS))
    if unknown:
        raise ValueError(f"there is no test {', '.join(unknown)}")
    settings = replace(PRESETS[sensitivity or BALANCED], dry_run=frozenset(dry_run))
    if grid_seconds is not None:
        settings = replace(settings, grid_seconds=grid_seconds)
    for key, value in (advanced or {}).items():
        settings = _with(settings, key, value)
    _check(settings)
    return settings


def _with(settings: Settings, key: str, value: Any) -> Settings:
    if value is None:
        return settings
    if key in _NUMBERS:
        change: dict[str, Any] = {_NUMBERS[key]: float(value)}
        return replace(settings, **change)
    if key not in TESTS:
        raise ValueError(f"there is no parameter {key!r}")
    unknown = sorted(set(value) - {"tolerated", "margin"})
    if unknown:
        raise ValueError(f"{key} has no limit {', '.join(unknown)}")
    numbers = {name: float(number) for name, number in value.items() if number is not None}
    changes: dict[str, Any] = {key: _consistent(settings.limits(key), numbers)}
    if key == LOSS and numbers:
        changes["required"] = settings.required | {LOSS}
    return replace(settings, **changes)


def _consistent(preset: Limits, given: Mapping[str, float]) -> Limits:
    """What is tolerated can never be more than the margin: of the two, the one that was not given makes way."""
    limits = replace(preset, **given)
    if limits.tolerated <= limits.margin:
        return limits
    return Limits(limits.tolerated, limits.tolerated) if "tolerated" in given else Limits(limits.margin, limits.margin)


def _check(settings: Settings) -> None:
    for name in ("alpha", "beta"):
        if not 0 < getattr(settings, name) < 1:
            raise ValueError(f"{name} must lie between 0 and 1")
    if settings.grid_seconds <= 0 or settings.min_rows < 0:
        raise ValueError("the grid must be longer than 0 s and minRows not negative")
    if settings.slow_seconds is not None and settings.slow_seconds <= 0:
        raise ValueError("slowSeconds must be above 0")
    for test in TESTS:
        limits = settings.limits(test)
        if not 0 <= limits.tolerated <= limits.margin <= 1:
            raise ValueError(f"{test}: 0 <= tolerated <= margin <= 1 must hold")
    if not settings.restarts.tolerated:
        raise ValueError("restarts: tolerated is a rate above 0")
