"""Metric names that servers export and the operator reads. All carry deployment, revision, model and version."""

from __future__ import annotations

REQUESTS = "model_requests_total"
REQUEST_DURATION = "model_request_duration_seconds"
PREDICTIONS = "model_predictions_total"
FEATURE_BIN = "model_feature_bin_total"
PREDICTION_BIN = "model_prediction_bin_total"
FEEDBACK = "model_feedback_total"
FEEDBACK_LOSS_SUM = "model_feedback_loss_sum"
FEEDBACK_LOSS_SQUARES = "model_feedback_loss_squares_sum"
FEEDBACK_LOSS_COUNT = "model_feedback_loss_count"
MONITOR_DROPPED = "model_monitor_dropped_rows_total"
FEATURE_REFERENCE_RATIO = "model_feature_reference_ratio"
FEATURE_REFERENCE_SAMPLES = "model_feature_reference_samples"
FEATURE_DRIFT_FLOOR = "model_feature_drift_floor"
SCORE_BIN_ACCURACY = "model_score_bin_accuracy_ratio"

IDENTITY_LABELS = ("deployment", "revision", "model", "version")
RESULTS = ("ok", "client_rejected", "schema_rejected", "server_error")
