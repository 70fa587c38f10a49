"""`python -m pintle.train.record`: the sidecar that leaves a record of a run that failed.

It waits for SIGTERM, which the kubelet sends when the other containers have ended, with nothing loaded but the
standard library; then, unless `upload` has done it, it writes run.json and the metrics.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

# Before anything else: as process 1 of a container an unblocked SIGTERM without a handler would be lost.
SIGNALS = (signal.SIGTERM, signal.SIGINT)
if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

from pintle.contract import folders  # noqa: E402
from pintle.train.outcome import Refusal, run_request, say  # noqa: E402


def record() -> int:
    """Write the record of a run that did not get to its upload. Returns the exit code."""
    if (Path(folders.RECORD) / folders.UPLOADED_MARK).exists():
        say("record: upload has written the record")
        return 0
    from pintle.train.recording import record_uri, run_record, write_record

    try:
        request = run_request()
        write_record(request, run_record(request, verdict=None, digest=None, artifact=None))
    except Refusal as refusal:
        say(f"record: not written: {refusal.message}")
        return int(refusal.code)
    say(f"record: {record_uri(request)}/{folders.RUN_FILE}")
    return 0


if __name__ == "__main__":
    say("record: waiting for the end of the run")
    signal.sigwait(SIGNALS)
    sys.exit(record())
