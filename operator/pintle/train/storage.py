"""Storage behind one library (obstore): `pvc://claim/path` is a folder on a mounted volume, `s3://` a bucket.

Keys are files of a mounted Secret. An S3 endpoint may be plain http inside a cluster.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, S3Store

from pintle.contract import folders
from pintle.contract.exits import Exit
from pintle.train.outcome import REQUEST_INVALID, STORAGE_UNAVAILABLE, Refusal

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SESSION_TOKEN")
DENIED = "access denied, check the key in its Secret"
CHUNK_BYTES = 8 << 20
RETRY: dict[str, Any] = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
SINGLE_FILES = (".parquet", ".csv", ".csv.gz")


@dataclass(frozen=True)
class ObjectInfo:
    """One object below a URI; `name` is relative to it, `modified` is in UTC."""

    name: str
    size: int
    modified: datetime
    etag: str | None = None


class Store:
    """The objects below one URI. Every method raises Refusal(TRY_AGAIN) when storage does not answer."""

    def __init__(self, uri: str, store: Any, prefix: str) -> None:
        self.uri = uri
        self._store = store
        # A URI may name one file; its folder is then the place that names are relative to.
        self._only = PurePosixPath(prefix).name if prefix.endswith(SINGLE_FILES) else None
        parent = prefix.removesuffix(self._only).rstrip("/") if self._only else prefix
        self._base = f"{parent}/" if parent else ""

    def list(self) -> list[ObjectInfo]:
        """All objects below the URI, or the one that the URI names, sorted by name."""
        found: Sequence[Any]
        with self._errors():
            if self._only:
                found = [obstore.head(self._store, self._base + self._only)]
            elif self._base or not isinstance(self._store, LocalStore):
                found = obstore.list(self._store, prefix=self._base.rstrip("/") or None).collect()
            else:
                found = self._list_volume()
        infos = [
            ObjectInfo(item["path"].removeprefix(self._base), item["size"], item["last_modified"], item.get("e_tag"))
            for item in found
        ]
        return sorted(infos, key=lambda info: info.name)

    def _list_volume(self) -> Sequence[Any]:
        """Everything on a volume but lost+found, which ext4 makes at its root and only root may read."""
        top = obstore.list_with_delimiter(self._store)
        found = list(top["objects"])
        for prefix in top["common_prefixes"]:
            if prefix != "lost+found":
                found += obstore.list(self._store, prefix=prefix).collect()
        return found

    def download(self, name: str, target: Path) -> str:
        """Copy an object into a file, in pieces. Returns the hex SHA-256 of its bytes."""
        digest = hashlib.sha256()
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._errors(), target.open("wb") as stream:
            for chunk in obstore.get(self._store, self._base + name).stream(min_chunk_size=CHUNK_BYTES):
                digest.update(chunk)
                stream.write(chunk)
        return digest.hexdigest()

    def read(self, name: str) -> bytes | None:
        """The bytes of a small object, or None where there is no such object."""
        with self._errors():
            try:
                return bytes(obstore.get(self._store, self._base + name).bytes())
            except (NotFoundError, FileNotFoundError):
                return None

    def put(self, name: str, content: bytes | Path) -> None:
        """Write an object, whole or not at all; an older one of that name is replaced."""
        with self._errors():
            obstore.put(self._store, self._base + name, content)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
            raise _unavailable(self.uri, DENIED, error) from error
        except (NotFoundError, FileNotFoundError) as error:
            raise _unavailable(self.uri, "not found", error) from error
        except (BaseError, OSError) as error:
            # A refused listing has no error class of its own in obstore.
            denied = any(f"status code: {code}" in str(error) for code in (401, 403))
            raise _unavailable(self.uri, DENIED if denied else "storage does not answer", error) from error


def open_store(uri: str, secret: PurePosixPath | None = None, *, create: bool = False) -> Store:
    """The store that a URI names; `secret` is the folder of its key files, `create` makes the folder of a claim.

    Raises Refusal(CONFIG) for a scheme that is not supported and for a claim that is not mounted.
    """
    if uri.startswith("s3://"):
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        return Store(uri, _s3(bucket, secret), prefix.strip("/"))
    try:
        path = Path(folders.claim_path(uri))
    except ValueError as error:
        raise Refusal(Exit.CONFIG, REQUEST_INVALID, f"{error}; storage is pvc:// or s3://") from error
    mount = Path(folders.VOLUMES) / str(folders.claim_of(uri))
    if not mount.is_dir():
        raise Refusal(Exit.CONFIG, REQUEST_INVALID, f"{uri}: the claim is not mounted at {mount}")
    if create:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unavailable(uri, "the folder cannot be made", error) from error
    prefix = path.relative_to(mount).as_posix()
    return Store(uri, LocalStore(prefix=str(mount)), "" if prefix == "." else prefix)


def _s3(bucket: str, secret: PurePosixPath | None) -> Any:
    options: dict[str, Any] = {}
    if secret is not None:
        for key in KEYS:
            file = Path(secret) / key
            if file.is_file():
                options[key.lower()] = file.read_text(encoding="utf-8").strip()
    options.setdefault("aws_region", "us-east-1")
    plain = str(options.get("aws_endpoint_url", "")).startswith("http://")
    return S3Store(
        bucket,
        config=options,
        client_options={"allow_http": plain, "timeout": "300s", "connect_timeout": "5s"},
        retry_config=RETRY,
    )


def _unavailable(uri: str, what: str, error: Exception) -> Refusal:
    text = str(error).strip() or type(error).__name__
    code = re.search(r"<Code>(\w+)</Code>", text)
    detail = code.group(1) if code else text.splitlines()[0][:300]
    return Refusal(Exit.TRY_AGAIN, STORAGE_UNAVAILABLE, f"{uri}: {what} ({detail})")
