"""Metric names that servers export and the operator reads. All carry deployment, revision, model and version."""

from __future__ import annotations

from pintle.contract.manifest import BINARY, MULTICLASS, REGRESSION

REQUESTS = "model_requests_total"
REQUEST_DURATION = "model_request_duration_seconds"
PREDICTIONS = "model_predictions_total"
FEATURE_BIN = "model_feature_bin_total"
PREDICTION_BIN = "model_prediction_bin_total"
SCORE_LEVEL = "model_score_level_total"
"""Of classifiers. The limits are the same for all versions (profile.SCORE_LEVELS), those of PREDICTION_BIN are not."""
FEEDBACK = "model_feedback_total"
FEEDBACK_LOSS = "model_feedback_loss"
"""A summary, of which FEEDBACK_LOSS_SUM and FEEDBACK_LOSS_COUNT are the series."""
FEEDBACK_LOSS_SUM = f"{FEEDBACK_LOSS}_sum"
FEEDBACK_LOSS_COUNT = f"{FEEDBACK_LOSS}_count"
FEEDBACK_LOSS_SQUARED = f"{FEEDBACK_LOSS}_squares"
"""A summary with the sum only."""
FEEDBACK_LOSS_SQUARES = f"{FEEDBACK_LOSS_SQUARED}_sum"
FEEDBACK_LOSS_SCALE = "model_feedback_loss_scale"
"""What a regression's error is divided by before it is squared; losses compare only where it is the same."""
FEEDBACK_LABELS = "model_feedback_labels_total"
"""Labels that came to a replica, by what became of them; of whatever revision."""
MONITOR_DROPPED = "model_monitor_dropped_rows_total"
CONNECTIONS_REFUSED = "model_connections_refused_total"
FEATURE_REFERENCE_RATIO = "model_feature_reference_ratio"
FEATURE_REFERENCE_SAMPLES = "model_feature_reference_samples"
FEATURE_DRIFT_FLOOR = "model_feature_drift_floor"
PREDICTION_REFERENCE_RATIO = "model_prediction_reference_ratio"
PREDICTION_REFERENCE_SAMPLES = "model_prediction_reference_samples"
PREDICTION_DRIFT_FLOOR = "model_prediction_drift_floor"
PREDICTION_BIN_LIMIT = "model_prediction_bin_limit"
"""Upper end of a bin of the score; the last one has none."""
SCORE_BIN_ACCURACY = "model_score_bin_accuracy_ratio"

IDENTITY_LABELS = ("deployment", "revision", "model", "version")
RESULTS = ("ok", "client_rejected", "schema_rejected", "server_error")

ROUTE_DEFAULT = "default"
"""By weight, or straight to the root Service."""
ROUTE_DIRECT = "direct"
"""Asked for by header; never judged."""
ROUTES = (ROUTE_DEFAULT, ROUTE_DIRECT)
HEADER_ROUTE = "pintle-route"
"""Request header that the route adds to what a person sent to one revision; its value is ROUTE_DIRECT."""
DURATION_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends in seconds of the request duration histogram."""
DROPPED_QUEUE_FULL = "queue_full"
DROPPED_ERROR = "error"
DROPPED_REASONS = (DROPPED_QUEUE_FULL, DROPPED_ERROR)
REFUSED_TOO_MANY, REFUSED_BAD_HEAD, REFUSED_SLOW_HEAD, REFUSED_UNREAD = "too_many", "bad_head", "slow_head", "unread"
REFUSED_REASONS = (REFUSED_TOO_MANY, REFUSED_BAD_HEAD, REFUSED_SLOW_HEAD, REFUSED_UNREAD)
"""Why a connection was ended: beyond the limit, no HTTP or too long, too slow; answers that nobody takes."""

TRUTHS = {
    BINARY: ("negative", "positive"),
    MULTICLASS: ("wrong", "right"),
    REGRESSION: ("below", "above"),
}
"""Values of the label `truth` by task: the class, whether the most likely class was the true one, and on which side of
the answer the true value lay (equal is below). The second one is what a score speaks for."""
LABEL_ACCEPTED, LABEL_OTHER_REVISION = "accepted", "other_revision"
LABEL_DUPLICATE, LABEL_UNKNOWN, LABEL_INVALID, LABEL_DROPPED = "duplicate", "unknown", "invalid", "dropped"
LABEL_RESULTS = (
    LABEL_ACCEPTED, LABEL_OTHER_REVISION, LABEL_DUPLICATE, LABEL_UNKNOWN, LABEL_INVALID, LABEL_DROPPED,
)  # fmt: skip
"""accepted: of this revision. other_revision: accepted for another one. unknown: not signed with the deployment's key.
invalid: a truth that cannot be read. dropped: accepted, and forgotten before a scrape saw it."""
FEEDBACK_PATH = "/feedback"
"""On the internal port; also below /v2/models/NAME."""
