"""Reading an artifact folder: `pvc://claim/path` is a mounted folder, `s3://bucket/prefix` goes by obstore.

Keys are files (a mounted Secret), never environment variables: the environment of a process is easier to leak.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from pintle.contract import folders

CHUNK_BYTES = 1 << 20
RETRY_SECONDS = 30
CONNECT_SECONDS = 10
KEY_FILES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION")
DEFAULT_REGION = "us-east-1"


class StorageError(Exception):
    """Storage cannot be read right now, or holds no such file."""


class BadUri(ValueError):
    """The URI is none that Pintle can read."""


class Source(Protocol):
    """A folder of an artifact."""

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of one file, in pieces. Raises StorageError."""
        ...


def open_source(
    uri: str,
    secret: PurePosixPath | Path = folders.MODEL_SECRET,
    volumes: PurePosixPath | Path = folders.VOLUMES,
) -> Source:
    """The folder that the URI names. Raises BadUri for another scheme and for a path that leaves its claim."""
    if uri.startswith("pvc://"):
        try:
            inside = folders.claim_path(uri).relative_to(folders.VOLUMES)
        except ValueError as error:
            raise BadUri(str(error)) from error
        return Folder(Path(volumes) / inside)
    if uri.startswith("s3://"):
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        if not bucket or ".." in prefix.split("/"):
            raise BadUri(f"{uri} is not of the form s3://bucket/prefix")
        return Bucket(bucket, prefix.strip("/"), read_keys(Path(secret)))
    raise BadUri(f"{uri or 'an empty URI'}: only pvc://claim/path and s3://bucket/prefix can be read")


def read_keys(secret: Path) -> dict[str, str]:
    """The key files of a mounted Secret by name; empty where nothing is mounted."""
    keys = {}
    for name in KEY_FILES:
        file = secret / name
        if file.is_file():
            keys[name] = file.read_text().strip()
    return keys


class Folder:
    """A folder on a mounted volume."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str) -> Iterator[bytes]:
        try:
            with (self._path / name).open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        except OSError as error:
            raise StorageError(f"cannot read {name}: {error.strerror}") from error


class Bucket:
    """A prefix of an S3 bucket. An endpoint with http:// is allowed, for stores inside the cluster."""

    def __init__(self, bucket: str, prefix: str, keys: dict[str, str]) -> None:
        from obstore.store import S3Store  # only here: a volume needs no S3 client, and the pod starts sooner

        config: dict[str, Any] = {name.lower(): value for name, value in keys.items() if value}
        config.setdefault("aws_region", DEFAULT_REGION)
        self._store = S3Store(
            bucket,
            prefix=prefix or None,
            config=config,
            client_options={
                "allow_http": config.get("aws_endpoint_url", "").startswith("http://"),
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            },
            retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
        )

    def read(self, name: str) -> Iterator[bytes]:
        from obstore.exceptions import BaseError

        try:
            for chunk in self._store.get(name).stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)
        except (BaseError, OSError) as error:
            raise StorageError(f"cannot read {name}: {str(error).splitlines()[0]}") from error
