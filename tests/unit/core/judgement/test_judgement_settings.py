"""What settings a user's words lead to."""

from __future__ import annotations

from math import exp

import pytest
from pintle.core.judgement.settings import PRESETS, SENSITIVITIES, TESTS, Limits, settings_for


def test_nothing_said_means_balanced() -> None:
    """No sensitivity is Balanced."""
    assert settings_for(None) == settings_for("Balanced") == PRESETS["Balanced"]


@pytest.mark.parametrize("name", SENSITIVITIES)
def test_alpha_is_split_over_the_tests(name: str) -> None:
    """The parts of alpha add up to alpha, also when some tests are not made."""
    settings = PRESETS[name]
    assert sum(exp(-settings.fail_threshold(test)) for test in TESTS) == pytest.approx(settings.alpha)


def test_advanced_replaces_single_parameters() -> None:
    """Numbers may be strings; what is not named stays as the preset has it."""
    settings = settings_for("Fast", {"alpha": "0.02", "minRows": 7, "errors": {"margin": "0.2"}}, grid_seconds=1)
    assert (settings.alpha, settings.min_rows, settings.grid_seconds) == (0.02, 7, 1)
    assert settings.errors == Limits(PRESETS["Fast"].errors.tolerated, 0.2)
    assert settings.beta == PRESETS["Fast"].beta


@pytest.mark.parametrize(
    ("sensitivity", "advanced"),
    [
        ("Quick", {}),
        (None, {"alpha": 0}),
        (None, {"alpha": 1}),
        (None, {"gamma": 1}),
        (None, {"errors": {"bound": 1}}),
        (None, {"errors": {"margin": 1.5}}),
        (None, {"slowSeconds": "0"}),
        (None, {"missing": {"tolerated": -0.1}}),
        (None, {"restarts": {"tolerated": 0}}),
    ],
)
def test_wrong_parameters_are_refused(sensitivity: str | None, advanced: dict[str, object]) -> None:
    """Unknown names and values out of range raise."""
    with pytest.raises(ValueError, match=r"\w"):
        settings_for(sensitivity, advanced)


def test_a_dry_run_of_an_unknown_test_is_refused() -> None:
    """A misspelt test must not stay in force unseen."""
    with pytest.raises(ValueError, match="eror"):
        settings_for(dry_run=["eror"])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"tolerated": "0.3"}, Limits(0.3, 0.3)),
        ({"margin": "0.01"}, Limits(0.01, 0.01)),
        ({"tolerated": "0.3", "margin": "0.2"}, Limits(0.3, 0.3)),
    ],
)
def test_a_limit_that_was_not_given_makes_way(given: dict[str, str], expected: Limits) -> None:
    """What the API accepts is never refused later: tolerated above the margin moves the margin."""
    assert settings_for("Balanced", {"slow": given}).slow == expected


def test_promotion_waits_for_labels_only_where_asked() -> None:
    """Labels may take months: the loss holds up a promotion only for those who give it limits."""
    assert "loss" not in settings_for(None).required
    assert "loss" in settings_for(None, {"loss": {"margin": "0.05"}}).required
