"""A real S3 server on this machine: versitygw over a folder.

    with S3Server() as s3:
        s3.make_bucket("models")
        store = obstore.store.S3Store("models", **s3.client_options())

Give `host=settings.NODE_ADDRESS` for a server that pods of the cluster from source reach, too.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
from pathlib import Path
from secrets import token_hex
from types import TracebackType

from . import processes
from .binaries import VERSITYGW
from .errors import ClusterError
from .ports import free_ports
from .processes import Daemon


class S3Server:
    """One server with a random root key, in a folder of its own that is removed at the end unless it was given."""

    region = "us-east-1"

    def __init__(self, folder: Path | None = None, *, host: str = "127.0.0.1") -> None:
        self._given = folder
        self.folder = Path(folder) if folder else Path(tempfile.mkdtemp(prefix="pintle-s3-"))
        self.host = host
        self.access_key, self.secret_key = f"pintle{token_hex(4)}", token_hex(20)
        self.port = 0

    @property
    def url(self) -> str:
        """The endpoint, for path-style requests."""
        return f"http://{self.host}:{self.port}"

    @property
    def buckets(self) -> Path:
        """The folder whose folders are the buckets: for a look at what was really stored."""
        return self.folder / "buckets"

    def make_bucket(self, name: str) -> Path:
        """A bucket; nothing happens where it exists."""
        bucket = self.buckets / name
        bucket.mkdir(exist_ok=True)
        return bucket

    def environment(self) -> dict[str, str]:
        """The variables that S3 clients read; also the data of a Secret for `storage.secretRef`."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
        }

    def client_options(self) -> dict[str, object]:
        """Keyword arguments of obstore's S3Store."""
        return {
            "access_key_id": self.access_key,
            "secret_access_key": self.secret_key,
            "region": self.region,
            "endpoint": self.url,
            "client_options": {"allow_http": True},
        }

    def __enter__(self) -> S3Server:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> S3Server:
        """Returns when it takes connections. Like the API server it ends with the thread that started it."""
        self.buckets.mkdir(parents=True, exist_ok=True)
        (self.folder / "metadata").mkdir(exist_ok=True)
        for attempt in range(3):
            (self.port,) = free_ports(1, self.host)
            self._daemon.start(["setpriv", "--pdeathsig", "KILL", *self._command()], self._environment())
            try:
                processes.wait_for("the S3 server to listen", self._listens, 30.0, self._daemon)
                return self
            except ClusterError:
                # Between finding a free port and listening on it another server may have been quicker.
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def stop(self) -> None:
        """End it, and remove its folder if it was a temporary one."""
        self._daemon.stop(grace=1.0)
        if not self._given:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _daemon(self) -> Daemon:
        return Daemon("versitygw", self.folder)

    def _command(self) -> list[str | Path]:
        options = ["--port", f"{self.host}:{self.port}", "--region", self.region, "--quiet", "--keep-alive"]
        # Metadata beside the objects instead of in extended attributes, which not every file system has.
        return [VERSITYGW.path(), *options, "posix", "--sidecar", self.folder / "metadata", self.buckets]

    def _environment(self) -> dict[str, str]:
        # Not on the command line, which every user of the machine can read.
        return processes.environment(ROOT_ACCESS_KEY=self.access_key, ROOT_SECRET_KEY=self.secret_key)

    def _listens(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=1):
                return True
        except OSError:
            return False
