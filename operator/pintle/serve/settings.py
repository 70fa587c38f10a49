"""What the environment tells a server. The limits protect it and its neighbours; their defaults fit tabular models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pintle.contract import folders, names
from pintle.contract.exits import Exit
from pintle.contract.token import MIN_SECRET_BYTES
from pintle.serve.report import Refusal


@dataclass(frozen=True)
class Identity:
    """Who answers: labels of every metric, and part of every answer."""

    deployment: str = ""
    revision: str = ""
    model: str = "model"
    version: str = "1"


@dataclass(frozen=True)
class Settings:
    """Ports (0 = any free one), places and limits. Times are in seconds, sizes in bytes."""

    identity: Identity = field(default_factory=Identity)
    model_dir: Path = Path(folders.MODEL)
    host: str = ""
    """"" = all addresses, IPv6 too where the node has it."""
    http_port: int = names.PORT_HTTP
    metrics_port: int = names.PORT_METRICS
    grpc_port: int | None = None
    """None = no gRPC."""
    drain_seconds: float = 5.0
    request_seconds: float = 30.0
    """From the head of a request to its answer: reading the body, waiting, predicting."""
    keep_alive_seconds: int = 620
    """Longer than usual proxies keep idle connections (nginx 60 s, Traefik 90 s, cloud balancers to 600 s): they have
    to close first, because a request that meets a closing connection is lost."""
    connections: int = 4_096
    """Open at once on the inference port; one more is answered with 503 and closed."""
    max_body_bytes: int = 8 << 20
    incoming_bytes: int = 128 << 20
    """Of all bodies that are coming in and not yet complete; beyond it the answer is 503 with Retry-After."""
    max_rows: int = 20_000
    """Rows of one request."""
    queue_requests: int = 1_024
    queue_rows: int = 50_000
    """Waiting and running together; beyond either the answer is 503 with Retry-After."""
    batch_rows: int = 1_024
    """Rows of one call of the model; one larger request is one call."""
    explain_rows: int = 50_000
    """Rows that the model is asked for to explain those of one request, where its library does not; 0 = not at all."""
    monitor_rows: int = 100_000
    """Rows that wait to be counted into bins."""
    tokens: bool = True
    """Whether answers carry tokens, by which labels find their predictions later."""
    token_secrets: tuple[bytes, ...] = field(default=(), repr=False)
    """The first signs, all are recognised; empty = derived from the names of deployment and model."""
    cohort_seconds: int = 3_600
    """Labels are counted by the window of so many seconds that their prediction was made in."""
    loss_scale: float = 0.0
    """What a regression's error is divided by; 0 = from the artifact."""
    feedback_memory: int = 50_000
    """Labels that are remembered at least, so that none counts twice."""
    trusted_types: tuple[str, ...] = ()
    """Types a skops file may hold besides contract.trusted; from the operator's policy, never from the artifact."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Raises Refusal for a number that is none."""
        default = cls()

        def number(name: str, fallback: float, least: float = 0) -> float:
            text = environment.get(name, "")
            try:
                value = float(text) if text else float(fallback)
            except ValueError:
                value = least - 1
            if not least <= value < 1e12:
                raise Refusal(Exit.CONFIG, "RequestInvalid", f"{name}={text!r}: expected a number from {least:g}")
            return value

        return cls(
            identity=Identity(
                environment.get(names.ENV_DEPLOYMENT, ""),
                environment.get(names.ENV_REVISION, ""),
                environment.get(names.ENV_MODEL) or default.identity.model,
                environment.get(names.ENV_VERSION) or default.identity.version,
            ),
            model_dir=Path(environment.get(names.ENV_MODEL_DIR) or default.model_dir),
            host=environment.get("PINTLE_HOST", default.host),
            http_port=int(number("PINTLE_HTTP_PORT", default.http_port)),
            metrics_port=int(number("PINTLE_METRICS_PORT", default.metrics_port)),
            grpc_port=int(number("PINTLE_GRPC_PORT", 0)) if environment.get("PINTLE_GRPC_PORT") else None,
            drain_seconds=number(names.ENV_DRAIN_SECONDS, default.drain_seconds),
            request_seconds=number("PINTLE_REQUEST_SECONDS", default.request_seconds, 0.001),
            keep_alive_seconds=int(number("PINTLE_KEEP_ALIVE_SECONDS", default.keep_alive_seconds, 1)),
            connections=int(number("PINTLE_CONNECTIONS", default.connections, 1)),
            max_body_bytes=int(number("PINTLE_MAX_BODY_BYTES", default.max_body_bytes, 1)),
            incoming_bytes=int(number("PINTLE_INCOMING_BYTES", default.incoming_bytes, 1)),
            max_rows=int(number("PINTLE_MAX_ROWS", default.max_rows, 1)),
            queue_requests=int(number("PINTLE_QUEUE_REQUESTS", default.queue_requests, 1)),
            queue_rows=int(number("PINTLE_QUEUE_ROWS", default.queue_rows, 1)),
            batch_rows=int(number("PINTLE_BATCH_ROWS", default.batch_rows, 1)),
            explain_rows=int(number("PINTLE_EXPLAIN_ROWS", default.explain_rows)),
            monitor_rows=int(number("PINTLE_MONITOR_ROWS", default.monitor_rows)),
            tokens=_switch("PINTLE_TOKENS", environment.get("PINTLE_TOKENS") or "on"),
            token_secrets=_secrets(environment),
            cohort_seconds=int(number("PINTLE_COHORT_SECONDS", default.cohort_seconds, 1)),
            loss_scale=number("PINTLE_LOSS_SCALE", default.loss_scale),
            feedback_memory=int(number("PINTLE_FEEDBACK_MEMORY", default.feedback_memory, 1)),
            trusted_types=tuple(environment.get(names.ENV_TRUSTED_TYPES, "").replace(",", " ").split()),
        )


def _switch(name: str, text: str) -> bool:
    if text not in ("on", "off"):
        raise Refusal(Exit.CONFIG, "RequestInvalid", f"{name}={text!r}: expected on or off")
    return text == "on"


def _secrets(environment: Mapping[str, str]) -> tuple[bytes, ...]:
    """Words of PINTLE_TOKEN_KEY, or of the file PINTLE_TOKEN_KEY_FILE. Raises Refusal, which never shows them."""
    text, path = environment.get("PINTLE_TOKEN_KEY", "").encode(), environment.get("PINTLE_TOKEN_KEY_FILE", "")
    name = "PINTLE_TOKEN_KEY_FILE" if path else "PINTLE_TOKEN_KEY"
    if path:
        try:
            text = Path(path).read_bytes()
        except OSError as error:
            message = f"{name}: cannot read {path}: {error.strerror}"
            raise Refusal(Exit.CONFIG, "RequestInvalid", message) from error
    secrets = tuple(text.split())
    if (path and not secrets) or any(len(secret) < MIN_SECRET_BYTES for secret in secrets):
        message = f"{name}: expected keys of at least {MIN_SECRET_BYTES} characters, the one that signs first"
        raise Refusal(Exit.CONFIG, "RequestInvalid", message)
    return secrets
