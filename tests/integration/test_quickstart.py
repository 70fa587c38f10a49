"""The quickstart's scripts as its pods and clients start them, and what its pages have people apply."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.kube import Space

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "quickstart"
PAGE = (EXAMPLE / "README.md").read_text()
TRAINING_JOB, MODEL_DEPLOYMENT = yaml.safe_load_all((EXAMPLE / "model.yaml").read_text())
FEATURES = [feature["name"] for feature in TRAINING_JOB["spec"]["schema"]["features"]]


def blocks_of_yaml(page: str) -> list[str]:
    """What stands between the fences of a page's YAML, and is whole objects."""
    return [block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "apiVersion:" in block]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The file that the Job writes."""
    subprocess.run([sys.executable, EXAMPLE / "data.py", tmp_path / "data"], check=True, timeout=60)
    return tmp_path / "data" / "tumours.csv"


def test_the_written_file_trains_the_model(data: Path, tmp_path: Path) -> None:
    """data.py writes a CSV file, train.py learns from it with the schema's columns and leaves a model."""
    header = data.read_text().splitlines()[0].split(",")
    assert header == ["patient", *FEATURES, "perimeter", "malignant"]
    data.rename(tmp_path / "data" / "train.csv")
    (tmp_path / "data" / "schema.json").write_text(json.dumps(TRAINING_JOB["spec"]["schema"]))
    environment = os.environ | {"PINTLE_ROOT": str(tmp_path), "PINTLE_HYPERPARAMETERS": '{"c": "1"}'}
    subprocess.run([sys.executable, EXAMPLE / "train.py"], check=True, timeout=60, env=environment)
    assert (tmp_path / "model" / "model.skops").is_file()
    logged = json.loads((tmp_path / "record" / "train" / "metrics.jsonl").read_text())
    assert logged["rows"] == 569
    assert logged["trainAccuracy"] > 0.9


def test_the_worse_version_wants_a_column_that_clients_lack(data: Path) -> None:
    """The patches of the page add a column that the data have and ask.py does not send, and take just that out."""
    patches = [operation for text in re.findall(r"--type=json\s.*?'(\[.*?\])'", PAGE, re.DOTALL) for operation in
               json.loads(text)]  # fmt: skip
    added = next(operation["value"]["name"] for operation in patches if operation["op"] == "add")
    removed = next(operation["path"] for operation in patches if operation["op"] == "remove")
    assert added in data.read_text().splitlines()[0].split(",")
    assert added not in FEATURES
    assert removed == f"/spec/schema/features/{len(FEATURES)}"


@pytest.fixture
def asked() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a stand-in for a gateway, and the rows it is asked about; version 7 answers, each third fails."""
    rows: list[dict[str, Any]] = []

    class Gateway(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            rows.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["rows"])
            self.send_response(500 if len(rows) % 3 == 0 else 200)
            self.end_headers()
            self.wfile.write(b'{"version": "7"}')

        def log_message(self, format: str, *words: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/predict", rows
    server.shutdown()
    server.server_close()


def test_the_client_sends_the_columns_of_the_model(asked: tuple[str, list[dict[str, Any]]]) -> None:
    """ask.py sends the features of model.yaml as JSON, and tells answers by version from failures."""
    url, rows = asked
    words = [sys.executable, str(EXAMPLE / "ask.py"), url, "1"]
    done = subprocess.run(words, check=True, timeout=60, capture_output=True, text=True)
    assert rows
    assert all(list(row) == FEATURES for row in rows)
    assert "'version 7': " in done.stdout
    assert "'status 500': " in done.stdout


def test_the_canary_is_the_same_deployment() -> None:
    """canary.yaml adds to the deployment of model.yaml and changes nothing else of it."""
    canary = yaml.safe_load((EXAMPLE / "canary.yaml").read_text())
    assert canary["metadata"] == MODEL_DEPLOYMENT["metadata"]
    assert canary["spec"].items() >= MODEL_DEPLOYMENT["spec"].items()


@pytest.mark.parametrize("number", range(len(blocks_of_yaml((ROOT / "README.md").read_text()))))
def test_objects_of_the_readme_are_accepted(space: Space, tmp_path: Path, number: int) -> None:
    """YAML of the front page passes a real API server's schema and rules under kubectl's strict validation."""
    file = tmp_path / "readme.yaml"
    file.write_text(blocks_of_yaml((ROOT / "README.md").read_text())[number])
    space.kubectl("apply", "--server-side", "--validate=strict", "-f", str(file))
