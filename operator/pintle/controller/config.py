"""What the operator is told by its environment; the chart sets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from pintle.adapters.prometheus import Access
from pintle.contract import names
from pintle.core.plan import Policy


class ConfigError(Exception):
    """The environment is wrong; the message says which variable and why."""


@dataclass(frozen=True)
class Config:
    """The operator's settings."""

    policy: Policy
    pod_uid: str
    """Holder of the Lease; the same for a container that is restarted in its pod."""
    pod_namespace: str
    pod_name: str = ""
    namespaces: tuple[str, ...] = ()
    """Namespaces to work in; empty: all."""
    health_port: int = 8082
    metrics_port: int = 8083
    workers: int = 16
    resync_seconds: float = 60.0
    log_level: str = "INFO"
    prometheus: Access | None = None
    """None: nothing is judged or watched."""
    look_seconds: float = 0.5
    """How often revisions in rollout or guard are looked at."""
    receivers: Path | None = None
    """Folder with a file for each receiver of notifications."""
    kill_after: int | None = field(default=None)
    """For tests only: end the process with SIGKILL after this many effects."""


def from_env(env: Mapping[str, str], fallback_uid: str) -> Config:
    """Read the settings. Raises ConfigError. `fallback_uid` names the holder where there is no pod."""
    prometheus = _prometheus(env)
    policy = Policy(
        server_image=_required(env, "PINTLE_SERVER_IMAGE"),
        runner_image=_required(env, "PINTLE_RUNNER_IMAGE"),
        image_pull_policy=env.get("PINTLE_IMAGE_PULL_POLICY") or "IfNotPresent",
        start_deadline=timedelta(seconds=_number(env, "PINTLE_START_DEADLINE_SECONDS", 300)),
        drain=timedelta(seconds=_number(env, "PINTLE_DRAIN_SECONDS", 10)),
        has_metrics=prometheus is not None,
        scrape=timedelta(seconds=_number(env, "PINTLE_SCRAPE_SECONDS", 15)),
        trusted_types=_names(env, names.ENV_TRUSTED_TYPES),
    )
    kill_after = env.get("PINTLE_TEST_KILL_AFTER")
    return Config(
        policy=policy,
        pod_uid=env.get("PINTLE_POD_UID") or fallback_uid,
        pod_namespace=env.get("PINTLE_POD_NAMESPACE") or "default",
        pod_name=env.get("PINTLE_POD_NAME", ""),
        namespaces=_names(env, "PINTLE_WATCH_NAMESPACES"),
        health_port=int(_number(env, "PINTLE_HEALTH_PORT", 8082)),
        metrics_port=int(_number(env, "PINTLE_METRICS_PORT", 8083)),
        workers=int(_number(env, "PINTLE_WORKERS", 16)),
        resync_seconds=_number(env, "PINTLE_RESYNC_SECONDS", 60),
        log_level=env.get("PINTLE_LOG_LEVEL") or "INFO",
        prometheus=prometheus,
        look_seconds=_number(env, "PINTLE_LOOK_SECONDS", 0.5),
        receivers=_path(env, "PINTLE_RECEIVERS_FOLDER"),
        kill_after=int(kill_after) if kill_after else None,
    )


def _prometheus(env: Mapping[str, str]) -> Access | None:
    url = env.get("PINTLE_PROMETHEUS_URL", "").strip()
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"PINTLE_PROMETHEUS_URL must begin with http:// or https:// and name a host, not {url!r}")
    token, basic = _path(env, "PINTLE_PROMETHEUS_TOKEN_FILE"), _path(env, "PINTLE_PROMETHEUS_BASIC_AUTH_FILE")
    if token and basic:
        raise ConfigError("PINTLE_PROMETHEUS_TOKEN_FILE and PINTLE_PROMETHEUS_BASIC_AUTH_FILE exclude each other")
    return Access(url, token, basic, _path(env, "PINTLE_PROMETHEUS_CA_FILE"))


def _path(env: Mapping[str, str], name: str) -> Path | None:
    text = env.get(name, "").strip()
    return Path(text) if text else None


def _names(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(item.strip() for item in env.get(name, "").split(",") if item.strip())


def _required(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "").strip()
    if not value:
        raise ConfigError(f"{name} is not set")
    return value


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name, "").strip()
    try:
        value = float(text) if text else float(default)
    except ValueError:
        raise ConfigError(f"{name} must be a number, not {text!r}") from None
    if value <= 0:
        raise ConfigError(f"{name} must be above 0, not {text}")
    return value
