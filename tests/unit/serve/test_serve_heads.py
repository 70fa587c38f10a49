"""Heads that are known are read as the parser read them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from pintle.serve.heads import MAX_KNOWN, KnownHeads
from pintle.serve.http import Request

HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"
UNLIKE_DEFAULT: dict[str, Any] = {"bytes": b"other", "str": "other", "bool": True, "float": 7.0}


def test_all_that_a_head_says_is_kept() -> None:
    """Whatever field a request has or will have: the second request of a head is the first one with another body."""
    values = {item.name: UNLIKE_DEFAULT[str(item.type)] for item in dataclasses.fields(Request)}
    first = Request(**{**values, "body": b"{}"})
    known = KnownHeads()
    known.learn(HEAD + b"{}", first)
    assert known.find(HEAD + b"[]", 8.0) == dataclasses.replace(first, body=b"[]", started=8.0)


@pytest.mark.parametrize(
    "data",
    [HEAD + b"[", HEAD + b"[] ", HEAD, HEAD[:-2], HEAD.replace(b"host: x", b"host: y") + b"[]", b"", b"[]"],
    ids=["less", "more", "none", "cut", "other head", "nothing", "body"],
)
def test_what_is_not_that_head_and_a_body_of_that_length_is_not_known(data: bytes) -> None:
    """It goes to the parser."""
    known = KnownHeads()
    known.learn(HEAD + b"{}", Request("POST", "/predict", b"{}", 0.0))
    assert known.find(data, 1.0) is None


@pytest.mark.parametrize(
    "data", [HEAD + b"{}" + HEAD + b"{}", b"\r\n" + HEAD.replace(b"\r\n\r\n", b"\n\n") + b"{}"], ids=["two", "odd"]
)
def test_only_a_whole_request_is_learnt(data: bytes) -> None:
    """Not one of several in a read, and no odd line ends."""
    known = KnownHeads()
    known.learn(data, Request("POST", "/predict", b"{}", 0.0))
    assert known.find(data, 1.0) is None
    assert known.find(HEAD + b"{}", 1.0) is None


def test_heads_that_never_come_again_do_not_fill_the_memory() -> None:
    """Beyond its bound it begins anew; what comes after is known again."""
    known = KnownHeads()
    for number in range(MAX_KNOWN + 2):
        known.learn(b"x: %d\r\n\r\n{}" % number, Request("POST", "/predict", b"{}", 0.0))
        assert len(known._known) <= MAX_KNOWN
    assert known.find(b"x: %d\r\n\r\n[]" % (MAX_KNOWN + 1), 1.0) is not None
    assert known.find(b"x: 0\r\n\r\n[]", 1.0) is None
