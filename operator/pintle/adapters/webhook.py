"""Notifications over HTTP, to receivers that stand in a mounted Secret: a file for each, named like the receiver."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from pintle.ports.webhook import FORMATS, GENERIC, Receiver, ReceiverUnknown, SendFailed

TIMEOUT = 10.0
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_TRY_AGAIN = (408, 425, 429)
_LONGEST_WAIT = 300.0


class ReceiverFolder:
    """`pintle.ports.webhook.Receivers` in a folder: {"url": "https://...", "format": "Generic", "headers": {...}}.

    Read at every use, so that a Secret that is changed counts as soon as the kubelet has written it.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def find(self, name: str) -> Receiver:
        if self._folder is None or not _NAME.fullmatch(name):
            raise ReceiverUnknown(f"no receiver {name!r} is set up")
        try:
            text = (self._folder / name).read_bytes()
        except OSError:
            raise ReceiverUnknown(f"no receiver {name!r} is set up") from None
        try:
            raw = orjson.loads(text)
            url, form, headers = raw["url"], raw.get("format", GENERIC), raw.get("headers") or {}
            right = all(isinstance(part, str) for part in (url, *headers, *headers.values()))
        except (ValueError, KeyError, TypeError, AttributeError):
            right = False
        if not right:
            raise ReceiverUnknown(f'receiver {name!r} is no JSON of the form {{"url", "format", "headers"}}')
        if not url.startswith(("https://", "http://")):
            raise ReceiverUnknown(f"the url of receiver {name!r} begins neither with https:// nor with http://")
        if form not in FORMATS:
            raise ReceiverUnknown(f"the format of receiver {name!r} is none of {', '.join(FORMATS)}")
        return Receiver(name, url, form, headers)


class HttpWebhook:
    """`pintle.ports.webhook.Webhook`. TLS certificates are verified, redirects are not followed. Close it when done."""

    def __init__(self, *, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def send(self, receiver: Receiver, body: Mapping[str, Any]) -> None:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._timeout)
            # A cluster's way out is often a proxy that stands in the environment.
            self._session = aiohttp.ClientSession(timeout=timeout, trust_env=True)
        headers = {"Content-Type": "application/json", **receiver.headers}
        try:
            async with self._session.post(
                receiver.url, data=orjson.dumps(body), headers=headers, allow_redirects=False
            ) as answer:
                status, wait = answer.status, answer.headers.get("Retry-After", "")
        except TimeoutError as error:
            raise SendFailed(f"no answer within {self._timeout:g} s") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError) as error:
            # The words of the error have the address in them, and that may be the secret.
            raise SendFailed("its url is wrong", final=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise SendFailed(f"cannot be reached ({type(error).__name__})") from error
        if not 200 <= status < 300:
            final = status < 500 and status not in _TRY_AGAIN
            seconds = min(float(wait), _LONGEST_WAIT) if wait.isdigit() else 0.0
            raise SendFailed(f"answered {status}", final=final, retry_after=seconds)
