"""`runs`: the runs of TrainingJobs, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pintle.cli.facts import age, duration, kept, name_of, parse_time, seconds_between, status_of
from pintle.cli.kubectl import Obj
from pintle.cli.text import bold, judged, table


def run_entries(job: Obj) -> list[dict[str, Any]]:
    """A TrainingJob's runs as data, as its status has them: newest first."""
    return [
        kept(
            run=run["name"],
            trainingJob=name_of(job),
            result=run["result"],
            reason=run["reason"],
            message=run.get("message"),
            version=run.get("version"),
            trigger=dict(run.get("trigger") or {}),
            startTime=run.get("startTime"),
            completionTime=run.get("completionTime"),
            seconds=seconds_between(run.get("startTime"), run.get("completionTime")),
            identity=run.get("identity"),
            definition=run.get("definition"),
        )
        for run in status_of(job).get("runs") or ()
    ]


def all_runs(jobs: Iterable[Obj]) -> list[dict[str, Any]]:
    """The runs of all these jobs, newest first."""
    entries = [entry for job in jobs for entry in run_entries(job)]
    return sorted(entries, key=_started, reverse=True)


def _started(entry: Mapping[str, Any]) -> float:
    moment = parse_time(entry.get("startTime"))
    return moment.timestamp() if moment else 0.0


def lines(entries: Iterable[Mapping[str, Any]], now: datetime) -> list[str]:
    """A table."""
    header = ("RUN", "TRAININGJOB", "RESULT", "REASON", "VERSION", "TRIGGER", "STARTED", "TOOK", "MESSAGE")
    return table(
        header,
        [
            (
                entry["run"],
                entry["trainingJob"],
                judged(entry["result"]),
                entry["reason"],
                bold(f"v{entry['version']}") if entry.get("version") else "",
                trigger(entry.get("trigger", {})),
                age(entry.get("startTime"), now),
                duration(entry.get("seconds")),
                shortened(entry.get("message", ""), 90),
            )
            for entry in entries
        ],
    )


def trigger(found: Mapping[str, Any]) -> str:
    """`FeatureDrift from delays`, `Schedule`, `Person ann`."""
    kind, source = str(found.get("kind", "")), found.get("source")
    if not source:
        return kind
    return f"{kind} {source}" if kind == "Person" else f"{kind} from {source}"


def shortened(text: str, length: int) -> str:
    """The beginning of a long text."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
