"""Labels, annotations, container and environment names that operator and images share."""

from __future__ import annotations

GROUP = "pintle.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FIELD_MANAGER = "pintle"
STATUS_MANAGER = "pintle-status"

LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGED_BY = "pintle"
LABEL_COMPONENT = f"{GROUP}/component"
LABEL_TRAINING_JOB = f"{GROUP}/training-job"
LABEL_RUN = f"{GROUP}/run"
LABEL_MODEL = f"{GROUP}/model"
LABEL_VERSION = f"{GROUP}/version"
LABEL_DEPLOYMENT = f"{GROUP}/deployment"
LABEL_REVISION = f"{GROUP}/revision"

COMPONENT_RUN = "run"
COMPONENT_CHECK = "check"
COMPONENT_SERVER = "server"
COMPONENT_LISTING = "listing"

# The truth of a rollout lies in this annotation of our own HTTPRoute (or root Service), never in a parent's.
ANNOTATION_ROLLOUT = f"{GROUP}/rollout"
# A person's word on a ModelDeployment: one JSON object with verb, id, revision or version, by.
ANNOTATION_ACTION = f"{GROUP}/action"
# A person's word on a ModelVersion: comma-separated alias names.
ANNOTATION_ALIAS = f"{GROUP}/alias"
# A person's wish for a run, on a TrainingJob: {"id": "...", "by": "ann"}; each id is answered once.
ANNOTATION_RUN = f"{GROUP}/run"

CONTAINER_RECORD = "record"
CONTAINER_FETCH = "fetch"
CONTAINER_TRAIN = "train"
CONTAINER_EVALUATE = "evaluate"
CONTAINER_UPLOAD = "upload"
CONTAINER_LISTING = "listing"
CONTAINER_CHECK = "check"
CONTAINER_SERVER = "server"

PORT_HTTP = 8080
PORT_METRICS = 8081

ENV_RUN = "PINTLE_RUN"
ENV_RUN_NAME = "PINTLE_RUN_NAME"
ENV_DATA_DIR = "PINTLE_DATA_DIR"
ENV_MODEL_DIR = "PINTLE_MODEL_DIR"
ENV_RECORD_DIR = "PINTLE_RECORD_DIR"
ENV_HYPERPARAMETERS = "PINTLE_HYPERPARAMETERS"
ENV_SEED = "PINTLE_SEED"
# The operator's policy for skops models: comma-separated type names that may be loaded besides the libraries' own.
ENV_TRUSTED_TYPES = "PINTLE_TRUSTED_TYPES"
# Moves all folders, and the termination message, elsewhere: for a laptop and for tests.
ENV_ROOT = "PINTLE_ROOT"
ENV_TERMINATION_LOG = "PINTLE_TERMINATION_LOG"
ENV_MODEL_URI = "PINTLE_MODEL_URI"
ENV_MODEL_DIGEST = "PINTLE_MODEL_DIGEST"
ENV_DEPLOYMENT = "PINTLE_DEPLOYMENT"
ENV_REVISION = "PINTLE_REVISION"
ENV_MODEL = "PINTLE_MODEL"
ENV_VERSION = "PINTLE_VERSION"
ENV_DRAIN_SECONDS = "PINTLE_DRAIN_SECONDS"
