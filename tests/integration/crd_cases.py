"""Every CEL rule of the CRDs with an object that keeps it and one that breaks it. A row reads: this says MESSAGE.

A unit test holds that no rule is without a row; `test_crds.py` asks a real API server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.integration.objects import GONE, model_deployment, model_version, training_job

Object = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """`good` is taken, `bad` refused with `message`. With `before`, both are updates of that object."""

    id: str
    message: str
    good: Object
    bad: Object
    before: Object | None = None

    @property
    def kind(self) -> str:
        return str(self.bad["kind"])


NAME = "lower-case letters, digits and '-', beginning and ending with a letter or digit"
DIGEST = "a digest is written sha256: and 64 hexadecimal digits in lower case"
STORAGE = "storage is written pvc://<claim>/<path> or s3://<bucket>/<path>"
DOTS = "a storage path must not contain . or .."
DECIMAL = 'a number is written as a string like "0.72", without exponent, 9 decimals at most'
IMAGE = "an image name has no white space"
QUANTITY = 'a quantity is written like 2, 500m or 4Gi; quote a fraction: "0.5"'
ENV_NAME = "letters, digits, '_', '-' and '.', not beginning with a digit"
ENV_OURS = (
    "names that begin with PINTLE_ are set by Pintle, but for these settings of the server: PINTLE_TOKENS, "
    "PINTLE_TOKEN_KEY, PINTLE_COHORT_SECONDS, PINTLE_LOSS_SCALE, PINTLE_FEEDBACK_MEMORY"
)
ENV_BOTH = "give value or valueFrom, not both"
VALUE_FROM = "valueFrom needs exactly one of secretKeyRef, configMapKeyRef and fieldRef"
MIN_MAX = "min must not be above max"
FEATURE_RANGE = "min and max are for features of type Number or Integer"
FEATURE_VALUES = "values are for features of type String"
TARGET_FEATURE = "target must not be among the features: the model would be given what it is to predict"
TARGET_COLUMN = "target must be another column than timeColumn and keyColumn"
NOTHING_TO_RUN = "there is nothing to run: give source.configMapRef, trainer.image or trainer.command"
LATEST = "an alias cannot be called latest"
KNOWN_AFTERWARDS = (
    "a column with availableAt: Training is known only after the prediction: take it out of features, or the model "
    "would learn from what it will not have"
)


def job(**changes: Any) -> Object:
    return training_job("delays", **changes)


def renamed(body: Object, name: str) -> Object:
    return {**body, "metadata": {**body["metadata"], "name": name}}


def evaluating(**changes: Any) -> Object:
    """A job with an Evaluate data set, so that its gates can be judged by time."""
    sets = [
        {"name": "train", "role": "Train", "storageUri": "pvc://data/train"},
        {"name": "held", "role": "Evaluate", "storageUri": "pvc://data/held"},
    ]
    return job(datasets=sets, **{"schema__timeColumn": "time", **changes})


def gate(**fields: Any) -> Object:
    return evaluating(gates=[{"metric": "auc", **fields}])


def selecting(**fields: Any) -> Object:
    return job(datasets__0__select={"partition": "{yyyy}-{MM}", **fields})


def excluding(first: str, last: str) -> Object:
    return selecting(exclude=[{"from": first, "to": last, "reason": "sensor broken"}])


def feature(**fields: Any) -> Object:
    return job(schema__features=[{"name": "distance", "type": "Number", **fields}])


def version_feature(**fields: Any) -> Object:
    return model_version(schema={"target": "late", "features": [{"name": "distance", "type": "Number", **fields}]})


def env(kind: Any, where: str, **fields: Any) -> Object:
    return kind(**{f"{where}__env": [{"name": "LEVEL", **fields}]})


def follows(alias: str, **changes: Any) -> Object:
    body = model_deployment(follow=alias, **changes)
    del body["spec"]["version"]
    return body


def routed(**fields: Any) -> Object:
    return model_deployment(traffic__gateway={"parentRefs": [{"name": "edge"}], **fields})


def canary(**changes: Any) -> Object:
    """A deployment whose revisions go by steps; changes below spec.rollout."""
    routed = {"gateway": {"parentRefs": [{"name": "edge"}]}}
    return model_deployment(
        rollout={"sensitivity": "Balanced"},
        traffic=routed,
        **{f"rollout__{path}": value for path, value in changes.items()},
    )


def judged(**fields: Any) -> Object:
    return canary(metrics=[fields])


def own(count: int) -> Object:
    """A canary with so many metrics of a user's own, and a change to one of Pintle's."""
    metrics = [{"name": f"m{number}", "query": "vector(1)", "max": "2"} for number in range(count)]
    return canary(metrics=[{"name": "errors", "dryRun": True}, *metrics])


SECRET = {"secretKeyRef": {"name": "keys", "key": "a"}}
CONFIG = {"configMapKeyRef": {"name": "settings", "key": "a"}}

TRAINING_JOB = [
    Case(
        "a name that fits into the names of its children",
        "metadata.name: 50 characters at most, lower-case letters, digits and '-', "
        "because what is made from it is named after it",
        training_job("d" * 50),
        training_job("d" * 51),
    ),
    Case(
        "the model's name stays",
        "spec.modelName cannot change, because version numbers are counted by it: make a new TrainingJob",
        job(modelName="delays"),
        job(modelName="other"),
        before=job(),
    ),
    Case("a model name", NAME, job(modelName="late-flights"), job(modelName="Late_Flights")),
    Case(
        "something to run: code",
        NOTHING_TO_RUN,
        job(trainer=GONE, source={"configMapRef": {"name": "code"}}),
        job(trainer=GONE),
    ),
    Case(
        "something to run: a command",
        NOTHING_TO_RUN,
        job(trainer={"command": ["python", "-m", "train"]}),
        job(trainer={"command": []}, source={}),
    ),
    Case(
        "something to train on",
        "datasets needs at least one entry with role: Train",
        job(),
        job(datasets__0__role="Validate"),
    ),
    Case(
        "evaluation by time",
        "a data set with role: Evaluate needs schema.timeColumn: its rows must be later than the training rows",
        evaluating(),
        job(datasets=evaluating()["spec"]["datasets"]),
    ),
    Case("a store that is known", STORAGE, job(), job(output__storageUri="gs://models/delays")),
    Case("a path that stays below its root", DOTS, job(), job(datasets__0__storageUri="pvc://data/flights/../secrets")),
    Case("a digest", DIGEST, job(datasets__0__digest="sha256:" + "a" * 64), job(datasets__0__digest="md5:abc")),
    Case("an image", IMAGE, job(), job(trainer__image="example/trainer 1")),
    Case(
        "quantities",
        QUANTITY,
        job(trainer__resources={"requests": {"cpu": 2, "memory": "4Gi"}}),
        job(trainer__resources={"requests": {"memory": "4 GB"}}),
    ),
    Case("environment: a name", ENV_NAME, env(job, "trainer", value="1"), job(trainer__env=[{"name": "1 LEVEL"}])),
    Case(
        "environment: not our names",
        ENV_OURS,
        env(job, "trainer", value="1"),
        job(trainer__env=[{"name": "PINTLE_SEED", "value": "1"}]),
    ),
    Case(
        "environment: one source",
        ENV_BOTH,
        env(job, "trainer", valueFrom=SECRET),
        env(job, "trainer", value="1", valueFrom=SECRET),
    ),
    Case(
        "environment: one reference",
        VALUE_FROM,
        env(job, "trainer", valueFrom=CONFIG),
        env(job, "trainer", valueFrom={**SECRET, **CONFIG}),
    ),
    Case(
        "partitions of known parts",
        "partition is made of {yyyy}, {MM}, {dd}, {HH}, letters, digits and . _ = -",
        selecting(partition="month={yyyy}-{MM}.csv"),
        selecting(partition="{year}-{MM}"),
    ),
    Case(
        "partitions that sort by time",
        "partition needs {yyyy}, or names could not be sorted by time",
        selecting(partition="{yyyy}{MM}{dd}"),
        selecting(partition="{MM}"),
    ),
    Case(
        "a span from first to last",
        "from must not come after to",
        excluding("2013-02", "2013-03"),
        excluding("2013-03", "2013-02"),
    ),
    Case(
        "hyperparameter names",
        "letters, digits and _ . -, beginning with a letter or _",
        job(hyperparameters=[{"name": "max_depth", "value": "6"}]),
        job(hyperparameters=[{"name": "max depth", "value": "6"}]),
    ),
    Case(
        "gates: a metric for the task",
        "a gate's metric must fit schema.task: auc for BinaryClassification; brier, logLoss and accuracy for both "
        "classifications; rmse, mae and r2 for Regression",
        evaluating(schema__task="BinaryClassification", gates=[{"metric": "auc", "min": "0.7"}]),
        evaluating(schema__task="Regression", gates=[{"metric": "auc", "min": "0.7"}]),
    ),
    Case("gates: numbers", DECIMAL, gate(min="0.7"), gate(min="7e-1")),
    Case(
        "gates: a bound or a comparison",
        "a gate needs min, max or comparedTo",
        gate(comparedTo="Baseline"),
        gate(blockBy="Day"),
    ),
    Case("gates: a range that is not empty", MIN_MAX, gate(min="9.5", max="10"), gate(min="10", max="9.5")),
    Case(
        "gates: what belongs to a comparison",
        "require, minImprovement and margin need comparedTo",
        gate(comparedTo="Baseline", require="Better", minImprovement="0.01"),
        gate(min="0.7", require="Better"),
    ),
    Case(
        "gates: improvement is for Better",
        "minImprovement goes with require: Better",
        gate(comparedTo="Baseline", minImprovement="0.01"),
        gate(comparedTo="Baseline", require="NotWorse", margin="0.1", minImprovement="0.01"),
    ),
    Case(
        "gates: NotWorse by how much",
        "margin (how much worse is still good enough) goes with require: NotWorse, and NotWorse needs it",
        gate(comparedTo="Baseline", require="NotWorse", margin="0.01"),
        gate(comparedTo="Baseline", require="NotWorse"),
    ),
    Case(
        "gates: no negative bounds",
        "minImprovement must not be negative, margin must be above 0",
        gate(comparedTo="Baseline", minImprovement="0"),
        gate(comparedTo="Baseline", minImprovement="-0.01"),
    ),
    Case(
        "gates: one version to compare with",
        "gates compare with the champion or with one version, not with several",
        evaluating(gates=[{"metric": "auc", "comparedTo": name} for name in ("Baseline", "Champion", "Champion")]),
        evaluating(gates=[{"metric": "auc", "comparedTo": name} for name in ("Champion", "v3")]),
    ),
    Case(
        "gates: blocks of time need a time",
        "blockBy: Hour, Day or Week needs schema.timeColumn",
        gate(min="0.7", blockBy="Day"),
        job(gates=[{"metric": "auc", "min": "0.7", "blockBy": "Day"}]),
    ),
    Case(
        "gates: a slice that is there",
        "a gate's slice must be one of schema.features",
        job(
            schema__features=[{"name": "carrier", "type": "String"}],
            gates=[{"metric": "auc", "min": "0.7", "slice": "carrier"}],
        ),
        job(
            schema__features=[{"name": "carrier", "type": "String"}],
            gates=[{"metric": "auc", "min": "0.7", "slice": "airline"}],
        ),
    ),
    Case("features: a range", MIN_MAX, feature(min="-5", max="5000"), feature(min="5000", max="-5")),
    Case(
        "features: a range of numbers",
        FEATURE_RANGE,
        feature(type="Integer", min="0"),
        feature(type="String", min="0"),
    ),
    Case(
        "features: a list of strings",
        FEATURE_VALUES,
        feature(type="String", values=["AA", "B6"]),
        feature(type="Number", values=["1", "2"]),
    ),
    Case(
        "the target is no feature",
        TARGET_FEATURE,
        job(schema__features=[{"name": "distance", "type": "Number"}]),
        job(schema__features=[{"name": "late", "type": "Boolean"}]),
    ),
    Case(
        "features that are there when a prediction is asked for",
        KNOWN_AFTERWARDS,
        feature(availableAt="Prediction"),
        feature(availableAt="Training"),
    ),
    Case(
        "gates: something to compare with",
        "comparedTo is Baseline, Champion, or a version like v3",
        gate(comparedTo="v3"),
        gate(comparedTo="v0"),
    ),
    Case(
        "a schedule of five fields",
        'a schedule is five cron fields like "0 3 * * 1", without TZ=',
        job(triggers={"schedule": "*/5 3-7 * JAN MON,TUE", "timeZone": "Europe/Berlin"}),
        job(triggers={"schedule": "CRON_TZ=UTC 0 3 * * 1"}),
    ),
    Case(
        "a time zone of something",
        "timeZone needs a schedule",
        job(triggers={"timeZone": "UTC"}),
        job(triggers={"timeZone": "Europe/Berlin"}),
    ),
    Case(
        "the target is no other column",
        TARGET_COLUMN,
        job(schema__keyColumn="flight"),
        job(schema__timeColumn="late"),
    ),
]

MODEL_VERSION = [
    Case(
        "a name made of model and number",
        "metadata.name must be <spec.modelName>-v<spec.version>, like delays-v3",
        model_version("delays", 12),
        renamed(model_version("delays", 12), "delays-v012"),
    ),
    Case(
        "never changed",
        "a ModelVersion cannot be changed: make a new one with the next version number",
        {**model_version(), "metadata": {"name": "delays-v1", "labels": {"team": "a"}}},
        model_version(digest="sha256:" + "b" * 64),
        before=model_version(),
    ),
    Case("a model name", NAME, model_version("late-flights"), renamed(model_version("Delays"), "delays-v1")),
    Case("a store that is known", STORAGE, model_version(), model_version(storageUri="https://example.org/model")),
    Case("a path below its root", DOTS, model_version(), model_version(storageUri="s3://models/../x")),
    Case("a digest", DIGEST, model_version(), model_version(digest="sha256:" + "A" * 64)),
    Case(
        "numbers",
        DECIMAL,
        model_version(metrics=[{"name": "auc", "value": "0.71"}]),
        model_version(metrics=[{"name": "auc", "value": "NaN"}]),
    ),
    Case("an image", IMAGE, model_version(source={"image": "a:1"}), model_version(source={"image": "a 1"})),
    Case("features: a range", MIN_MAX, version_feature(min="1", max="2"), version_feature(min="2", max="1")),
    Case("features: of numbers", FEATURE_RANGE, version_feature(min="1"), version_feature(type="Boolean", min="1")),
    Case(
        "features: of strings",
        FEATURE_VALUES,
        version_feature(type="String", values=["AA"]),
        version_feature(values=["AA"]),
    ),
    Case("the target is no feature", TARGET_FEATURE, version_feature(), version_feature(name="late")),
    Case(
        "features that are there when a prediction is asked for",
        KNOWN_AFTERWARDS,
        version_feature(availableAt="Prediction"),
        version_feature(availableAt="Training"),
    ),
    Case(
        "the target is no other column",
        TARGET_COLUMN,
        model_version(schema={"target": "late", "keyColumn": "flight"}),
        model_version(schema={"target": "late", "keyColumn": "late"}),
    ),
]

MODEL_DEPLOYMENT = [
    Case(
        "a name that a Service can have",
        "metadata.name: 50 characters at most, lower-case letters, digits and '-', beginning with a letter, "
        "because what is made from it is named after it",
        model_deployment("d2"),
        model_deployment("2d"),
    ),
    Case(
        "one way to choose a version",
        "give exactly one of version and follow",
        follows("Latest"),
        model_deployment(follow="Latest"),
    ),
    Case(
        "the model's name stays",
        "modelName cannot change: make a new ModelDeployment",
        model_deployment(version=2),
        model_deployment(modelName="other"),
        before=model_deployment(),
    ),
    Case(
        "no alias that waits for itself",
        "onPromoted must not move the alias that follow waits for",
        follows("staging", onPromoted={"alias": "champion"}),
        follows("champion", onPromoted={"alias": "champion"}),
    ),
    Case(
        "something to follow",
        "follow is Latest or an alias of lower-case letters, digits and '-'",
        follows("champion"),
        follows("Champion"),
    ),
    Case(
        "Latest as it is written",
        "write Latest with a capital letter; an alias cannot be called latest",
        follows("Latest"),
        follows("latest"),
    ),
    Case(
        "no alias that looks like Latest",
        LATEST,
        model_deployment(onPromoted={"alias": "champion"}),
        model_deployment(onPromoted={"alias": "latest"}),
    ),
    Case("a model name", NAME, model_deployment(), model_deployment(modelName="Delays")),
    Case("an image", IMAGE, model_deployment(runtime__image="a:1"), model_deployment(runtime__image="a: 1")),
    Case(
        "quantities",
        QUANTITY,
        model_deployment(runtime__resources={"limits": {"cpu": "500m"}}),
        model_deployment(runtime__resources={"limits": {"cpu": "half"}}),
    ),
    Case(
        "environment: a name",
        ENV_NAME,
        env(model_deployment, "runtime", value="1"),
        model_deployment(runtime__env=[{"name": "1"}]),
    ),
    Case(
        "environment: not our names",
        ENV_OURS,
        model_deployment(runtime__env=[{"name": "PINTLE_COHORT_SECONDS", "value": "60"}]),
        model_deployment(runtime__env=[{"name": "PINTLE_MODEL", "value": "1"}]),
    ),
    Case(
        "environment: one source",
        ENV_BOTH,
        env(model_deployment, "runtime", valueFrom=CONFIG),
        env(model_deployment, "runtime", value="1", valueFrom=CONFIG),
    ),
    Case(
        "environment: one reference",
        VALUE_FROM,
        env(model_deployment, "runtime", valueFrom={"fieldRef": {"fieldPath": "metadata.name"}}),
        env(model_deployment, "runtime", valueFrom={}),
    ),
    Case(
        "replicas from small to large",
        "maxReplicas must not be below minReplicas (which is 1 when left out)",
        model_deployment(runtime={"minReplicas": 2, "maxReplicas": 4}),
        model_deployment(runtime={"minReplicas": 4, "maxReplicas": 2}),
    ),
    Case(
        "autoscaling from one pod on",
        "autoscaling (maxReplicas) needs minReplicas of at least 1",
        model_deployment(runtime={"minReplicas": 0}),
        model_deployment(runtime={"minReplicas": 0, "maxReplicas": 2}),
    ),
    Case(
        "a target for autoscaling only",
        "targetCPUUtilizationPercentage is for autoscaling: give maxReplicas too",
        model_deployment(runtime={"maxReplicas": 2, "targetCPUUtilizationPercentage": 80}),
        model_deployment(runtime={"targetCPUUtilizationPercentage": 80}),
    ),
    Case(
        "host names",
        "a host name like models.example.org or *.example.org, without scheme and port",
        routed(hostnames=["*.example.org"]),
        routed(hostnames=["http://example.org:80"]),
    ),
    Case(
        "paths",
        "a path begins with / and has letters, digits and . _ ~ - / only",
        routed(path="/delays/v1"),
        routed(path="delays"),
    ),
    Case("paths that are plain", "a path must not contain //, /. or /..", routed(path="/"), routed(path="/a/../b")),
    Case(
        "steps: a share or a pause",
        "a step has either a weight or pause: true",
        canary(steps=[{"weight": 5, "minSeconds": 60}, {"pause": True}, {"weight": 50, "pause": False}]),
        canary(steps=[{"weight": 5}, {"weight": 50, "pause": True}]),
    ),
    Case(
        "steps: some traffic",
        "steps need at least one with a weight",
        canary(steps=[{"pause": True}, {"weight": 1}]),
        canary(steps=[{"pause": True}]),
    ),
    Case(
        "steps: a route",
        "a rollout in steps needs traffic.gateway: without a route there are no shares",
        canary(steps=[{"weight": 5}]),
        model_deployment(rollout={"steps": [{"weight": 5}]}),
    ),
    Case(
        "metrics: for a canary",
        "metrics and advanced are for a canary: give sensitivity or steps too",
        canary(sensitivity=GONE, steps=[{"weight": 5}], advanced={"minRows": 100}),
        model_deployment(rollout__advanced={"minRows": 100}),
    ),
    Case(
        "metrics: a query of one's own",
        "a metric of your own needs a query; errors, slow, missing, loss and restarts are measured by Pintle and have "
        "none",
        judged(name="basket", query="vector(1)", max="2"),
        judged(name="errors", query="vector(1)", max="2"),
    ),
    Case(
        "metrics: a limit",
        "a metric with a query needs max, min or maxIncrease",
        judged(name="basket", query="vector(1)", maxIncrease="0.1"),
        judged(name="basket", query="vector(1)"),
    ),
    Case(
        "metrics: limits of Pintle's",
        "the limits of errors, slow, missing and loss stand in rollout.advanced",
        judged(name="errors", dryRun=True),
        judged(name="errors", max="0.1"),
    ),
    Case(
        "metrics: not too many",
        "at most 5 metrics of your own: each is judged at its own price in evidence",
        own(5),
        own(6),
    ),
    Case("numbers", DECIMAL, canary(advanced={"slowSeconds": "0.25"}), canary(advanced={"slowSeconds": "1/4"})),
    Case(
        "error probabilities",
        "an error probability lies between 0 and 0.5",
        canary(advanced={"alpha": "0.01", "beta": "0.2"}),
        canary(advanced={"alpha": "0"}),
    ),
    Case(
        "shares",
        "a share lies between 0 and 1",
        canary(advanced={"errors": {"tolerated": "0", "margin": "0.005"}}),
        canary(advanced={"errors": {"tolerated": "0", "margin": "1.5"}}),
    ),
    Case(
        "labels: a bound",
        "a labelled metric needs min or max",
        model_deployment(monitoring={"labelled": [{"metric": "auc", "min": "0.6"}]}),
        model_deployment(monitoring={"labelled": [{"metric": "auc"}]}),
    ),
]

CASES = [*TRAINING_JOB, *MODEL_VERSION, *MODEL_DEPLOYMENT]
