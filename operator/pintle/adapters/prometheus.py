"""Prometheus over HTTP: the two kinds of queries that the operator asks, with bounds on time and bytes."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import numpy as np
import orjson

from pintle.core.judgement.samples import RawSeries, Sample
from pintle.ports.metrics import MetricsUnavailable, QueryRefused

CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 10.0
MAX_BYTES = 64 * 2**20
"""A hundred rollouts with three pods each are about 4 MB a look; what is far above is a mistake."""
SECRET_SECONDS = 30.0
"""A token that is rotated in its file is in use after this long."""
KEEP_ALIVE = 60.0
_MANY_SAMPLES = 20_000
_CHUNK = 256 * 2**10
_REFUSED = (400, 422)
_WORDS = 300
_MANY = 3_000


@dataclass(frozen=True)
class Access:
    """Where Prometheus is and how to get in."""

    url: str
    """As in a browser, without /api/v1; a path prefix is kept."""
    token_file: Path | None = None
    """A bearer token."""
    basic_auth_file: Path | None = None
    """`user:password`."""
    ca_file: Path | None = None
    """Certificates (PEM) by which its TLS certificate is verified, beside those of the system."""


class Prometheus:
    """`pintle.ports.metrics.MetricSource` on a real Prometheus. Close it when done."""

    def __init__(
        self,
        access: Access,
        *,
        timeout: float = READ_TIMEOUT,
        max_bytes: int = MAX_BYTES,
        on_bytes: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._access = access
        self._name = _without_password(access.url)
        self._query_url = access.url.rstrip("/") + "/api/v1/query"
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._session: aiohttp.ClientSession | None = None
        self._authorization: tuple[float, str] | None = None
        self._on_bytes = on_bytes

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def raw(self, selector: str, seconds: float, at: float) -> list[RawSeries]:
        asked = {"query": f"{selector}[{max(round(seconds * 1000), 1)}ms]", "time": f"{at:.3f}"}
        results = await self._results(asked, "matrix")
        if sum(len(item.get("values") or ()) for item in results) < _MANY_SAMPLES:
            return _raw(results)
        # Hours of samples at once: the looks go on meanwhile.
        return await asyncio.to_thread(_raw, results)

    async def instant(self, query: str, at: float | None = None, *, limit: int | None = None) -> list[Sample]:
        asked = {"query": query}
        if at is not None:
            asked["time"] = f"{at:.3f}"
        if limit is not None:
            asked["limit"] = str(limit)
        found = list(await self._results(asked, "vector", "scalar"))
        # Tens of thousands (drift of many deployments) must not hold up the looks at rollouts.
        return await asyncio.to_thread(_samples, found) if len(found) > _MANY else _samples(found)

    async def _results(self, asked: Mapping[str, str], *kinds: str) -> list[Any]:
        form = {**asked, "timeout": f"{self._timeout:g}s"}
        answer = await self._ask(form)
        data = answer.get("data") or {}
        kind, result = data.get("resultType"), data.get("result")
        if kind not in kinds or not isinstance(result, list):
            raise QueryRefused(f"the query gives a {kind}, not a {' or '.join(kinds)}")
        return [{"metric": {}, "value": result}] if kind == "scalar" else result

    async def _ask(self, form: Mapping[str, str]) -> dict[str, Any]:
        try:
            session = self._open()
            headers = self._headers()
            async with session.post(self._query_url, data=form, headers=headers, allow_redirects=False) as response:
                body = await self._read(response)
                status = response.status
        except TimeoutError as error:
            raise self._unavailable(f"gave no answer within {self._timeout:g} s", "its load") from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise self._unavailable("shows a certificate that is not trusted", "prometheus.caConfigMap") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._unavailable(
                f"cannot be reached ({_reason(error)})", "prometheus.url and its Service"
            ) from error
        self._on_bytes(len(body))
        return self._understood(status, body)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_chunked(_CHUNK):
            size += len(part)
            if size > self._max_bytes:
                response.close()
                raise QueryRefused(f"the answer is larger than {self._max_bytes // 2**20} MiB")
            parts.append(part)
        return b"".join(parts)

    def _understood(self, status: int, body: bytes) -> dict[str, Any]:
        try:
            answer = orjson.loads(body)
            succeeded = answer["status"] == "success"
        except (ValueError, KeyError, TypeError):
            answer, succeeded = {}, False
        if succeeded and status == 200:
            return dict(answer)
        said = " ".join(str(answer.get("error") or "").split())[:_WORDS] if isinstance(answer, dict) else ""
        if status in _REFUSED and said:
            raise QueryRefused(f"Prometheus refuses the query: {said}")
        if status in (401, 403):
            raise self._unavailable(f"does not let the operator in ({status})", "the Secret of its access")
        if status == 200 or status == 404 or 300 <= status < 400:
            raise self._unavailable(f"is no Prometheus API ({status})", "prometheus.url, which ends before /api/v1")
        raise self._unavailable(f"answers {status}" + (f" ({said})" if said else ""), "its log")

    def _open(self) -> aiohttp.ClientSession:
        """The session, made on the event loop that uses it. Raises OSError for a CA file that cannot be read."""
        if self._session is None:
            context = ssl.create_default_context()
            if self._access.ca_file is not None:
                context.load_verify_locations(cafile=str(self._access.ca_file))
            connector = aiohttp.TCPConnector(limit=8, keepalive_timeout=KEEP_ALIVE, ssl=context)
            timeout = aiohttp.ClientTimeout(total=self._timeout, sock_connect=min(CONNECT_TIMEOUT, self._timeout))
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False)
        return self._session

    def _headers(self) -> dict[str, str]:
        """Raises OSError for a file that cannot be read."""
        access = self._access
        file = access.token_file or access.basic_auth_file
        if file is None:
            return {}
        now = time.monotonic()
        if self._authorization is None or now - self._authorization[0] > SECRET_SECONDS:
            secret = file.read_text().strip()
            said = f"Bearer {secret}" if access.token_file else f"Basic {base64.b64encode(secret.encode()).decode()}"
            self._authorization = (now, said)
        return {"Authorization": self._authorization[1]}

    def _unavailable(self, what: str, check: str) -> MetricsUnavailable:
        return MetricsUnavailable(f"Prometheus at {self._name} {what}; check {check}")


def _raw(results: Iterable[Mapping[str, Any]]) -> list[RawSeries]:
    return [_raw_series(item) for item in results]


def _raw_series(item: Mapping[str, Any]) -> RawSeries:
    labels = dict(item["metric"])
    # Native histograms have "histograms" in the place of "values"; none of ours is one.
    values = item.get("values") or ()
    times = np.fromiter((pair[0] for pair in values), dtype=np.float64, count=len(values))
    numbers = np.fromiter((float(pair[1]) for pair in values), dtype=np.float64, count=len(values))
    return RawSeries(labels.pop("__name__", ""), labels, times, numbers)


def _samples(items: Iterable[Mapping[str, Any]]) -> list[Sample]:
    return [_sample(item) for item in items]


def _sample(item: Mapping[str, Any]) -> Sample:
    at, value = item["value"]
    return Sample(dict(item["metric"]), float(value), float(at))


def _reason(error: Exception) -> str:
    """Short and always the same for the same fault: the address is in the message already."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    system = getattr(error, "os_error", error)
    if isinstance(system, FileNotFoundError | PermissionError):
        return f"{system.strerror}: {system.filename}"
    if isinstance(system, ConnectionRefusedError):
        return "connection refused"
    if isinstance(system, OSError) and system.strerror:
        return system.strerror
    return type(error).__name__


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
