"""Tokens: what they say, that nobody else can write them, and that both ways of writing them agree."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pintle.contract.manifest import Manifest
from pintle.contract.profile import OutputProfile, Profile, bin_of, number_bins
from pintle.contract.token import Kind, Signer, Token, derived_secret, head, padding, to_text
from pintle.serve.models import Prediction
from pintle.serve.outcome import Outcome
from pintle.serve.settings import Identity
from pintle.serve.share import Answers, Share, spaced
from pintle.serve.tokens import MANY_ROWS, TokenWriter

IDENTITY = Identity("late", "0a1b2c3d", "delays", "3")
SECRET = b"a key of sixteen bytes or more"
SIGNER = Signer(SECRET, "late")
EDGES = (0.1, 0.3, 0.7)
SCORE = OutputProfile("score", EDGES, number_bins(EDGES), (1,) * 6)
OTHERS = "ABCxyz019-_+/= \n\x00é"
PROFILE = Profile("0badcafe", (), (SCORE,))
scores = st.one_of(
    st.floats(0, 1, width=32), st.sampled_from([float(np.float32(edge)) for edge in EDGES]), st.just(math.nan)
)


def outcome_of(task: str = "BinaryClassification", classes: int = 2, **raw: Any) -> Outcome:
    labels = tuple(f"c{index}" for index in range(classes)) if task != "Regression" else ()
    return Outcome(Manifest("ONNX", {}, (), task, labels, "c1", raw=raw), PROFILE)


def writer(outcome: Outcome, signer: Signer = SIGNER, at: float = 7_300.0) -> TokenWriter:
    return TokenWriter(IDENTITY, outcome, signer, 3_600, now=lambda: at)


def opened(text: bytes | str, signer: Signer = SIGNER) -> Token:
    found = signer.open(text if isinstance(text, str) else text.decode())
    assert found is not None
    return found[0]


def texts_of(tokens: TokenWriter, prediction: Prediction) -> list[str]:
    return spaced(tokens.write(prediction), len(prediction.score), b" ").decode().split()


def probabilities(shares: list[float]) -> Prediction:
    row = np.array([shares], dtype=np.float32)
    return Prediction(row.max(axis=1), ["c0"], row)


@given(st.lists(scores, min_size=1, max_size=2 * MANY_ROWS))
@settings(max_examples=100, deadline=None)
def test_every_row_gets_a_token_of_its_own(found: list[float]) -> None:
    """Few rows or many: revision, version, window, bin as the contract bins it, score; no two tokens are alike."""
    prediction = Prediction(np.array(found, dtype=np.float32))
    texts = texts_of(writer(outcome_of()), prediction)
    assert len(set(texts)) == len(found)
    for text, score in zip(texts, prediction.score.tolist(), strict=True):
        token = opened(text)
        assert (token.revision, token.version, token.cohort) == ("0a1b2c3d", 3, 7_200)
        assert token.score_bin == SCORE.bins[bin_of(SCORE, score)]
        assert token.figures == pytest.approx((score,), nan_ok=True)
        assert SIGNER.encode(token) == text, "the contract's own encoding gives the same bytes"


def test_requests_of_one_batch_have_each_its_own_rows_tokens() -> None:
    """Whatever stands between them: a row has one token, however its request wants it written."""
    tokens, answers = writer(outcome_of()), Answers(Prediction(np.linspace(0, 1, 9, dtype=np.float32)))
    every = Share(answers, 0, 9).tokens(tokens, b" ").split(b" ")
    assert [opened(text).figures[0] for text in every] == pytest.approx(np.linspace(0, 1, 9))
    assert Share(answers, 0, 2).tokens(tokens, b'","') == b'","'.join(every[:2])
    assert Share(answers, 2, 3).tokens(tokens, b" ") == every[2]
    assert Share(answers, 3, 9).tokens(tokens, b'","').split(b'","') == every[3:]


@pytest.mark.parametrize(
    ("task", "classes", "kind"),
    [
        ("BinaryClassification", 2, Kind.PROBABILITY),
        ("Multiclass", 3, Kind.CLASSES),
        ("Multiclass", 12, Kind.CLASSES),
        ("Multiclass", 13, Kind.TOP),
        ("Regression", 0, Kind.VALUE),
    ],
)
@pytest.mark.parametrize("rows", [1, MANY_ROWS])
def test_tokens_of_all_tasks_are_short(task: str, classes: int, kind: Kind, rows: int) -> None:
    """Below 80 characters that a URL can hold, whatever the task; the contract reads and writes the same."""
    score = np.linspace(0.2, 0.9, rows, dtype=np.float32)
    shares = None
    if task == "Multiclass":
        shares = np.full((rows, classes), 0.1 / (classes - 1), dtype=np.float32)
        shares[:, 1] = 0.9
    texts = texts_of(writer(outcome_of(task, classes)), Prediction(score, None, shares))
    assert len(texts) == rows
    for text in texts:
        assert re.fullmatch(r"[A-Za-z0-9_-]{40,79}", text)
        token = opened(text)
        assert token.kind is kind
        assert SIGNER.encode(token) == text
        if kind is Kind.CLASSES:
            assert len(token.figures) == classes
            assert token.figures[1] == pytest.approx(0.9, abs=1e-5)
        if kind is Kind.TOP:
            assert token.figures == pytest.approx((1, 0.9, 0.81 + 12 * (0.1 / 12) ** 2), abs=1e-4)


def test_the_cohort_is_the_start_of_the_window() -> None:
    """Unix seconds, a multiple of the window."""
    outcome = outcome_of()
    row = Prediction(np.array([0.5], dtype=np.float32))
    assert opened(writer(outcome, at=7_199.9).write(row)).cohort == 3_600
    assert opened(writer(outcome, at=7_200.0).write(row)).cohort == 7_200


@given(st.integers(0, 10_000), st.integers(0, len(OTHERS) - 1))
@settings(max_examples=100, deadline=None)
def test_a_changed_token_is_no_token(place: int, which: int) -> None:
    """Whatever character is changed, added or cut: not recognised.

    A token's nonce is drawn anew every time: what Hypothesis draws must not depend on the text.
    """
    text = writer(outcome_of()).write(Prediction(np.array([0.5], dtype=np.float32))).decode()
    at = place % len(text)
    other = next(char for char in OTHERS[which:] + OTHERS if char != text[at])
    changed = [text[:at] + other + text[at + 1 :], text[:at] + text[at + 1 :], text[:at], text + other]
    for candidate in changed:
        assert SIGNER.open(candidate) is None


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: to_text(data).decode()))
def test_garbage_is_no_token(text: str) -> None:
    """Any text is refused without an error."""
    assert SIGNER.open(text) is None


def test_a_token_is_bound_to_key_and_deployment() -> None:
    """The same key under another deployment's name, or another key, does not recognise it."""
    text = SIGNER.encode(Token(Kind.PROBABILITY, "0a1b2c3d", 3, 7, 3_600, "00", (1, 2), (0.5,)))
    assert Signer(SECRET, "late").open(text) is not None
    assert Signer(SECRET, "early").open(text) is None
    assert Signer(b"another key of sixteen bytes", "late").open(text) is None
    assert Signer(derived_secret("late", "delays"), "late").open(text) is None


def test_a_kind_of_a_later_version_is_not_recognised() -> None:
    """Signed with the right key, but written in a way that this version cannot read."""
    payload = bytes((99,)) + head(Kind.PROBABILITY, "0a1b2c3d", 3, 7)[1:] + bytes(15)
    payload += bytes(padding(len(payload)))
    assert SIGNER.open(to_text(payload + SIGNER.sign(payload)).decode()) is None


@pytest.mark.parametrize(
    "change", [{"revision": ""}, {"revision": "NOT-HEX!"}, {"version": "x"}, {"version": str(1 << 24)}]
)
def test_an_identity_that_no_token_can_hold_is_refused(change: dict[str, str]) -> None:
    """Rather no tokens than tokens that say something else."""
    with pytest.raises((ValueError, OverflowError)):
        TokenWriter(dataclasses.replace(IDENTITY, **change), outcome_of(), SIGNER, 3_600)


@pytest.mark.parametrize(("truth", "turned", "loss"), [("c1", "positive", 0.16), ("c0", "negative", 0.36)])
def test_two_classes_lose_the_brier_score(truth: str, turned: str, loss: float) -> None:
    """(P(positive) - truth)²."""
    outcome = outcome_of()
    token = opened(writer(outcome).write(Prediction(np.array([0.6], dtype=np.float32))))
    assert outcome.judge(token, truth) == (turned, pytest.approx(loss))


@pytest.mark.parametrize(
    ("truth", "turned", "loss"), [("c0", "wrong", 0.43), ("c1", "right", 0.13), ("c2", "wrong", 0.63)]
)
def test_more_classes_lose_half_the_squared_errors(truth: str, turned: str, loss: float) -> None:
    """Over all classes, so that it lies in [0, 1]."""
    outcome = outcome_of("Multiclass", 3)
    token = opened(writer(outcome).write(probabilities([0.3, 0.6, 0.1])))
    assert outcome.judge(token, truth) == (turned, pytest.approx(loss, abs=1e-4))


def test_of_many_classes_the_unlikely_ones_share_what_is_left() -> None:
    """Exact where the most likely class is the true one, close where it is not."""
    outcome = outcome_of("Multiclass", 20)
    shares = [0.05 / 19] * 20
    shares[4] = 0.95
    token = opened(writer(outcome).write(probabilities(shares)))
    squares = 0.95**2 + 19 * (0.05 / 19) ** 2
    assert outcome.judge(token, "c4") == ("right", pytest.approx((squares - 2 * 0.95 + 1) / 2, abs=1e-4))
    assert outcome.judge(token, "c5") == ("wrong", pytest.approx((squares - 2 * 0.05 / 19 + 1) / 2, abs=1e-4))


@pytest.mark.parametrize(
    ("truth", "turned", "loss"), [(12.0, "above", 0.0625), (10, "below", 0.0), (-900, "below", 1.0)]
)
def test_a_regression_loses_the_squared_error_in_units_of_its_scale(truth: float, turned: str, loss: float) -> None:
    """Cut off at 1; the scale is four times the error at evaluation, rounded up to a power of two."""
    outcome = outcome_of("Regression", metrics={"rmse": 1.5})
    assert outcome.scale == 8
    token = opened(writer(outcome).write(Prediction(np.array([10.0], dtype=np.float32))))
    assert outcome.judge(token, truth) == (turned, pytest.approx(loss))


def test_the_scale_of_a_token_counts_not_that_of_who_reads_it() -> None:
    """All replicas of all revisions find the same loss for one label."""
    token = opened(writer(outcome_of("Regression", metrics={"rmse": 1})).write(Prediction(np.zeros(1, "f4"))))
    assert outcome_of("Regression", metrics={"rmse": 1000}).judge(token, 2.0) == ("above", pytest.approx(0.25))


@pytest.mark.parametrize("task", ["BinaryClassification", "Regression", "Multiclass"])
def test_an_answer_that_is_no_number_has_lost_everything(task: str) -> None:
    """NaN costs 1."""
    outcome = outcome_of(task, 3 if task == "Multiclass" else 2)
    nothing = np.array([math.nan], dtype=np.float32)
    shares = np.full((1, 3), math.nan, dtype=np.float32) if task == "Multiclass" else None
    token = opened(writer(outcome).write(Prediction(nothing, None, shares)))
    assert token.score_bin == "missing"
    assert outcome.judge(token, 3.0 if task == "Regression" else "c0")[1] == 1.0


def test_without_a_profile_or_errors_the_scale_is_one() -> None:
    """And a profile's spread is taken where the manifest has no error."""
    manifest = Manifest("ONNX", {}, (), "Regression")
    assert Outcome(manifest, None).scale == 1
    assert Outcome(manifest, PROFILE).scale == 1  # 0.7 - 0.1, rounded up to a power of two
    assert Outcome(manifest, None, loss_scale=30).scale == 30
