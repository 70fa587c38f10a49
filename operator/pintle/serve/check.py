"""`python -m pintle.serve.check`: load a fetched model and have it answer its own example, in a throw-away pod."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from pintle.contract.exits import Exit
from pintle.serve import report
from pintle.serve.artifact import open_artifact
from pintle.serve.models import load_model
from pintle.serve.report import Refusal
from pintle.serve.settings import Settings
from pintle.serve.warmup import prove

PHASE = "check"


def main(environment: Mapping[str, str] = os.environ) -> Exit:
    """Exit code and termination message are the contract's."""
    try:
        settings = Settings.from_environment(environment)
        artifact = open_artifact(settings.model_dir)
        difference = prove(load_model(artifact, settings.trusted_types), artifact.example)
    except Refusal as refusal:
        return report.refuse(PHASE, refusal)
    return report.finish(
        PHASE,
        {
            "rows": len(artifact.example.rows),
            "maxDifference": difference,
            "modelFormat": artifact.manifest.model_format,
            "task": artifact.manifest.task,
        },
    )


if __name__ == "__main__":
    sys.exit(main())
