"""Tokens: what a label that comes hours or months later has to know of the prediction it belongs to.

A server gives one per row with its answer and keeps nothing; whoever learns the truth sends token and truth to the
feedback path of any replica. Raw bytes, then base64url without padding (44 characters for two classes, at most 72):

    kind 1 · revision 4 · version 3 · outcome 2 · cohort 4 · score bin 1 · unique 2 + 4 · figures · zeros · signature 8

The signature is keyed BLAKE2s over all that stands before it (RFC 7693: a MAC of its own, at a third of HMAC's price).
`figures` depends on the kind: see Kind. The zeros make the whole a multiple of three bytes, so that the text of many
tokens is the text of their bytes one after another, and each token has one spelling only.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from pintle.contract.profile import BIN_MISSING, BIN_OTHER

SIGNATURE_BYTES = 8
MAX_CLASSES = 12
"""With more, a token knows the most likely class only."""
MAX_VERSION = (1 << 24) - 1
UNIT = 65_535
"""Probabilities of Kind.CLASSES and Kind.TOP travel as 16-bit shares of this."""
CODE_MISSING, CODE_OTHER = 254, 255
"""Codes of the two bins of a score that is no finite number; below stand the bins `00`, `01`, ..."""
MAX_BINS = 100
"""More would not have two digits."""
MIN_SECRET_BYTES = 16

ROW = struct.Struct(">IBHI")
"""What differs from row to row besides the figures: cohort, score bin, and the two parts that make it unique."""
REVISION = re.compile(r"[0-9a-f]{8}")
_TEXT = re.compile(r"[A-Za-z0-9_-]{4,128}")
_URLSAFE, _STANDARD = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


class Kind(IntEnum):
    """What the figures are: 16 + a number, where 16 says the first format of tokens."""

    PROBABILITY = 17
    """(P(positive),) as float32."""
    VALUE = 18
    """(value, scale of the loss) as float32: a regression."""
    CLASSES = 19
    """All probabilities in the order of the labels, at most MAX_CLASSES."""
    TOP = 20
    """(index of the most likely class, its probability, sum of all squared probabilities)."""


@dataclass(frozen=True)
class Token:
    """What a token says. `outcome` is a short digest of task and classes: a truth can only be read with the same."""

    kind: Kind
    revision: str
    """8 hex digits."""
    version: int
    outcome: int
    cohort: int
    """Start of the prediction's window in unix seconds."""
    score_bin: str
    unique: tuple[int, int]
    figures: tuple[float, ...]


class Signer:
    """Signs and opens the tokens of one deployment. `secret` is shared by all its replicas and revisions."""

    def __init__(self, secret: bytes, deployment: str) -> None:
        key = hashlib.sha256(b"pintle-token-1\0" + deployment.encode() + b"\0" + secret).digest()
        self._keyed = hashlib.blake2s(key=key, digest_size=SIGNATURE_BYTES)

    def sign(self, payload: bytes) -> bytes:
        """The signature."""
        hasher = self._keyed.copy()
        hasher.update(payload)
        return hasher.digest()

    def seal_many(self, payloads: bytes, width: int) -> bytes:
        """Payloads of `width` bytes, one after another, each with its signature behind it."""
        copy = self._keyed.copy
        found: list[bytes] = []
        for at in range(0, len(payloads), width):
            payload = payloads[at : at + width]
            hasher = copy()
            hasher.update(payload)
            found += (payload, hasher.digest())
        return b"".join(found)

    def encode(self, token: Token) -> str:
        """The text of a token. Raises ValueError, struct.error for what does not fit."""
        high, low = token.unique
        row = ROW.pack(token.cohort, _code_of(token.score_bin), high, low)
        payload = head(token.kind, token.revision, token.version, token.outcome) + row + _pack(token)
        payload += bytes(padding(len(payload)))
        return to_text(payload + self.sign(payload)).decode()

    def open(self, text: str) -> tuple[Token, int] | None:
        """The token and its signature as a number (the mark to know it by); None for what was not signed with this key.

        Reads only after the signature has been compared.
        """
        if not _TEXT.fullmatch(text):
            return None
        try:
            data = binascii.a2b_base64(text.encode("ascii").translate(_STANDARD), strict_mode=True)
        except binascii.Error:
            return None
        payload, signature = data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]
        if not hmac.compare_digest(self.sign(payload), signature):
            return None
        try:
            return _read(payload), int.from_bytes(signature, "big")
        except (ValueError, struct.error):  # a kind that a later version has
            return None


def derived_secret(deployment: str, model: str) -> bytes:
    """A secret for where none is given. Whoever knows the two names knows it: it keeps accidents away, not forgers."""
    return f"derived\0{deployment}\0{model}".encode()


def head(kind: Kind, revision: str, version: int, outcome: int) -> bytes:
    """The part that all tokens of a revision share. Raises ValueError, OverflowError for what does not fit."""
    if not REVISION.fullmatch(revision):
        raise ValueError(f"revision {revision!r} is not 8 hex digits")
    return bytes((kind,)) + bytes.fromhex(revision) + version.to_bytes(3, "big") + outcome.to_bytes(2, "big")


def padding(length: int) -> int:
    """Zeros after a payload of that many bytes."""
    return -(length + SIGNATURE_BYTES) % 3


def to_text(data: bytes) -> bytes:
    """Base64url of one signed payload, or of many of one length, one after another."""
    return binascii.b2a_base64(data, newline=False).translate(_URLSAFE)


_HEAD_BYTES = 10
_FIGURES_AT = _HEAD_BYTES + ROW.size


def _code_of(name: str) -> int:
    return {BIN_MISSING: CODE_MISSING, BIN_OTHER: CODE_OTHER}.get(name) or int(name)


def _name_of(code: int) -> str:
    return {CODE_MISSING: BIN_MISSING, CODE_OTHER: BIN_OTHER}.get(code) or f"{code:02d}"


def unit(share: float) -> int:
    """A probability as a 16-bit share; 0 for what is no number."""
    return 0 if math.isnan(share) else round(min(1.0, max(0.0, share)) * UNIT)


def _pack(token: Token) -> bytes:
    figures = token.figures
    if token.kind is Kind.CLASSES:
        return struct.pack(f">B{len(figures)}H", len(figures), *map(unit, figures))
    if token.kind is Kind.TOP:
        return struct.pack(">3H", int(figures[0]), unit(figures[1]), unit(figures[2]))
    return struct.pack(f">{len(figures)}f", *figures)


def _read(payload: bytes) -> Token:
    kind = Kind(payload[0])
    cohort, code, high, low = ROW.unpack_from(payload, _HEAD_BYTES)
    return Token(
        kind,
        payload[1:5].hex(),
        int.from_bytes(payload[5:8], "big"),
        int.from_bytes(payload[8:10], "big"),
        cohort,
        _name_of(code),
        (high, low),
        _figures(kind, payload),
    )


def _figures(kind: Kind, payload: bytes) -> tuple[float, ...]:
    if kind is Kind.CLASSES:
        shares: Sequence[int] = struct.unpack_from(f">{payload[_FIGURES_AT]}H", payload, _FIGURES_AT + 1)
        return tuple(share / UNIT for share in shares)
    if kind is Kind.TOP:
        index, share, squares = struct.unpack_from(">3H", payload, _FIGURES_AT)
        return float(index), share / UNIT, squares / UNIT
    return struct.unpack_from(">f" if kind is Kind.PROBABILITY else ">2f", payload, _FIGURES_AT)
