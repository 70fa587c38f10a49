"""How long a breach lives: make bench-rollback. The figures of the design's goal, over 200 breaches.

- first bad answer -> visible: until an independent observer that polls Prometheus at 10 Hz with the same engine gets
  Fail (t0); it is made of the scrape and of the evidence that is needed
- t0 -> route write: until the operator decided the write that takes the canary's weight away (by the record's own time)
- t0 -> t1: until the last request that reached the canary was sent

A canary stands at half of the traffic and answers well; then half of its requests begin to fail. After the rollback
`retry` brings it back with the same pods. Negative times mean that the operator was faster than the observer.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from bench.arena import Checkpoint, arena
from bench.report import Report, arguments
from bench.rollback.observer import Observer, Subject, record_of, unix
from bench.rollback.telling import tell_times
from e2e.tests.load import Load
from e2e.tests.rolling import Rolling, Rows
from e2e.tests.versions import Made

STEPS = [{"weight": 50, "minSeconds": 0}, {"pause": True}]
ROLLOUT = {"sensitivity": "Fast", "steps": STEPS, "deadlineSeconds": 3600}
BAD = 0.5
PER_SECOND = 60
QUIET_SECONDS = 3.0


def breach(rolling: Rolling, rows: Rows, load: Load, prometheus: str) -> dict[str, float]:
    """One breach from good canary to rollback; returns its times in seconds."""
    rolling.until("a canary at half", lambda s: (s.get("canary") or {}).get("weight") == 50, seconds=120)
    record = record_of(rolling.kube, rolling.name)
    subject = Subject(
        rolling.kube.namespace,
        rolling.name,
        record.canary,
        record.stable,
        unix(record.course.origin),
        ROLLOUT,
    )
    load.wait_for_answers("2", load.versions["2"] + int(QUIET_SECONDS * PER_SECOND / 2))
    with Observer(prometheus, subject) as observer:
        began = time.time()
        rows.low = 0.0
        rolling.until_refused(2, seconds=120)
        written = unix(record_of(rolling.kube, rolling.name).since)
        rows.low = BAD
        deadline = time.monotonic() + 15
        while observer.failed_at is None and time.monotonic() < deadline:
            time.sleep(0.05)
    bad = [sent for sent, version in load.seen if sent >= began and version == ""]
    reached = [sent for sent, version in load.seen if sent >= began and version in ("", "2")]
    if observer.failed_at is None or not bad:
        raise AssertionError(f"{rolling.name}: the observer saw no Fail ({len(bad)} bad answers)")
    return {
        "visible": observer.failed_at - bad[0],
        "write": written - observer.failed_at,
        "t1": max(reached) - observer.failed_at,
        "whole": max(reached) - bad[0],
        "bad": float(len(bad)),
    }


def work(rolling: Rolling, breaches: int, prometheus: str, done: Checkpoint, errors: list[str]) -> None:
    rows = Rows(low=BAD)
    with Load(f"{rolling.url}/predict", rows, per_second=PER_SECOND, limit_seconds=3 * 3600) as load:
        load.wait_for_version("1")
        rolling.apply(2, rollout=ROLLOUT)
        for number in range(breaches):
            try:
                sample = breach(rolling, rows, load, prometheus)
                done.add({**sample, "deployment": rolling.name})
                told = ", ".join(f"{name} {value:.2f}" for name, value in sample.items())
                print(f"  {rolling.name} {number + 1}/{breaches}: {told}", flush=True)
                rolling.act("retry", revision=rolling.status()["refused"][0]["revision"])
            except Exception as error:
                errors.append(f"{rolling.name} breach {number}: {str(error)[:800]}")
                return


def main() -> int:
    parser = arguments(__doc__ or "")
    parser.add_argument("--breaches", type=int, default=200)
    parser.add_argument("--deployments", type=int, default=2, help="in rollout at once")
    parser.add_argument("--checkpoint", type=Path, help="file of samples to go on from")
    options = parser.parse_args()
    done, errors = Checkpoint(options.checkpoint), []
    left = max(0, options.breaches - len(done.samples))
    if left:
        versions = [Made(1), Made(2, errors=BAD)]
        with arena("rollback", versions, options.deployments, rollout=ROLLOUT) as found:
            each = -(-left // len(found))
            threads = [
                threading.Thread(target=work, args=(rolling, each, rolling.world.prometheus, done, errors))
                for rolling in found
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    note = f"scrapes 1 s, {options.deployments} in rollout"
    report = Report("A breach, from the first bad answer to the last request on the canary")
    tell_times(report, done.samples, note)
    if done.samples:
        report.add("bad answers in a breach", "", [sample["bad"] for sample in done.samples])
    report.finish(options.json)
    for error in errors:
        print(f"error: {error}", flush=True)
    return 1 if errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
