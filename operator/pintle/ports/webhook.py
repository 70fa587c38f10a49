"""Where notifications go: receivers that the person who runs the operator has set up, and how one is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

GENERIC = "Generic"
SLACK = "Slack"
FORMATS = (GENERIC, SLACK)


@dataclass(frozen=True)
class Receiver:
    """One receiver. Its address and headers are secret: neither appears in a log or a message."""

    name: str
    url: str = field(repr=False)
    format: str = GENERIC
    """Generic: the notice as JSON. Slack: {"text": ...}, which Mattermost and others understand too."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class ReceiverUnknown(Exception):
    """No receiver of this name is set up, or what is set up cannot be read; the message says which."""


class SendFailed(Exception):
    """The receiver did not take it. `final`: the same again will be refused again."""

    def __init__(self, message: str, *, final: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.message = message
        self.final = final
        self.retry_after = retry_after
        """Seconds that the receiver asks to wait."""


class Receivers(Protocol):
    """The receivers by name, as they are set up now."""

    def find(self, name: str) -> Receiver:
        """Raises ReceiverUnknown."""
        ...


class Webhook(Protocol):
    """Sends JSON to a receiver."""

    async def send(self, receiver: Receiver, body: Mapping[str, Any]) -> None:
        """Raises SendFailed."""
        ...
