"""Certificates and keys of a cluster, made with the `openssl` command."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import ClusterError

_DAYS = "3650"


def _openssl(*words: str | Path, given: str | None = None) -> None:
    done = subprocess.run(["openssl", *map(str, words)], input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"openssl {words[0]}: {done.stderr.strip()}")


def new_key(file: Path) -> Path:
    """An elliptic-curve key, readable by its owner only."""
    if not file.exists():
        part = file.with_suffix(".part")
        part.touch(mode=0o600)
        # The older form ("EC PRIVATE KEY"): the API server reads no other for the keys of ServiceAccounts.
        _openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", part)
        part.replace(file)
    return file


@dataclass(frozen=True)
class Authority:
    """A certificate authority `<name>.crt` with its key, in `folder`."""

    folder: Path
    name: str = "ca"

    @property
    def certificate(self) -> Path:
        """PEM."""
        return self.folder / f"{self.name}.crt"

    @property
    def key(self) -> Path:
        """PEM."""
        return self.folder / f"{self.name}.key"

    def ensure(self) -> Authority:
        """Make it unless it exists."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        new_key(self.key)
        if not self.certificate.exists():
            part = self.certificate.with_suffix(".part")
            usage = "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"
            subject = f"/CN=pintle-{self.name}"
            _openssl(
                "req",
                "-x509",
                "-new",
                "-key",
                self.key,
                "-days",
                _DAYS,
                "-subj",
                subject,
                "-addext",
                usage,
                "-out",
                part,
            )
            part.replace(self.certificate)
        return self

    def issue(self, name: str, user: str, groups: Sequence[str] = (), hosts: Sequence[str] = ()) -> tuple[Path, Path]:
        """Certificate and key for `user`, for a client and, when `hosts` are given, also for a server."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        if certificate.exists() and key.exists():
            return certificate, key
        new_key(key)
        request = self.folder / f"{name}.csr"
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        _openssl("req", "-new", "-key", key, "-subj", subject, "-out", request)
        extensions = "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth"
        if hosts:
            extensions += ",serverAuth\nsubjectAltName=" + ",".join(map(_alternative_name, hosts))
        part = certificate.with_suffix(".part")
        signed = ["-CA", self.certificate, "-CAkey", self.key, "-set_serial", f"0x{_serial(name)}", "-days", _DAYS]
        _openssl("x509", "-req", "-in", request, *signed, "-extfile", "/dev/stdin", "-out", part, given=extensions)
        part.replace(certificate)
        request.unlink()
        return certificate, key


def _alternative_name(host: str) -> str:
    numeric = host.replace(".", "").isdigit()
    return f"{'IP' if numeric else 'DNS'}:{host}"


def _serial(name: str) -> str:
    return name.encode().hex()[:38]


def embed(file: Path) -> str:
    """The base64 form that a kubeconfig holds."""
    return base64.b64encode(file.read_bytes()).decode()
