"""An API server alone: etcd and kube-apiserver with RBAC, ready in about two seconds, several at once.

    with ApiServer(audit=True) as server:
        subprocess.run([server.kubectl, "--kubeconfig", server.kubeconfig, "get", "namespaces"])

There is no node and, unless asked for, no controller: namespaces stay Terminating, nothing collects garbage, and
pods need no ServiceAccount to be created. The servers end with the thread that started them: start them from the main
thread. RBAC, CEL, pruning, server-side apply, watches and audit are the real ones.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from . import kubeconfig, pki, processes, system
from .binaries import KUBERNETES
from .errors import ClusterError
from .ports import free_ports
from .processes import Daemon

AUDIT_POLICY: dict[str, Any] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    # Who did which verb on what: that is all that a comparison with granted rights needs.
    "rules": [{"level": "Metadata"}],
}


class ApiServer:
    """etcd + kube-apiserver in a folder of their own, on free ports of the loopback interface.

    folder: where to keep everything; a temporary folder, removed at the end, when not given.
    audit: write every request, as JSON lines, to `audit_log`.
    controllers: names of controllers to run (e.g. "garbage-collector-controller"); none by default.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        audit: bool = False,
        controllers: Sequence[str] = (),
        patience: float = 60.0,
    ) -> None:
        self._given = folder
        self.folder = Path(folder) if folder else Path(tempfile.mkdtemp(prefix="pintle-api-"))
        self.audit = audit
        self.controllers = tuple(controllers)
        self.patience = patience
        self.url = ""
        self._etcd_port = 0

    # -- what a test uses ------------------------------------------------------------------------------------------

    @property
    def kubeconfig(self) -> Path:
        """Of a cluster administrator."""
        return self.folder / "kubeconfig"

    @property
    def kubectl(self) -> Path:
        """The kubectl of the same version."""
        return KUBERNETES.path("kubectl")

    @property
    def audit_log(self) -> Path:
        """JSON lines of audit.k8s.io/v1 events; there only with `audit=True`."""
        return self.folder / "audit.jsonl"

    def audited(self) -> Iterator[dict[str, Any]]:
        """The answered requests so far: user.username, verb, objectRef.{apiGroup,resource,subresource,name} ..."""
        if self.audit_log.exists():
            for line in self.audit_log.read_text().splitlines():
                yield json.loads(line)

    def run_kubectl(
        self, *words: str, given: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """kubectl as administrator, output captured."""
        command = [str(self.kubectl), "--kubeconfig", str(self.kubeconfig), *words]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise ClusterError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
        return done

    def kubeconfig_of(self, namespace: str, service_account: str) -> Path:
        """A kubeconfig with a fresh token of an existing ServiceAccount, to test under exactly its rights."""
        token = self.run_kubectl("create", "token", service_account, "-n", namespace, "--duration=4h").stdout.strip()
        file = self.folder / f"kubeconfig-{namespace}-{service_account}"
        return kubeconfig.write(file, self.url, self._authority.certificate, {"token": token})

    # -- life ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> ApiServer:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> ApiServer:
        """Returns when /readyz answers ok."""
        system.require(["etcd", "openssl", "setpriv"])
        KUBERNETES.folder()
        self.folder.mkdir(parents=True, exist_ok=True)
        for attempt in range(3):
            try:
                self._start_once()
                return self
            except ClusterError as error:
                # Between finding a free port and listening on it another server may have been quicker.
                self._stop_daemons()
                if attempt == 2 or "address already in use" not in str(error):
                    raise
        raise AssertionError("unreachable")

    def stop(self) -> None:
        """End both processes and remove the folder if it was a temporary one."""
        self._stop_daemons()
        if not self._given:
            shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self) -> None:
        """Only the API server, on the same port: every watch breaks, what is stored stays."""
        self._apiserver.stop(grace=0.3)
        self._run_apiserver()
        self._await_ready()

    # -- parts -----------------------------------------------------------------------------------------------------

    @property
    def _etcd(self) -> Daemon:
        return Daemon("etcd", self.folder)

    @property
    def _apiserver(self) -> Daemon:
        return Daemon("kube-apiserver", self.folder)

    @property
    def _controllers(self) -> Daemon:
        return Daemon("kube-controller-manager", self.folder)

    @property
    def _authority(self) -> pki.Authority:
        return pki.Authority(self.folder / "pki")

    def _start_once(self) -> None:
        self._etcd_port, peer, port = free_ports(3)
        self.url = f"https://127.0.0.1:{port}"
        self._run(self._etcd, etcd_command(self.folder / "etcd", self._etcd_port, peer))
        authority = self._authority.ensure()
        authority.issue("server", "kube-apiserver", hosts=["127.0.0.1", "localhost"])
        pki.new_key(authority.folder / "accounts.key")
        admin = authority.issue("admin", "pintle-admin", groups=["system:masters"])
        kubeconfig.write(self.kubeconfig, self.url, authority.certificate, kubeconfig.certificate_user(*admin))
        self._run_apiserver()
        self._await_ready()
        if self.controllers:
            self._run(self._controllers, self._controller_command())

    def _run_apiserver(self) -> None:
        flags = apiserver_flags(self._authority, f"http://127.0.0.1:{self._etcd_port}", self.url.rpartition(":")[2])
        flags += [
            "--bind-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.253.0.0/20",
        ]
        # Nothing here makes the default ServiceAccounts without which this admission refuses every pod.
        flags += ["--disable-admission-plugins=ServiceAccount", f"--cert-dir={self.folder / 'pki'}"]
        if self.audit:
            policy = self.folder / "audit-policy.json"
            policy.write_text(json.dumps(AUDIT_POLICY))
            flags += [
                f"--audit-policy-file={policy}",
                f"--audit-log-path={self.audit_log}",
                "--audit-log-mode=blocking",
            ]
        self._run(self._apiserver, [KUBERNETES.path("kube-apiserver"), *flags])

    @staticmethod
    def _run(daemon: Daemon, command: Sequence[str | Path]) -> None:
        # However this process ends, SIGKILL included, the server ends with it.
        daemon.start(["setpriv", "--pdeathsig", "KILL", *command])

    def _controller_command(self) -> list[str | Path]:
        user = self._authority.issue("controllers", "system:kube-controller-manager", groups=["system:masters"])
        file, certificate = self.folder / "kubeconfig-controllers", self._authority.certificate
        config = kubeconfig.write(file, self.url, certificate, kubeconfig.certificate_user(*user))
        return [
            KUBERNETES.path("kube-controller-manager"),
            f"--kubeconfig={config}",
            f"--controllers={','.join(self.controllers)}",
            "--use-service-account-credentials=false",
            "--leader-elect=false",
            "--secure-port=0",
        ]

    def _await_ready(self) -> None:
        certificate, key = self._authority.issue("admin", "pintle-admin", groups=["system:masters"])
        context = ssl.create_default_context(cafile=str(self._authority.certificate))
        context.load_cert_chain(certificate, key)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        processes.wait_for(
            "the API server to be ready", lambda: answers(f"{self.url}/readyz", opener), self.patience, self._apiserver
        )

    def _stop_daemons(self) -> None:
        self._controllers.stop(grace=0.0)
        # There is nothing to flush that anybody will read again: etcd is killed, the API server asked shortly.
        self._apiserver.stop(grace=0.3)
        self._etcd.stop(grace=0.0)
        if not self._given:
            return
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)


def answers(url: str, opener: urllib.request.OpenerDirector) -> bool:
    """Whether a GET gets 200."""
    with contextlib.suppress(urllib.error.URLError, OSError), opener.open(url, timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def etcd_command(data: Path, client_port: int, peer_port: int) -> list[str]:
    """An etcd that does not wait for the disk: what it holds is worth as much as the test it serves."""
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return [
        "etcd",
        "--name=pintle",
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=pintle={peer}",
        "--unsafe-no-fsync",
        "--quota-backend-bytes=4294967296",
        "--logger=zap",
        "--log-level=warn",
    ]


def apiserver_flags(authority: pki.Authority, etcd: str, port: str | int) -> list[str]:
    """What every API server of ours has in common."""
    folder = authority.folder
    return [
        f"--etcd-servers={etcd}",
        f"--secure-port={port}",
        f"--tls-cert-file={folder / 'server.crt'}",
        f"--tls-private-key-file={folder / 'server.key'}",
        f"--client-ca-file={authority.certificate}",
        "--authorization-mode=Node,RBAC",
        f"--service-account-key-file={folder / 'accounts.key'}",
        f"--service-account-signing-key-file={folder / 'accounts.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--allow-privileged=true",
        "--max-requests-inflight=2000",
        "--max-mutating-requests-inflight=1000",
        "--v=0",
    ]
