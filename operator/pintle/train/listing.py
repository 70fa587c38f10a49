"""`python -m pintle.train.listing`: tells whether a run would read other data than the last one, without reading them.

Names, sizes and etags of what the data sets would take now, as one digest. `fetch` takes the same digest of what it
reads, so that the two can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pintle.contract import folders
from pintle.contract.digest import digest_value
from pintle.contract.exits import Exit
from pintle.contract.run import DatasetRequest, RunRequest
from pintle.train.outcome import REQUEST_INVALID, Outcome, Refusal, main, say
from pintle.train.partitions import Selection, select
from pintle.train.storage import Store, open_store

MAX_WORDS = 90


def listing(request: RunRequest) -> Outcome:
    """The whole phase. Raises Refusal."""
    now = datetime.now(UTC)
    found = [(item, selected(item, now)[1]) for item in request.datasets]
    report: dict[str, Any] = {"phase": "listing", "listing": listing_digest(found), "message": in_words(found)}
    say(f"listing: {report['message']}, {report['listing']}")
    return Outcome(report, record=report)


def selected(item: DatasetRequest, now: datetime) -> tuple[Store, Selection]:
    """The store of a data set, and what is to be taken of it. Raises Refusal."""
    store = open_store(item.storageUri, folders.data_secret(item.name) if item.hasSecret else None)
    try:
        return store, select(store.list(), item.select, now)
    except ValueError as error:
        raise Refusal(Exit.CONFIG, REQUEST_INVALID, f"data set {item.name}: {error}") from error


def listing_digest(found: Sequence[tuple[DatasetRequest, Selection]]) -> str:
    """`sha256:` digest over names, sizes and etags (or times, where a store has none) of all selected objects."""
    return digest_value(
        sorted(
            [
                item.name,
                item.storageUri,
                [[info.name, info.size, info.etag or info.modified.isoformat()] for info in selection.objects],
            ]
            for item, selection in found
        )
    )


def in_words(found: Sequence[tuple[DatasetRequest, Selection]]) -> str:
    """`train: 2 partitions to 2013-04; test: 2013-05`, as far as it fits."""
    parts = []
    for item, selection in found:
        names = selection.partitions
        what = names[0] if len(names) == 1 else f"{len(names)} partitions" + (f" to {names[-1]}" if names else "")
        parts.append(f"{item.name}: {what}")
    text = "; ".join(parts)
    return text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 1] + "…"


if __name__ == "__main__":
    main("listing", listing)
