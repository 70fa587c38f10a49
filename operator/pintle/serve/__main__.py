"""`python -m pintle.serve`: the model server."""

from __future__ import annotations

import os
import sys

# One thread for numerical libraries, before anything imports them: a pod scales by replicas, not by threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pintle.contract.exits import Exit
from pintle.serve import report
from pintle.serve.report import Refusal
from pintle.serve.settings import Settings


def main() -> Exit:
    """Serve until SIGTERM; the exit code is the contract's."""
    import asyncio

    import uvloop

    from pintle.serve.server import PHASE, ServerProcess

    try:
        settings = Settings.from_environment()
    except Refusal as refusal:
        return report.refuse(PHASE, refusal)

    async def serve() -> Exit:
        return await ServerProcess(settings).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve())


if __name__ == "__main__":
    sys.exit(main())
