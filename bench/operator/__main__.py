"""What the operator takes of processor and memory with many deployments: make bench-operator.

All deployments are watched for drift (30 features of 12 bins, a window of ten minutes, judged once a minute); then ten
of them are in rollout, which is judged at every look. API server, Prometheus and operator are real; pods are
counters, and a stand-in plays the kubelet. The operator is one process, as the leader of two replicas is.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.fleet import STEPS, Fleet, fleet, processor_seconds
from bench.report import Report, arguments
from tests.builders import digest
from tests.integration.kube import Space, serving
from tests.integration.objects import model_version

MONITORING = {"drift": {"windows": [{"seconds": 600, "floor": "1h"}], "periodSeconds": 60}}
ROLLOUT = {"sensitivity": "Balanced", "steps": STEPS, "deadlineSeconds": 86_400}


def main() -> None:
    parser = arguments("Processor time and memory of the operator")
    parser.add_argument("--deployments", type=int, default=100)
    parser.add_argument("--rollouts", type=int, default=10)
    parser.add_argument("--spans", type=int, default=3, help="how often it is measured in each state")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of one span")
    parser.add_argument("--scrape", type=float, default=5.0)
    parser.add_argument("--look", type=float, default=0.4)
    options = parser.parse_args()
    report = Report(
        f"The operator with {options.deployments} deployments: scrapes every {options.scrape} s, looks at rollouts "
        f"every {options.look} s, spans of {options.seconds:.0f} s"
    )
    with tempfile.TemporaryDirectory() as folder, serving(gateway=True) as (server, rest):
        rest.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fleet"}})
        with fleet(Path(folder), Space(server, rest, "fleet"), options.scrape, options.look) as made:
            began = time.monotonic()
            for version in (1, 2):
                made.space.create(model_version(version=version, digest=digest(str(version))))
            names = [f"d{number:03d}" for number in range(options.deployments)]
            made.begin(names, rollout=ROLLOUT, monitoring=MONITORING, guard={"seconds": 600})
            print(f"{options.deployments} deployments serve after {time.monotonic() - began:.0f} s", flush=True)
            measure(report, made, "watched only", options)
            made.ask_for(2, made.names[: options.rollouts])
            print(f"{options.rollouts} of them are in rollout", flush=True)
            measure(report, made, f"{options.rollouts} in rollout", options)
    report.finish(options.json)


def measure(report: Report, made: Fleet, state: str, options: argparse.Namespace) -> None:
    """Spans of rest from people: only looks, queries and what they find."""
    time.sleep(options.seconds)
    names = (
        "pintle_operator_prometheus_queries_total",
        "pintle_operator_prometheus_bytes_total",
        "pintle_operator_writes_total",
        "pintle_operator_looks_total",
    )
    share, memory, counted = [], [], {name: [] for name in names}
    for _ in range(options.spans):
        used, began = processor_seconds(made.operator.process.pid), time.monotonic()
        before = {name: made.operator.metric(name) for name in names}
        time.sleep(options.seconds)
        seconds = time.monotonic() - began
        share.append((processor_seconds(made.operator.process.pid) - used) / seconds * 100)
        memory.append(made.operator.resident_megabytes())
        for name in names:
            counted[name].append((made.operator.metric(name) - before[name]) / seconds)
    report.add(f"{state}: of one core", "%", share)
    report.add(f"{state}: resident memory", "MB", memory)
    report.add(f"{state}: queries", "1/s", counted[names[0]])
    report.add(f"{state}: bytes from Prometheus", "kB/s", [value / 1000 for value in counted[names[1]]])
    report.add(f"{state}: writes", "1/s", counted[names[2]])
    report.add(f"{state}: looks at deployments", "1/s", counted[names[3]])


if __name__ == "__main__":
    main()
