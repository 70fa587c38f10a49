"""`python -m e2e.demo` runs the demo on the cluster of `make cluster` with Pintle installed; `clean` removes it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx

from e2e.cluster.access import access
from e2e.cluster.errors import ClusterError
from e2e.cluster.tools import tools_on_path
from e2e.demo import objects
from e2e.demo.run import Doors, run
from e2e.demo.waiting import DemoError
from e2e.kubectl import Kubectl, KubectlError


def doors() -> Doors:
    """Where the cluster's doors are: by environment, else as the cluster of `make cluster` says."""
    env = os.environ
    tools_on_path()
    if all(env.get(name) for name in ("KUBECONFIG", "PINTLE_GATEWAY", "PINTLE_PROMETHEUS")):
        kubeconfig, gateway, prometheus = env["KUBECONFIG"], env["PINTLE_GATEWAY"], env["PINTLE_PROMETHEUS"]
    else:
        found = access()
        kubeconfig, gateway, prometheus = found.kubeconfig, found.gateway, found.prometheus
    image = env.get("PINTLE_RUNNER_IMAGE")
    if not image:
        from e2e.images import runner_image

        image = runner_image()
    # On somebody's own gateway: `namespace/name` of the Gateway, and the Host it routes by.
    other = env.get("PINTLE_GATEWAY_REF", ""), env.get("PINTLE_GATEWAY_HOST", "")
    return Doors(str(kubeconfig), gateway, prometheus, image, *other)


def clean(kubeconfig: str) -> None:
    """Removes the demo's namespace with all it holds; an operator or a cluster is left as it is."""
    print(f"removing the namespace {objects.NAMESPACE} ...", flush=True)
    Kubectl(kubeconfig).run(
        "delete", "namespace", objects.NAMESPACE, "--ignore-not-found", "--wait=true", "--timeout=180s", timeout=190
    )
    print("removed", flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """0 after a good run; 1 when something is not as it should be, with one message."""
    parser = argparse.ArgumentParser(prog="python -m e2e.demo", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["run", "clean"], default="run")
    parser.add_argument("--every", type=int, default=3, metavar="N", help="replay every Nth flight (default: 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measured figures as JSON, too")
    options = parser.parse_args(words)
    if options.every < 1:
        parser.error("--every must be at least 1")
    try:
        found = doors()
        if options.command == "clean":
            clean(found.kubeconfig)
            return 0
        outcome = run(found, options.every)
    except (DemoError, ClusterError, KubectlError, ValueError, httpx.HTTPError, subprocess.TimeoutExpired) as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1
    print(outcome.page)
    if options.json:
        figures = dataclasses.asdict(outcome.comparison) | {
            "counts": [dataclasses.asdict(item) for item in outcome.counts],
            "seconds": dict(outcome.page.times),
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    for problem in outcome.problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
