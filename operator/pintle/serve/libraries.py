"""Libraries that not every server image holds, and what to do where one is missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from pintle.contract.exits import Exit
from pintle.serve.artifact import LOAD_FAILED
from pintle.serve.report import Refusal

FULL_IMAGE = "the full image (images/server built with REQUIREMENTS=serve-full; image.server of the chart)"


def library(name: str, model_format: str) -> ModuleType:
    """A module. Raises Refusal (REFUSED, LoadFailed) where the image has none, with the way out."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: a library that the module itself is linked to
        missing = getattr(error, "name", None) or name
        message = (
            f"this server image has no {missing}, which a {model_format} model needs: use "
            f"{FULL_IMAGE}, or publish the model as ONNX (modelFormat: ONNX)"
        )
        raise Refusal(Exit.REFUSED, LOAD_FAILED, message) from error


def refused(message: str) -> Refusal:
    """A model that this server does not load."""
    return Refusal(Exit.REFUSED, LOAD_FAILED, message)
