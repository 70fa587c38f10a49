"""What the operator decided on a real Prometheus, recorded by the plugin and replayed, is decided the same again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pintle.cli import record_file
from pintle.core.backtest.replay import replay

from tests.integration.kube import eventually
from tests.integration.scraped import SCRAPE_SECONDS
from tests.integration.test_cli import Plugin
from tests.integration.test_operator_rollout import PATIENCE, World, world

__all__ = ["world"]


@pytest.fixture
def plugin(world: World) -> Plugin:
    """kubectl pintle in the namespace of the rollout."""
    return Plugin(world.space)


def replayed(plugin: Plugin, *words: str) -> dict[str, Any]:
    return dict(json.loads(plugin.run("backtest", *words, "-o", "json")))


def grown(world: World) -> bool:
    """Prometheus has seen a counter of requests grow."""
    found = world.prometheus.query("sum(increase(model_requests_total[10s]))")
    return bool(found and found[0][1] > 0)


def test_a_rollback_is_recorded_and_replayed(world: World, plugin: Plugin, tmp_path: Path) -> None:
    """While it goes on and when it is over; by the same test, on the same requests but for those of a scrape or two."""
    url = world.prometheus.url
    # Which revision was there first is read from the counters: they must have been seen before the other one comes.
    eventually(lambda: grown(world), PATIENCE)
    world.ask_for(2)
    eventually(world.on_trial, PATIENCE)
    canary = world.canary()
    world.bad[canary] = 0.33
    plugin.run("why", "delays", "--record", str(tmp_path / "going.csv.gz"), "--prometheus", url)
    going = replayed(plugin, str(tmp_path / "going.csv.gz"))
    assert (going["of"]["phase"], going["of"]["tested"]) == ("Canary", canary)
    eventually(lambda: world.ready() == "False/RolledBack", PATIENCE)
    (line,) = [line for line in world.operator.decisions() if line.get("action") == "Rollback"]
    file = str(tmp_path / "over.jsonl")
    said = plugin.run("why", "delays", "--record", file, "--prometheus", url)
    assert f"kubectl pintle backtest {file}" in said
    found = replayed(plugin, file, "--compare")
    assert (found["outcome"], found["agrees"]) == ("RolledBack", True)
    decided = found["decided"]
    assert (decided["action"], decided["revision"], decided["rule"]) == ("Rollback", canary, line["rule"])
    assert abs(decided["rows"] - line["rows"]) <= 0.2 * line["rows"] + 20, (decided, line)
    print(
        f"\n{SCRAPE_SECONDS} s scrapes: the operator took it back on {line['rows']:.0f} requests with evidence"
        f" {line['evidence']:.3g}, the replay on {decided['rows']} with {decided['evidence']}"
    )
    ranged = replayed(
        plugin, "--prometheus", url, "--deployment", "delays", "--from", "10m",
        "--set", "sensitivity=Fast", "--set", "steps=20:1,50:1",
    )  # fmt: skip
    assert (ranged["outcome"], ranged["of"]["tested"]) == ("RolledBack", canary)
    assert ranged["decided"]["rule"] == line["rule"]


def test_a_promotion_is_recorded_and_replayed(world: World, plugin: Plugin, tmp_path: Path) -> None:
    """From the history alone: the guard is over, and nothing in the route says any more when it began."""
    world.ask_for(2)
    eventually(lambda: world.serves(2) and world.ready() == "True/Ready", 2 * PATIENCE)
    file = tmp_path / "good.jsonl"
    plugin.run("why", "delays", "--record", str(file), "--prometheus", world.prometheus.url)
    found = replayed(plugin, str(file))
    assert [entry["action"] for entry in found["recorded"]] == ["Step", "Step", "Promote"]
    assert found["agrees"] is True
    steps = [deed.action for deed in replay(record_file.load(str(file))).deeds]
    assert steps[:2] == ["Step", "Promote"]
