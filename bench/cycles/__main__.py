"""Promote and go back, again and again, under an open-loop load: make bench-cycles. No request may fail.

Every cycle goes the operator's full way: canary in steps, promotion on evidence or a person's word, guard, and back by
`abort`. In a complete cycle the canary's pods are made anew (another runtime), in a warm one `retry` finds them still
there. A failure is an answer other than 200, a reset, or none within a second; gateway retries are off, half of the
connections fresh. The first request that a canary answers is timed against the median of its cycle: pods are in the
route only when they are warm. One answer is not a median, so the stable's next one is held against it in the same way:
what both have is the spread of single answers on this machine.
"""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path

from bench.arena import Checkpoint, arena
from bench.report import Report, arguments
from e2e.tests.load import Load
from e2e.tests.rolling import Rolling
from e2e.tests.versions import Made

STEPS = [{"weight": 20, "minSeconds": 0}, {"weight": 50, "minSeconds": 0}, {"pause": True}]
ROLLOUT = {"sensitivity": "Fast", "steps": STEPS, "deadlineSeconds": 3600}
GUARD = {"seconds": 3600, "holdbackWeight": 10}
PER_SECOND = 20
ANSWERS = 3
"""Of the canary before a person's next word: what it sets going is not to fall on the first answer."""


def complete(rolling: Rolling, load: Load, number: int) -> str:
    """A canary with new pods, promoted fully, then aborted in its guard; its revision."""
    env = [{"name": "ROUND", "value": str(number)}]
    rolling.apply(2, rollout=ROLLOUT, guard=GUARD, runtime={"env": env})
    return forth_and_back(rolling, load)


def warm(rolling: Rolling, load: Load, revision: str) -> str:
    """The revision that was just refused is tried again while its pods are there."""
    rolling.act("retry", revision=revision)
    return forth_and_back(rolling, load)


def forth_and_back(rolling: Rolling, load: Load) -> str:
    before = load.versions["2"]
    rolling.until_canary(2)
    load.wait_for_answers("2", before + ANSWERS)
    canary = str(rolling.status()["canary"]["revision"])
    rolling.act("promote-fully", revision=canary)
    rolling.until("in the guard", lambda s: (s.get("rollout") or {}).get("state") == "Guard", seconds=60)
    rolling.act("abort", revision=canary)
    # Revisions of earlier complete cycles are of the same version, and refused, too.
    rolling.until("back", lambda s: canary in {item["revision"] for item in s.get("refused") or ()}, seconds=60)
    return canary


def work(rolling: Rolling, cycles: int, every: int, offset: int, done: Checkpoint, errors: list[str]) -> None:
    """`cycles` cycles on one deployment; the first and every `every`-th is a complete one, counted from `offset`.

    Deployments have different offsets: pods of one that start are not to be what the first answer of another waits for.
    """
    with Load(f"{rolling.url}/predict", _rows(), per_second=PER_SECOND, limit_seconds=4 * 3600) as load:
        load.wait_for_version("1")
        revision = ""
        for number in range(cycles):
            kind = "complete" if number == 0 or (number + offset) % every == 0 else "warm"
            started, failed, before = time.monotonic(), len(load.failures), len(load.took)
            try:
                revision = complete(rolling, load, number) if kind == "complete" else warm(rolling, load, revision)
            except Exception as error:
                errors.append(f"{rolling.name} cycle {number}: {str(error)[:600]}")
                return
            lost = load.failures[failed:]
            sample = {"kind": kind, "seconds": time.monotonic() - started, "failed": len(lost), "sent": load.sent}
            sample |= first_answer(load.took[before:])
            done.add({**sample, "deployment": rolling.name, "failures": lost[:3]})
            print(
                f"  {rolling.name} {number + 1}/{cycles} {kind}: {sample['seconds']:.1f} s, {len(lost)} failed",
                flush=True,
            )


def first_answer(took: list[tuple[float, str, float]]) -> dict[str, float]:
    """Seconds of the canary's first answer, of the stable's next one, and the median of all; empty without a canary."""
    of_canary = sorted(item for item in took if item[1] == "2")
    if not of_canary:
        return {}
    first = of_canary[0]
    beside = sorted(item for item in took if item[1] == "1" and item[0] > first[0])
    times = {"first": first[2], "median": statistics.median(item[2] for item in took)}
    return times | ({"beside": beside[0][2]} if beside else {})


def _rows() -> object:
    from e2e.tests.rolling import Rows

    return Rows()


def main() -> int:
    parser = arguments(__doc__ or "")
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--every", type=int, default=10, help="every so many cycles one with new pods (default: 10)")
    parser.add_argument("--deployments", type=int, default=5, help="in parallel")
    parser.add_argument("--checkpoint", type=Path, help="file of samples to go on from")
    options = parser.parse_args()
    done, errors = Checkpoint(options.checkpoint), []
    left = max(0, options.cycles - len(done.samples))
    if left:
        with arena("cycles", [Made(1), Made(2)], options.deployments, rollout=ROLLOUT, guard=GUARD) as found:
            each = -(-left // len(found))
            threads = [
                threading.Thread(
                    target=work, args=(rolling, each, options.every, index * options.every // len(found), done, errors)
                )
                for index, rolling in enumerate(found)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    report = Report("Promote and go back under load")
    for kind in ("complete", "warm"):
        samples = [sample for sample in done.samples if sample["kind"] == kind]
        if samples:
            report.add(f"{kind} cycle", "s", [sample["seconds"] for sample in samples])
            report.add(f"failed requests in a {kind} cycle", "", [float(sample["failed"]) for sample in samples])
            timed = [sample for sample in samples if "first" in sample]
            if timed:
                report.add(f"a canary's first answer, {kind}", "ms", [1000 * sample["first"] for sample in timed])
                report.add("   against the cycle's median", "times", [item["first"] / item["median"] for item in timed])
                beside = [item["beside"] / item["median"] for item in timed if "beside" in item]
                if beside:
                    report.add("   the stable's next answer, too", "times", beside)
    failed = sum(sample["failed"] for sample in done.samples)
    sent = sum(max((s["sent"] for s in done.samples if s["deployment"] == name), default=0) for name in _names(done))
    report.add("failed requests in all", "", [float(failed)], f"of {sent:,} in {len(done.samples)} cycles")
    report.finish(options.json)
    for error in errors:
        print(f"error: {error}", flush=True)
    return 1 if errors or failed else 0


def _names(done: Checkpoint) -> set[str]:
    return {sample["deployment"] for sample in done.samples}


if __name__ == "__main__":
    raise SystemExit(main())
