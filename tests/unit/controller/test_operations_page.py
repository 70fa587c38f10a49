"""docs/operations.md says what there is."""

from __future__ import annotations

import re
from pathlib import Path

from pintle.controller import config
from pintle.controller.gauges import Gauges
from pintle.controller.store import Store
from pintle.controller.telemetry import Metrics
from pintle.controller.watching.watch import Watch

PAGE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()


def test_every_metric_is_documented_and_no_other() -> None:
    """Metric names are API."""
    registry = Metrics().registry
    registry.register(Gauges(Store(), Watch()))
    there = {name for name in registry._names_to_collectors if name.startswith("pintle_")}
    suffixes = ("_created", "_bucket", "_count", "_sum")
    full = {name for name in there if not name.endswith(suffixes)}
    named = set(re.findall(r"^\| `(pintle_\w+)`", PAGE, re.MULTILINE))
    assert {name.removesuffix("_total") for name in named} == {name.removesuffix("_total") for name in full}


def test_every_setting_is_documented_and_no_other() -> None:
    """All that the environment can say, the fault injection of the tests aside."""
    source = Path(config.__file__).read_text()
    read = set(re.findall(r'"(PINTLE_[A-Z_]+)"', source)) - {"PINTLE_TEST_KILL_AFTER"}
    assert read == set(re.findall(r"`(PINTLE_[A-Z_]+)`", PAGE))
