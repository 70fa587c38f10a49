"""`python -m e2e.story` tells the whole story on the cluster of `make cluster` with Pintle installed."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx

from e2e.cluster.errors import ClusterError
from e2e.demo.__main__ import clean, doors
from e2e.demo.waiting import DemoError
from e2e.kubectl import KubectlError
from e2e.story import page
from e2e.story.run import Plan, run

HTML = Path("demo.html")


def main(words: Sequence[str] | None = None) -> int:
    """0 after a story that could be told to its end; 1 with one message otherwise."""
    parser = argparse.ArgumentParser(prog="python -m e2e.story", description=__doc__)
    parser.add_argument("--month", type=float, default=Plan.month, metavar="S", help="seconds for a month of 2013")
    parser.add_argument("--every", type=int, default=Plan.every, metavar="N", help="replay every Nth flight")
    parser.add_argument("--through", type=int, default=Plan.months[-1], metavar="M", help="last month that is replayed")
    parser.add_argument("--no-drift", action="store_true", help="January's flights all year, and no new data")
    parser.add_argument("--no-leak", action="store_true", help="the last version is trained without the leak")
    parser.add_argument("--keep", action="store_true", help="go on with what an earlier story left on the cluster")
    parser.add_argument("--html", type=Path, default=HTML, metavar="FILE", help="where the page with plots goes")
    options = parser.parse_args(words)
    if options.month < 10 or options.every < 1 or not 3 <= options.through <= 12:
        parser.error("--month is at least 10, --every at least 1, --through from 3 to 12")
    months = tuple(range(Plan.months[0], options.through + 1))
    plan = Plan(months, options.month, options.every, not options.no_drift, not options.no_leak)
    try:
        found = doors()
        if not options.keep:
            clean(found.kubeconfig)
        told = run(found, plan)
        print(page.terminal(told))
        options.html.write_text(page.html(told), "utf-8")
    except (DemoError, ClusterError, KubectlError, ValueError, httpx.HTTPError, subprocess.TimeoutExpired) as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1
    print(f"\nplots: {options.html.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
