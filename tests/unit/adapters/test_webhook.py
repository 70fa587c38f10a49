"""Receivers in a folder, and what is sent to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pintle.adapters.webhook import HttpWebhook, ReceiverFolder
from pintle.ports.webhook import Receiver, ReceiverUnknown, SendFailed

from e2e.cluster.ports import free_ports


class Hook:
    """Answers what the test says and keeps what it got."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.got: list[tuple[dict[str, str], Any]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.json()))
        return web.Response(status=self.status, headers=self.headers)


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    served = Hook()
    application = web.Application()
    application.router.add_post("/{path:.*}", served.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    (port,) = free_ports(1)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    served.url = f"http://127.0.0.1:{port}/secret"
    yield served
    await runner.cleanup()


@pytest.fixture
async def webhook() -> AsyncIterator[HttpWebhook]:
    made = HttpWebhook(timeout=2)
    yield made
    await made.close()


def test_a_receiver_is_read_from_its_file(tmp_path: Path) -> None:
    """A Secret that is changed counts at once."""
    (tmp_path / "team").write_text('{"url": "https://a.example/x", "headers": {"X-Key": "k"}}')
    folder = ReceiverFolder(tmp_path)
    assert folder.find("team") == Receiver("team", "https://a.example/x", "Generic", {"X-Key": "k"})
    (tmp_path / "team").write_text('{"url": "https://b.example", "format": "Slack"}')
    assert folder.find("team") == Receiver("team", "https://b.example", "Slack", {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("https://a.example", "is no JSON of the form"),
        ("{}", "is no JSON of the form"),
        ("[]", "is no JSON of the form"),
        ('{"url": 3}', "is no JSON of the form"),
        ('{"url": "https://a", "headers": {"a": 1}}', "is no JSON of the form"),
        ('{"url": "ftp://a.example"}', "begins neither with"),
        ('{"url": "https://a.example", "format": "Teams"}', "is none of Generic, Slack"),
    ],
)
def test_what_is_no_receiver_says_why_and_tells_no_secret(tmp_path: Path, text: str, message: str) -> None:
    """The address may be the secret."""
    (tmp_path / "team").write_text(text)
    with pytest.raises(ReceiverUnknown, match=message) as caught:
        ReceiverFolder(tmp_path).find("team")
    assert "a.example" not in str(caught.value)


@pytest.mark.parametrize("name", ["nobody", "../other", "..", ".", "", "a/b", "A"])
def test_a_name_leads_to_a_file_of_the_folder_or_nowhere(tmp_path: Path, name: str) -> None:
    """Names stand in users' specs."""
    (tmp_path / "other").write_text('{"url": "https://a.example"}')
    (tmp_path / "in").mkdir()
    with pytest.raises(ReceiverUnknown):
        ReceiverFolder(tmp_path / "in").find(name)
    with pytest.raises(ReceiverUnknown):
        ReceiverFolder(None).find(name)


async def test_json_goes_out_with_the_headers(hook: Hook, webhook: HttpWebhook) -> None:
    """A 204 is as good as a 200."""
    hook.status = 204
    await webhook.send(Receiver("team", hook.url, "Generic", {"X-Key": "k"}), {"reason": "Drift"})
    ((headers, body),) = hook.got
    assert body == {"reason": "Drift"}
    assert (headers["X-Key"], headers["Content-Type"]) == ("k", "application/json")


@pytest.mark.parametrize(
    ("status", "final"), [(400, True), (404, True), (302, True), (429, False), (408, False), (500, False), (503, False)]
)
async def test_what_is_worth_another_try(hook: Hook, webhook: HttpWebhook, status: int, final: bool) -> None:
    """A redirect is not followed: the notice would go to somebody else."""
    hook.status, hook.headers = status, {"Retry-After": "7", "Location": hook.url}
    with pytest.raises(SendFailed) as caught:
        await webhook.send(Receiver("team", hook.url), {})
    assert (caught.value.final, caught.value.retry_after) == (final, 7.0)
    assert len(hook.got) == 1


async def test_nobody_there_and_a_wrong_address_tell_no_secret(webhook: HttpWebhook) -> None:
    """Neither the error's words nor the repr of a receiver have the address in them."""
    (port,) = free_ports(1)
    for url, final in ((f"http://127.0.0.1:{port}/secret", False), ("http://[secret", True)):
        receiver = Receiver("team", url, headers={"Authorization": "secret"})
        with pytest.raises(SendFailed) as caught:
            await webhook.send(receiver, {})
        assert caught.value.final == final
        assert "secret" not in caught.value.message
        assert "secret" not in repr(receiver)
