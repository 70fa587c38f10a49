"""The core of the server: one request in, one answer out, free of any server framework.

`handle` answers by a callback, at once or after the model has run; whoever speaks HTTP (the ASGI app now, a protocol
class on the fast path later) only moves bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NoReturn

from pintle.contract.manifest import OUTLIERS
from pintle.contract.metrics import ROUTE_DEFAULT, ROUTE_DIRECT
from pintle.contract.token import Signer, derived_secret
from pintle.serve.artifact import Artifact
from pintle.serve.batching import Batcher, Job
from pintle.serve.explain import Explainer
from pintle.serve.feedback import Feedback
from pintle.serve.http import (
    OK,
    PLAIN,
    SERVER_ERROR,
    Answer,
    BadRequest,
    IncomingBodies,
    Overloaded,
    Rejected,
    Reply,
    Request,
    error,
    inflate,
    json_answer,
)
from pintle.serve.inference_protocol import server_metadata
from pintle.serve.metrics import Metrics
from pintle.serve.model_api import ModelApi, Paths, Read, Writer, model_api
from pintle.serve.models import Batch, Model, Prediction
from pintle.serve.monitor import Monitor
from pintle.serve.outcome import Outcome
from pintle.serve.report import log
from pintle.serve.rows import RowReader, Rows
from pintle.serve.settings import Settings
from pintle.serve.share import Share
from pintle.serve.tokens import TokenWriter

Answerer = Callable[[Request, Reply], None]
LIVE = json_answer({"live": True})
READY = json_answer({"ready": True})
NOT_READY = json_answer({"ready": False}, 503)


class Handler:
    """Routes, and everything behind them. Belongs to the event loop's thread.

    Before `serve` is called, health is answered (live, not ready) and all else with 503.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.draining = False
        self.incoming = IncomingBodies(settings.incoming_bytes)
        self.monitor: Monitor | None = None
        self.feedback: Feedback | None = None
        self.no_labels = ""
        """Why this model takes no labels, where it does not."""
        self.api: ModelApi | None = None
        self._tokens: TokenWriter | None = None
        self._batcher: Batcher | None = None
        self._paths = Paths(settings.identity)
        self._routes: dict[str, dict[str, Answerer]] = {
            "/v2/health/live": {"GET": lambda _, reply: reply(LIVE)},
            "/v2/health/ready": {"GET": lambda _, reply: reply(READY if self.ready else NOT_READY)},
            "/v2": {"GET": lambda _, reply: reply(server_metadata())},
        }
        self._routes |= {path: {"POST": _not_loaded} for path in self._paths.asked}
        self._routes |= {path: {"GET": _not_loaded} for path in self._paths.told}
        self._routes |= {path: {"GET": lambda _, reply: reply(NOT_READY)} for path in self._paths.ready}

    @property
    def predict_paths(self) -> frozenset[str]:
        """Where predictions are asked for."""
        return self._paths.asked

    @property
    def infer_path(self) -> str:
        """Of the Open Inference Protocol; other protocols are counted as requests to it."""
        return self._paths.infer[0]

    @property
    def ready(self) -> bool:
        """Answers its own example rows, and is not on its way out."""
        return self._batcher is not None and not self.draining

    def serve(self, artifact: Artifact, model: Model) -> None:
        """Take a proven model into service. Called once, in the running event loop."""
        settings, manifest = self.settings, artifact.manifest
        explainer = Explainer(model, manifest, artifact.example, settings.explain_rows)
        api = model_api(artifact, model, RowReader(model.inputs, settings.max_rows), explainer, settings.identity)
        self.api = api
        self.monitor = Monitor(artifact.profile, model.inputs, self.metrics, settings.monitor_rows)
        if manifest.task == OUTLIERS:
            self.no_labels = "an outlier detector takes no labels: its score is no probability"
        else:
            self._take_labels(Outcome(manifest, artifact.profile, settings.loss_scale))
        self._routes |= {path: {"POST": self._answerer(read)} for path, read in api.asked.items()}
        self._routes |= {path: {"GET": _telling(answer)} for path, answer in api.told.items()}
        self._routes |= {path: {"GET": self._ready_answerer(answer)} for path, answer in api.ready.items()}
        self._batcher = Batcher(
            model,
            self._observe,
            batch_rows=settings.batch_rows,
            queue_requests=settings.queue_requests,
            queue_rows=settings.queue_rows,
            explain=explainer.predict,
        )

    def _take_labels(self, outcome: Outcome) -> None:
        """Give tokens with the answers, where they are wanted, and take the labels that come back."""
        settings, identity = self.settings, self.settings.identity
        secrets = settings.token_secrets or (derived_secret(identity.deployment, identity.model),)
        signers = tuple(Signer(secret, identity.deployment) for secret in secrets)
        if settings.tokens:
            try:
                self._tokens = TokenWriter(identity, outcome, signers[0], settings.cohort_seconds)
            except (ValueError, OverflowError) as error:
                log("no tokens", "warning", reason=f"revision or version cannot be in a token: {error}")
        self.feedback = Feedback(
            identity,
            outcome,
            signers,
            self.metrics,
            cohort_seconds=None if self._tokens is None else settings.cohort_seconds,
            memory=settings.feedback_memory,
            max_labels=settings.max_rows,
        )

    def handle(self, request: Request, reply: Reply) -> None:
        """Answer a request: `reply` is called exactly once, now or later. Never raises."""
        methods = self._routes.get(request.path)
        if methods is None:
            reply(error(404, self._not_found(request.path)))
            return
        answerer = methods.get("GET" if request.method == "HEAD" else request.method)
        if answerer is None:
            allowed = ", ".join(methods).encode()
            rejected = BadRequest(f"{request.path} takes {', '.join(methods)}, not {request.method}", 405)
            rejected.headers = ((b"allow", allowed),)
            self.refuse(request, rejected, reply)
            return
        self._run(answerer, request, reply)

    def ask(self, request: Request, read: Read, reply: Reply) -> None:
        """As `handle`, for a request whose rows somebody else reads: another protocol than HTTP."""
        self._run(self._answerer(read) if self._batcher is not None else _not_loaded, request, reply)

    def _run(self, answerer: Answerer, request: Request, reply: Reply) -> None:
        try:
            answerer(request, reply)
        except Rejected as rejected:
            self.refuse(request, rejected, reply)
        except Exception as fault:
            log("request failed", "error", path=request.path, error=repr(fault)[:500])
            self.refuse(request, Rejected(500, "internal error", SERVER_ERROR), reply)

    def refuse(self, request: Request, rejected: Rejected, reply: Reply) -> None:
        """Answer with an error, counted where predictions were asked for."""
        if request.path in self._paths.asked:
            self._count(request, rejected.result)
        reply(rejected.answer())

    def is_known(self, path: str) -> bool:
        """Whether a body sent to this path is worth reading."""
        return path in self._routes

    def close(self) -> None:
        """Count what waits and let the worker end, after the last answer."""
        if self.monitor is not None:
            self.monitor.flush()
        if self._batcher is not None:
            self._batcher.close()

    def _ready_answerer(self, answer: Answer) -> Answerer:
        return lambda _, reply: reply(answer if self.ready else NOT_READY)

    def _answerer(self, read: Read) -> Answerer:
        """How a path answers whose bodies `read` understands."""

        def answer(request: Request, reply: Reply) -> None:
            if request.content_encoding not in PLAIN:
                request.body = inflate(request.body, request.content_encoding, self.settings.max_body_bytes)
            rows, write = read(request)
            assert self._batcher is not None
            self._batcher.submit(Asked(self, request, reply, rows, write))

        return answer

    def write(self, request: Request, share: Share, writer: Writer) -> Answer | Rejected:
        """The answer to a request for predictions, counted."""
        try:
            if request.direct:
                found = writer(share, None)
                self._count(request, OK)
                return found
            found = writer(share, self._tokens)
        except Exception as fault:
            log("answer not written", "error", path=request.path, error=repr(fault)[:500])
            return Rejected(500, "internal error", SERVER_ERROR)
        self.metrics.answered(share.stop - share.start, time.perf_counter() - request.started)
        return found

    def _observe(self, batch: Batch, prediction: Prediction) -> None:
        if self.monitor is not None:
            self.monitor.add(batch, prediction)

    def _count(self, request: Request, result: str) -> None:
        route = ROUTE_DIRECT if request.direct else ROUTE_DEFAULT
        self.metrics.request(result, route, time.perf_counter() - request.started)

    def _not_found(self, path: str) -> str:
        identity = self.settings.identity
        if path.startswith(("/v1/models/", "/v2/models/")):
            return f"this server has the model {identity.model}, version {identity.version}, only; no {path[:200]}"
        return f"no {path[:200]}; try POST /predict, or {self._paths.infer[0]} (Open Inference Protocol)"


class Asked(Job):
    """A request for predictions that waits for the model."""

    __slots__ = ("_handler", "_reply", "_request", "_write")

    def __init__(self, handler: Handler, request: Request, reply: Reply, rows: Rows, write: Writer) -> None:
        super().__init__(rows, request.started + handler.settings.request_seconds, not request.direct)
        self._handler = handler
        self._request = request
        self._reply = reply
        self._write = write

    def done(self, outcome: Share | Rejected) -> None:
        found = self._handler.write(self._request, outcome, self._write) if isinstance(outcome, Share) else outcome
        if isinstance(found, Rejected):
            self._handler.refuse(self._request, found, self._reply)
        else:
            self._reply(found)


def _not_loaded(_: Request, __: Reply) -> NoReturn:
    raise Overloaded("the model is still loading")


def _telling(answer: Answer) -> Answerer:
    return lambda _, reply: reply(answer)
