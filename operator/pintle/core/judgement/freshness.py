"""Whether what Prometheus holds can be judged at all."""

from __future__ import annotations

from collections.abc import Mapping

STALE_SCRAPES = 3
LONE_SCRAPES = 10
"""A single pod may miss more scrapes in a row than all of them together."""
DISCOVERY_SECONDS = 15.0
"""A new pod gets so long to be discovered and scraped for the first time."""


def freshness(newest: Mapping[str, float], ready: Mapping[str, float], now: float, scrape_seconds: float) -> str:
    """Why there is nothing to judge (SourceError), or "".

    `newest`: pod -> time of its newest sample; `ready`: pods that are ready -> since when; unix seconds. Series that
    are there but do not grow are no fault of the source: they need more data.
    """
    patience = max(STALE_SCRAPES * scrape_seconds, DISCOVERY_SECONDS)
    due = sorted(pod for pod, since in ready.items() if now - since > patience)
    for pod in due:
        if pod not in newest:
            return f"pod {pod} has been ready for {now - ready[pod]:.0f} s and Prometheus has no series of it"
    if not due:
        return ""
    age = now - max(newest[pod] for pod in due)
    if age > STALE_SCRAPES * scrape_seconds:
        return f"the newest sample of any pod is {age:.0f} s old; one is due every {scrape_seconds:g} s"
    for pod in due:
        age = now - newest[pod]
        if age > max(LONE_SCRAPES * scrape_seconds, DISCOVERY_SECONDS):
            return f"the newest sample of pod {pod} is {age:.0f} s old; one is due every {scrape_seconds:g} s"
    return ""
