"""The CRDs as a whole: names, columns, sizes, generated files, examples for every rule."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pintle.api
import pytest
import yaml
from pintle.api import generate, meanings, trainingjob
from pintle.api.crd import KINDS, Kind, crd_of, schema_of
from pintle.api.schema import RULES, walk

from tests.integration.crd_cases import CASES

ROOT = Path(__file__).parents[3]
MAX_STATUS_BYTES = 20_000
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)


def rule_messages(kind: Kind) -> set[str]:
    # Rules inside status judge what the operator wrote itself; they are the same types as in spec.
    found = walk(schema_of(kind))
    return {rule["message"] for path, node in found if not path.startswith("status") for rule in node.get(RULES, [])}


@kinds
def test_every_rule_has_its_examples(kind: Kind) -> None:
    """Each rule's message has a row with an accepted and a refused object, and no row is about a rule that is gone."""
    assert {case.message for case in CASES if case.kind == kind.kind} == rule_messages(kind)


def test_generated_files_are_up_to_date() -> None:
    """CRDs, chart and reference pages are what the models say: run `python -m pintle.api.generate`."""
    assert generate.stale(ROOT) == []


def test_check_names_what_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--check writes nothing and fails; without it the files are written and --check is content."""
    assert generate.main(["--check", "--root", str(tmp_path)]) == 1
    assert "crds/trainingjobs.pintle.dev.yaml is out of date" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert generate.main(["--root", str(tmp_path)]) == 0
    assert generate.main(["--check", "--root", str(tmp_path)]) == 0


@kinds
def test_the_chart_keeps_the_crds(kind: Kind) -> None:
    """The chart's CRD is the same but for the annotation without which `helm uninstall` deletes every object."""
    chart = yaml.safe_load((ROOT / f"charts/pintle-crds/templates/{kind.crd_name}.yaml").read_text())
    assert chart["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert chart == crd_of(kind)


@kinds
def test_columns_select_conditions_by_type(kind: Kind) -> None:
    """No column relies on the order of the conditions."""
    for column in kind.columns:
        if "conditions" in column.path:
            assert '?(@.type=="' in column.path


def test_gates_can_ask_for_what_is_measured() -> None:
    """The metrics of the API are those that the evaluation knows, by task."""
    measured = pytest.importorskip("pintle.train.metrics").METRICS
    assert set(trainingjob.METRICS) == set(measured)
    assert {name for name, metric in measured.items() if metric.tasks == ("Regression",)} == set(
        trainingjob.REGRESSION_METRICS
    )
    assert [name for name, metric in measured.items() if metric.tasks == ("BinaryClassification",)] == ["auc"]


@kinds
def test_every_field_is_explained(kind: Kind) -> None:
    """Whatever a person can write or read has a sentence in `kubectl explain`."""
    silent = [
        path
        for path, node in walk({"properties": {key: schema_of(kind)["properties"][key] for key in ("spec", "status")}})
        if path and not path.endswith(("[]", "[*]")) and not node.get("description", "").removeprefix("Default")
    ]
    assert silent == []


@kinds
def test_the_longest_status_is_small(kind: Kind) -> None:
    """A status with every field at its bound stays below 20 kB."""
    assert largest(schema_of(kind)["properties"]["status"]) < MAX_STATUS_BYTES


def largest(node: dict[str, Any]) -> int:
    """Bytes of the longest JSON (in ASCII) that the schema takes."""
    if "enum" in node:
        return max(len(value) for value in node["enum"]) + 2
    match node["type"]:
        case "string":
            return int(node["maxLength"]) + 2
        case "array":
            return int(node["maxItems"]) * (largest(node["items"]) + 1) + 2
        case "object":
            return sum(len(name) + 4 + largest(child) for name, child in node["properties"].items()) + 2
        case "integer":
            # Without a bound: 64 bits.
            return max(len(str(node.get(bound, 2**63))) for bound in ("minimum", "maximum"))
        case _:
            return len("false")


@kinds
def test_condition_types_exist(kind: Kind) -> None:
    """Columns name condition types that `reasons` documents for this kind."""
    for column in kind.columns:
        if "conditions" in column.path:
            name = column.path.split('"')[1]
            assert kind.kind in meanings.CONDITIONS[name].kinds


def test_the_operator_needs_no_yaml() -> None:
    """All of pintle.api but the generator can be imported without PyYAML."""
    names = [f"pintle.api.{module.name}" for module in pkgutil.iter_modules(pintle.api.__path__)]
    names.remove("pintle.api.generate")
    code = f"import sys; sys.modules['yaml'] = None\nimport importlib\nfor n in {names!r}: importlib.import_module(n)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert importlib.import_module("pintle.api.crd")
