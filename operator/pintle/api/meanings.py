"""What condition types and reasons say, and what a person does about them: docs/reference/reasons.md is made of it."""

from __future__ import annotations

from dataclasses import dataclass

from pintle.api import reasons

TRAINING_JOB = "TrainingJob"
MODEL_VERSION = "ModelVersion"
MODEL_DEPLOYMENT = "ModelDeployment"


@dataclass(frozen=True)
class Meaning:
    """What a reason says and what a person does about it."""

    kinds: tuple[str, ...]
    says: str
    do: str
    final: bool = False
    """For a run or a check: it is over with this reason, and the operator does not try again by itself."""


@dataclass(frozen=True)
class ConditionType:
    """What a condition type says when it is True."""

    kinds: tuple[str, ...]
    says: str


CONDITIONS: dict[str, ConditionType] = {
    reasons.SUCCEEDED: ConditionType(
        (TRAINING_JOB,), "The run of the present definition has ended well: it made a version, or none was needed."
    ),
    reasons.VERIFIED: ConditionType((MODEL_VERSION,), "The bytes in storage are those of the digest."),
    reasons.VALIDATED: ConditionType(
        (MODEL_VERSION,), "The gates passed, and the serving image loaded the model and gave its example answers."
    ),
    reasons.READY: ConditionType(
        (MODEL_VERSION, MODEL_DEPLOYMENT),
        "A version is verified and validated; a deployment's requested revision carries all traffic.",
    ),
    reasons.AVAILABLE: ConditionType(
        (MODEL_DEPLOYMENT,), "Something serves: at least one ready pod carries the traffic."
    ),
    reasons.PROGRESSING: ConditionType((MODEL_DEPLOYMENT,), "A change is under way and gets on."),
    reasons.RETRAIN_SUGGESTED: ConditionType(
        (TRAINING_JOB,), "A run is wanted, and retrainPolicy.mode is Suggest: a person starts it. Absent otherwise."
    ),
    reasons.RETRAIN_HELD: ConditionType(
        (TRAINING_JOB,), "Too many runs in a row failed or were refused: no more starts by itself. Absent otherwise."
    ),
    reasons.ALIAS_CONFLICT: ConditionType(
        (MODEL_DEPLOYMENT,), "An older deployment moves the alias of onPromoted; this one does not. Absent otherwise."
    ),
    reasons.FEATURE_DRIFT: ConditionType((MODEL_DEPLOYMENT,), "A feature no longer lies as in the training data."),
    reasons.PREDICTION_DRIFT: ConditionType((MODEL_DEPLOYMENT,), "The predictions no longer lie as at evaluation."),
    reasons.TRAINING_SERVING_SKEW: ConditionType(
        (MODEL_DEPLOYMENT,), "A feature lay otherwise than in the training data from the revision's first rows on."
    ),
    reasons.DATA_STALE: ConditionType(
        (MODEL_DEPLOYMENT,), "The newest row that the serving version was trained on is older than maxDataAgeSeconds."
    ),
    reasons.DEGRADED: ConditionType((MODEL_DEPLOYMENT,), "Labels show that loss or AUC is beyond its bound."),
    reasons.ESTIMATED_DEGRADED: ConditionType(
        (MODEL_DEPLOYMENT,),
        "The accuracy estimated from the scores is below minEstimatedAccuracy; blind to concept drift.",
    ),
    reasons.LABELS_SELECTIVE: ConditionType(
        (MODEL_DEPLOYMENT,),
        "Labels are no fair sample of the predictions: what they say asks for no run. Absent otherwise.",
    ),
}

_TJ, _MV, _MD = (TRAINING_JOB,), (MODEL_VERSION,), (MODEL_DEPLOYMENT,)

REASONS: dict[str, Meaning] = {
    reasons.PENDING: Meaning(
        _TJ, "The run's Job exists, no container has started.", "`kubectl describe pod` of the run."
    ),
    reasons.RUNNING: Meaning(
        _TJ, "The run is Fetching, Training, Evaluating or Uploading.", "Wait; the message names it."
    ),
    reasons.TRAINED: Meaning(_TJ, "The run made a version.", "`kubectl get mver`.", final=True),
    reasons.UNCHANGED: Meaning(
        _TJ,
        "Code, image, parameters, seed, schema and data are those of an earlier run: nothing was trained.",
        "Nothing; change one of them, or the seed, to train again.",
        final=True,
    ),
    reasons.SUSPENDED: Meaning(
        _TJ, "spec.suspend is true: the run was stopped and none is started.", "Set suspend: false."
    ),
    reasons.DATA_INVALID: Meaning(
        _TJ,
        "The rows break spec.schema; nothing was trained.",
        "The message names column, rule, rows and examples: mend the data, the schema, or exclude the partition.",
        final=True,
    ),
    reasons.NEED_MORE_DATA: Meaning(
        (TRAINING_JOB, MODEL_DEPLOYMENT),
        "Too few partitions, or too few rows later than the training rows, to decide; of what is watched, too few rows "
        "in the window.",
        "Add data, lower select.latest, or move the split; of what is watched: wait, or use longer windows.",
        final=True,
    ),
    reasons.GATES_FAILED: Meaning(
        (TRAINING_JOB, MODEL_VERSION),
        "The model is not good enough by spec.gates; it is kept beside its record and registered as refused.",
        "The message has value, interval and bound of each gate; read run.json beside the artifact.",
        final=True,
    ),
    reasons.REQUEST_INVALID: Meaning(
        _TJ, "A container of the run refused what it was asked.", "The message names the field of the spec.", final=True
    ),
    reasons.MODEL_INVALID: Meaning(
        _TJ,
        "`train` ended well but left no model that can be read.",
        "Write it with pintle.train.save(), or as /pintle/model/model.onnx.",
        final=True,
    ),
    reasons.PARITY_FAILED: Meaning(
        _TJ,
        "The converted ONNX model answers otherwise than the trained one.",
        "The message has the largest difference; use another step in the pipeline, or output.modelFormat: Skops.",
        final=True,
    ),
    reasons.FETCH_FAILED: Meaning(
        _TJ, "`fetch` broke unexpectedly.", "The message has exit code and last lines.", final=True
    ),
    reasons.TRAIN_FAILED: Meaning(
        _TJ, "Your code broke.", "The message has exit code and the last lines of it.", final=True
    ),
    reasons.EVALUATE_FAILED: Meaning(
        _TJ, "`evaluate` broke unexpectedly.", "See exit code and last lines.", final=True
    ),
    reasons.UPLOAD_FAILED: Meaning(_TJ, "`upload` broke unexpectedly.", "See exit code and last lines.", final=True),
    reasons.STORAGE_UNAVAILABLE: Meaning(
        (TRAINING_JOB, MODEL_VERSION),
        "The store cannot be reached, or refuses the key.",
        "Look at endpoint, bucket or claim and at the Secret; it is tried again with growing pauses.",
    ),
    reasons.SOURCE_NOT_FOUND: Meaning(
        _TJ, "The ConfigMap or Secret that the spec names is not there.", "Create it; the run starts by itself."
    ),
    reasons.IMAGE_PULL_FAILED: Meaning(
        (TRAINING_JOB, MODEL_VERSION, MODEL_DEPLOYMENT),
        "An image cannot be pulled; a run or a check ends after minutes of this.",
        "Mend the image name, or the pull secret of the namespace's service account.",
        final=True,
    ),
    reasons.CONTAINER_CONFIG_INVALID: Meaning(
        (TRAINING_JOB, MODEL_VERSION, MODEL_DEPLOYMENT),
        "A container cannot be made as asked: a missing Secret or key, a volume, a root image.",
        "The message is the kubelet's or the API server's own.",
        final=True,
    ),
    reasons.DEADLINE_EXCEEDED: Meaning(
        _TJ, "The run took longer than activeDeadlineSeconds.", "Raise it, or train on less.", final=True
    ),
    reasons.BACKOFF_LIMIT_EXCEEDED: Meaning(
        _TJ, "The run broke more often than backoffLimit allows.", "The message has the last failure.", final=True
    ),
    reasons.RESULT_LOST: Meaning(
        _TJ,
        "The run ended well, but its pod and with it the result are gone.",
        "The record lies in storage under runs/; any change of the spec runs it again.",
        final=True,
    ),
    reasons.SUPERSEDED: Meaning(
        _TJ,
        "The definition changed while the run was going: it was stopped for the run of the new one.",
        "Nothing; the way back to the old definition runs it again.",
        final=True,
    ),
    reasons.RUN_DELETED: Meaning(
        _TJ,
        "Somebody deleted the run's Job before it ended; the same spec is not run again.",
        "Change the spec, for instance the seed, to run it.",
        final=True,
    ),
    reasons.RUN_GOING: Meaning(
        _TJ, "A run is wanted while another goes on.", "Nothing; it is asked again when that has ended."
    ),
    reasons.COOLDOWN: Meaning(
        _TJ,
        "A run is wanted sooner after the last one than retrainPolicy.cooldownSeconds allows.",
        "Nothing, or lower cooldownSeconds; refused candidates in a row double it.",
    ),
    reasons.DAILY_BUDGET: Meaning(
        _TJ, "As many runs as retrainPolicy.maxPerDay were triggered in 24 hours.", "Wait, or raise maxPerDay."
    ),
    reasons.CONSECUTIVE_FAILURES: Meaning(
        _TJ,
        "As many runs in a row as retrainPolicy.maxConsecutiveFailures failed or were refused.",
        "Read status.runs and mend the cause; then annotate pintle.dev/run, or change the definition.",
    ),
    reasons.CANDIDATE_WAITING: Meaning(
        _TJ,
        "The deployment that asks does not serve the version yet that was trained last.",
        "See the rollout of that deployment.",
    ),
    reasons.LISTING_DATA: Meaning(
        _TJ, "A throw-away pod lists the data, to see whether there is anything new.", "Wait."
    ),
    reasons.NOTHING_NEW: Meaning(
        _TJ,
        "The data are those that the last run read: nothing is trained.",
        "Nothing; it is asked again when data come.",
    ),
    reasons.SUGGESTED: Meaning(
        _TJ, "retrainPolicy.mode is Suggest, and a run is wanted.", "Annotate pintle.dev/run to start it."
    ),
    reasons.TURNED_OFF: Meaning(
        _TJ, "retrainPolicy.mode is Off, and a run is wanted.", "Set mode: Automatic or Suggest."
    ),
    reasons.CHECKING: Meaning(_MV, "A throw-away pod is looking at the model.", "Wait; `kubectl get pods` shows it."),
    reasons.VERIFIED: Meaning(_MV, CONDITIONS[reasons.VERIFIED].says, "Nothing.", final=True),
    reasons.DIGEST_MISMATCH: Meaning(
        _MV,
        "Storage holds other bytes than the digest promises.",
        "Somebody replaced the files: restore them, or register them as a new version.",
        final=True,
    ),
    reasons.MANIFEST_INVALID: Meaning(
        _MV, "manifest.json is missing or cannot be read.", "`spec.storageUri` must be the artifact folder.", final=True
    ),
    reasons.VALIDATED: Meaning(_MV, CONDITIONS[reasons.VALIDATED].says, "Nothing.", final=True),
    reasons.LOAD_FAILED: Meaning(
        _MV, "The serving image cannot load the model.", "The message has the error; check modelFormat.", final=True
    ),
    reasons.ANSWERS_DIFFER: Meaning(
        _MV,
        "In the serving image the model answers otherwise than its example.json says.",
        "Make example.json with the library versions of the serving image.",
        final=True,
    ),
    reasons.CHECK_FAILED: Meaning(
        _MV,
        "The throw-away pod broke again and again.",
        "The message has exit code and last lines; memory is the usual cause.",
        final=True,
    ),
    reasons.READY: Meaning((MODEL_VERSION, MODEL_DEPLOYMENT), CONDITIONS[reasons.READY].says, "Nothing."),
    reasons.NOT_READY: Meaning(
        (MODEL_VERSION, MODEL_DEPLOYMENT), "Not there yet.", "The other conditions of the object say what is missing."
    ),
    reasons.ALIAS_CONFLICT: Meaning(
        (MODEL_VERSION, MODEL_DEPLOYMENT),
        "The alias belongs to another owner.",
        "Use another name, or take it from the owner the message names.",
    ),
    reasons.NOT_SERVING: Meaning(_MD, "No revision has served yet.", "See the condition Progressing."),
    reasons.SERVING: Meaning(_MD, "Ready pods carry the traffic.", "Nothing."),
    reasons.NO_READY_PODS: Meaning(
        _MD, "The revision that carries the traffic has no ready pod.", "`kubectl describe pod` of the revision."
    ),
    reasons.WAITING_FOR_VERSION: Meaning(
        _MD, "`follow` names an alias or Latest, and no version has it yet.", "Train a model, or set the alias."
    ),
    reasons.VERSION_NOT_FOUND: Meaning(
        (TRAINING_JOB, MODEL_DEPLOYMENT),
        "There is no such ModelVersion, or the one that a gate compares with is not Ready.",
        "Create it, or change spec.version or the gate.",
    ),
    reasons.VERSION_NOT_READY: Meaning(_MD, "The ModelVersion is not Ready.", "`kubectl get mver` says why."),
    reasons.STARTING: Meaning(_MD, "The first revision starts and warms up.", "Wait."),
    reasons.REPLACING: Meaning(_MD, "A new revision warms up beside the one that serves.", "Wait."),
    reasons.DRAINING: Meaning(_MD, "The new revision serves; the old one finishes its requests.", "Wait."),
    reasons.COMPLETE: Meaning(_MD, "No change is under way.", "Nothing."),
    reasons.REVISION_NOT_READY: Meaning(
        _MD,
        "The new revision was not ready within progressDeadlineSeconds; the old one goes on serving.",
        "`kubectl describe pod` and `kubectl logs` of the revision; then change runtime or version.",
    ),
    reasons.AWAITING_GATEWAY: Meaning(
        _MD, "The HTTPRoute is new, and no Gateway has answered to it yet.", "Wait; half a minute is allowed for it."
    ),
    reasons.ROUTE_NOT_ACCEPTED: Meaning(
        _MD,
        "The Gateway does not accept the HTTPRoute, or none answers to it.",
        "The message is the gateway's; check traffic.gateway.parentRefs and its allowedRoutes.",
    ),
    reasons.ROUTE_CONFLICT: Meaning(
        _MD,
        "A Service, Deployment or HTTPRoute of this name belongs to somebody else.",
        "Rename the ModelDeployment or remove the other object.",
    ),
    reasons.SCALED_TO_ZERO: Meaning(_MD, "minReplicas is 0: nothing serves, as asked.", "Raise minReplicas."),
    reasons.STEPPING: Meaning(
        _MD, "A new revision goes by the steps of spec.rollout.", "Wait; status.rollout has the figures."
    ),
    reasons.AWAITING_EVIDENCE: Meaning(
        _MD,
        "The canary has not answered enough requests to go on, or to be promoted; its share stays as it is.",
        "Wait: status.rollout.expectedSeconds; or send it more traffic, or promote it by a person's word.",
    ),
    reasons.METRICS_UNAVAILABLE: Meaning(
        _MD,
        "Nothing can be judged: Prometheus does not answer, or lacks series that it should have.",
        "The message says what to check. Weights stay, and nothing is done, until it answers.",
    ),
    reasons.METRICS_NOT_CONFIGURED: Meaning(
        _MD,
        "A canary cannot be judged: the operator was given no Prometheus.",
        "Give it one in the chart's values; or take rollout.steps and rollout.sensitivity out.",
    ),
    reasons.PAUSED: Meaning(
        _MD,
        "The rollout waits for a person: a pause step, promotion: Manual, a word, or the deadline without evidence.",
        "`kubectl pintle promote`, `resume` or `abort`.",
    ),
    reasons.OBSERVING: Meaning(
        _MD,
        "automation: Observe: the message says what would be done now.",
        "Do it by a person's word, or set automation: Act.",
    ),
    reasons.GUARDING: Meaning(
        _MD,
        "The new revision has been promoted and is compared with the one before, which is the way back.",
        "Wait; the guard ends at status.rollout.endTime.",
    ),
    reasons.ROLLED_BACK: Meaning(
        _MD,
        "The requested revision was refused and is not tried again; the one before serves.",
        "status.refused says why; mend the model, or `kubectl pintle retry`.",
    ),
    reasons.SCORES_DIFFER: Meaning(
        _MD,
        "The canary's scores lie otherwise than the stable's. It decides nothing: a better model may score otherwise.",
        "Look whether that was meant: compare calibration and labels, or pause the rollout by a word.",
    ),
    reasons.SPEC_INVALID: Meaning(
        (TRAINING_JOB, MODEL_VERSION, MODEL_DEPLOYMENT),
        "The API server refused an object made from this spec.",
        "The message is the API server's own and names the field.",
        final=True,
    ),
    reasons.FEATURE_DRIFT: Meaning(
        _MD,
        CONDITIONS[reasons.FEATURE_DRIFT].says,
        "The message names features and figures: a broken source is mended, a changed world is learnt from new data.",
    ),
    reasons.PREDICTION_DRIFT: Meaning(
        _MD,
        CONDITIONS[reasons.PREDICTION_DRIFT].says,
        "See FeatureDrift for the inputs; without any, look at the labels.",
    ),
    reasons.TRAINING_SERVING_SKEW: Meaning(
        _MD,
        CONDITIONS[reasons.TRAINING_SERVING_SKEW].says,
        "Compare how training and the client compute the feature; a new run on the same rows would not help.",
    ),
    reasons.DATA_STALE: Meaning(_MD, CONDITIONS[reasons.DATA_STALE].says, "Let new data come, and train on them."),
    reasons.DEGRADED: Meaning(
        _MD, CONDITIONS[reasons.DEGRADED].says, "Retrain on newer rows, or go back to a version that did better."
    ),
    reasons.ESTIMATED_DEGRADED: Meaning(
        _MD,
        CONDITIONS[reasons.ESTIMATED_DEGRADED].says,
        "It is an estimate: get labels to know, retrain if they agree.",
    ),
    reasons.LABELS_SELECTIVE: Meaning(
        _MD,
        CONDITIONS[reasons.LABELS_SELECTIVE].says,
        "Send labels for a random share of all predictions; the message says where they are missing.",
    ),
    reasons.QUIET: Meaning(_MD, "It is watched, and nothing was found.", "Nothing."),
    reasons.LOOKING: Meaning(_MD, "It has not been looked at yet since this revision serves.", "Wait."),
    reasons.DATA_AGE_UNKNOWN: Meaning(
        _MD,
        "The serving version does not say through when its training rows go.",
        "Give the TrainingJob a timeColumn, or `through` a date in a version made by hand.",
    ),
}
