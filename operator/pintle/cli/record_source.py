"""Raw samples out of Prometheus, with nothing but the standard library: as they were scraped, chunk by chunk.

A name inside the cluster (http://NAME.NAMESPACE.svc:PORT), which a laptop cannot resolve, is reached through the API
server's proxy by kubectl, with the rights of the person who asks.
"""

from __future__ import annotations

import base64
import json
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit

from pintle.cli import errors
from pintle.cli.errors import CliError
from pintle.cli.kubectl import Kubectl

CHUNK_SECONDS = 1800.0
LEAST_CHUNK_SECONDS = 30.0
TIMEOUT = 60.0
_IN_CLUSTER = re.compile(r"(?P<name>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc(\.[a-z0-9.-]+)?")
_HINT = "Is it the URL that the operator has (chart value prometheus.url)? See docs/backtest.md."

Found = tuple[Mapping[str, str], list[tuple[float, float]]]
"""Labels (the name as __name__) and samples of a series."""


class Refused(CliError):
    """Prometheus says that this query asks too much, or is wrong."""


@dataclass(frozen=True)
class Source:
    """Where Prometheus is, and how to get in."""

    url: str
    kubectl: Kubectl
    token_file: str = ""
    ca_file: str = ""

    def raw(self, selector: str, since: float, until: float) -> Iterator[Found]:
        """Samples in (since, until], unix seconds; a series comes once for each chunk. Raises CliError."""
        size = CHUNK_SECONDS
        while since < until:
            end = min(since + size, until)
            try:
                found = list(self._chunk(selector, since, end))
            except Refused:
                if size / 2 < LEAST_CHUNK_SECONDS:
                    raise
                size /= 2
                continue
            yield from found
            since = end

    def _chunk(self, selector: str, since: float, until: float) -> Iterator[Found]:
        seconds = max(round((until - since) * 1000), 1)
        answer = self._ask({"query": f"{selector}[{seconds}ms]", "time": f"{until:.3f}"})
        if answer.get("resultType") != "matrix":
            raise CliError(f"{self._name} gives no samples but a {answer.get('resultType')}. {_HINT}")
        for item in answer.get("result") or ():
            samples = [(float(time), float(value)) for time, value in item.get("values") or ()]
            # Up to Prometheus 2 a range begins with the moment itself.
            yield item["metric"], [sample for sample in samples if sample[0] > since]

    def _ask(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        body = self._through_kubectl(form) or self._by_http(form)
        try:
            answer = json.loads(body)
            if answer["status"] != "success":
                raise Refused(f"{self._name} refuses the query: {answer.get('error', '')}")
            return dict(answer["data"])
        except (ValueError, KeyError, TypeError) as error:
            raise CliError(f"{self._name} does not answer as Prometheus does. {_HINT}", errors.NO_ACCESS) from error

    def _through_kubectl(self, form: Mapping[str, str]) -> str:
        """What the API server's proxy answers; empty where the address is one of another kind."""
        parts = urlsplit(self.url)
        found = _IN_CLUSTER.fullmatch(parts.hostname or "")
        if found is None or "KUBERNETES_SERVICE_HOST" in os.environ:
            return ""
        scheme = "https:" if parts.scheme == "https" else ""
        service = f"{scheme}{found['name']}:{parts.port or (443 if scheme else 80)}"
        path = f"{parts.path.rstrip('/')}/api/v1/query?{urlencode(form)}"
        return self.kubectl.run(
            "get", "--raw", f"/api/v1/namespaces/{found['namespace']}/services/{service}/proxy{path}"
        )

    def _by_http(self, form: Mapping[str, str]) -> bytes:
        parts = urlsplit(self.url)
        url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/") + "/api/v1/query"
        request = urllib.request.Request(url, data=urlencode(form).encode(), headers=self._headers())
        try:
            with self._opener().open(request, timeout=TIMEOUT) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            body = error.read()
            if error.code in (400, 422, 503) and body.startswith(b"{"):
                raise Refused(f"{self._name} refuses the query: {json.loads(body).get('error', '')}") from error
            raise CliError(f"{self._name} answers {error.code} {error.reason}. {_HINT}", errors.NO_ACCESS) from error
        except (urllib.error.URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise CliError(f"{self._name} cannot be reached ({reason}). {_HINT}", errors.NO_ACCESS) from error

    def _headers(self) -> dict[str, str]:
        user = urlsplit(self.url).netloc.rpartition("@")[0]
        if user and not self.token_file:
            return {"Authorization": f"Basic {base64.b64encode(unquote(user).encode()).decode()}"}
        if not self.token_file:
            return {}
        try:
            return {"Authorization": f"Bearer {Path(self.token_file).read_text().strip()}"}
        except OSError as error:
            raise CliError(f"{self.token_file} cannot be read: {error.strerror}.", errors.NOT_FOUND) from error

    def _opener(self) -> urllib.request.OpenerDirector:
        context = ssl.create_default_context(cafile=self.ca_file or None)
        handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context)]
        if urlsplit(self.url).hostname in ("localhost", "127.0.0.1", "::1"):
            # A port-forward is not behind the proxy of the environment.
            handlers.append(urllib.request.ProxyHandler({}))
        return urllib.request.build_opener(*handlers)

    @property
    def _name(self) -> str:
        """Without a password that may stand in it."""
        parts = urlsplit(self.url)
        return f"Prometheus at {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
