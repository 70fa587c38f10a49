"""What the environment says, and what is wrong with it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pintle.adapters.prometheus import Access
from pintle.controller.config import ConfigError, from_env

IMAGES = {"PINTLE_SERVER_IMAGE": "server:1", "PINTLE_RUNNER_IMAGE": "runner:1"}


def test_defaults() -> None:
    """Two images are enough; without a namespace list the operator works in all of them."""
    config = from_env(IMAGES, "some-uid")
    assert (config.policy.server_image, config.policy.runner_image) == ("server:1", "runner:1")
    assert config.namespaces == ()
    assert config.pod_uid == "some-uid"
    assert config.kill_after is None
    assert (config.prometheus, config.policy.has_metrics, config.receivers) == (None, False, None)


def test_all_that_the_chart_sets_is_read() -> None:
    """Empty values count as not given."""
    env = {
        **IMAGES,
        "PINTLE_WATCH_NAMESPACES": "team-a, team-b,",
        "PINTLE_POD_UID": "uid",
        "PINTLE_START_DEADLINE_SECONDS": "30",
        "PINTLE_DRAIN_SECONDS": "2.5",
        "PINTLE_IMAGE_PULL_POLICY": "",
    }
    config = from_env(env, "other")
    assert config.namespaces == ("team-a", "team-b")
    assert config.pod_uid == "uid"
    assert config.policy.start_deadline == timedelta(seconds=30)
    assert config.policy.drain == timedelta(seconds=2.5)
    assert config.policy.image_pull_policy == "IfNotPresent"


def test_a_prometheus_makes_judgement_possible() -> None:
    """Its address, how to get in, and the grid of the comparison."""
    env = {
        **IMAGES,
        "PINTLE_PROMETHEUS_URL": "https://p:9090/prefix",
        "PINTLE_PROMETHEUS_TOKEN_FILE": "/token",
        "PINTLE_PROMETHEUS_CA_FILE": "/ca",
        "PINTLE_SCRAPE_SECONDS": "5",
        "PINTLE_LOOK_SECONDS": "1",
    }
    config = from_env(env, "uid")
    assert config.prometheus == Access("https://p:9090/prefix", Path("/token"), None, Path("/ca"))
    assert (config.policy.has_metrics, config.policy.scrape, config.look_seconds) == (True, timedelta(seconds=5), 1.0)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"PINTLE_SERVER_IMAGE": "server:1"}, "PINTLE_RUNNER_IMAGE is not set"),
        ({**IMAGES, "PINTLE_DRAIN_SECONDS": "soon"}, "PINTLE_DRAIN_SECONDS must be a number, not 'soon'"),
        ({**IMAGES, "PINTLE_PROMETHEUS_URL": "prometheus:9090"}, "PINTLE_PROMETHEUS_URL must begin with http"),
        (
            {
                **IMAGES,
                "PINTLE_PROMETHEUS_URL": "http://p",
                "PINTLE_PROMETHEUS_TOKEN_FILE": "/a",
                "PINTLE_PROMETHEUS_BASIC_AUTH_FILE": "/b",
            },
            "exclude each other",
        ),
        ({**IMAGES, "PINTLE_RESYNC_SECONDS": "-1"}, "PINTLE_RESYNC_SECONDS must be above 0, not -1"),
    ],
)
def test_what_is_wrong_is_named(env: dict[str, str], message: str) -> None:
    """The variable and what is expected of it."""
    with pytest.raises(ConfigError, match=message):
        from_env(env, "uid")
