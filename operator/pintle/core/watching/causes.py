"""Names of what may ask for a new version (spec.retrain.causes), and the identity of one finding."""

from __future__ import annotations

from pintle.api import reasons
from pintle.contract.digest import digest_value, short

FEATURE_DRIFT = reasons.FEATURE_DRIFT
PREDICTION_DRIFT = reasons.PREDICTION_DRIFT
ESTIMATED_METRIC = "EstimatedMetric"
LABELLED_METRIC = "LabelledMetric"
ROLLBACK = "Rollback"
SKEW = reasons.TRAINING_SERVING_SKEW
"""Not a cause: a new version would be trained on the same rows. Counted like one."""


def cause_id(cause: str, revision: str, since: str) -> str:
    """The same for one finding about one revision, another for the next; names no person and fits a label."""
    return short(digest_value([cause, revision, since]))
