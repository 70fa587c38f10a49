"""How strictly a rollout is judged, as its spec says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pintle.api.rollout import BUILT_IN_TESTS, Rollout
from pintle.core.judgement.settings import Settings, settings_for


def settings_of(rollout: Rollout, grid_seconds: float) -> Settings:
    """How strictly a rollout is judged. Raises ValueError for limits that contradict each other."""
    advanced: Mapping[str, Any] = rollout.advanced.model_dump(exclude_none=True) if rollout.advanced else {}
    dry_run = [metric.name for metric in rollout.metrics or () if metric.dryRun and metric.name in BUILT_IN_TESTS]
    return settings_for(rollout.sensitivity, advanced, grid_seconds=grid_seconds, dry_run=dry_run)
