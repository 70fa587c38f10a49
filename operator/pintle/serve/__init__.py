"""The model server: fetches and verifies a model, proves it by its example, answers predictions, counts what it saw."""

VERSION = "0.1.0"
"""As in pyproject.toml, held equal by a test; the image holds no package metadata."""
