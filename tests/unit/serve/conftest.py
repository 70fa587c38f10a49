"""Artifacts, made once for the session."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.serve import artifacts


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A binary classifier with string, integer, number and boolean columns."""
    return artifacts.make_classifier(tmp_path_factory.mktemp("artifacts") / "classifier")


@pytest.fixture(scope="session")
def regressor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return artifacts.make_regressor(tmp_path_factory.mktemp("artifacts") / "regressor")


@pytest.fixture(scope="session")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A binary classifier over one matrix of four numbers, with the labels 0 and 1."""
    return artifacts.make_matrix(tmp_path_factory.mktemp("artifacts") / "matrix")


@pytest.fixture(autouse=True)
def _termination_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tests run in a pod, its own termination message is none of their business."""
    monkeypatch.setenv("PINTLE_TERMINATION_LOG", os.devnull)
