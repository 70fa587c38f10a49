"""What the cluster finds, changes and puts back on the machine."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from e2e.cluster import cgroups, leftovers, node, paths, preflight, settings, sysctl
from e2e.cluster.errors import ClusterError


def fake_process(root: Path, pid: int, name: str, network: str = "net:[1]", words: tuple[str, ...] = ()) -> None:
    """An entry as in /proc."""
    folder = root / str(pid)
    (folder / "ns").mkdir(parents=True)
    (folder / "comm").write_text(name + "\n")
    (folder / "cmdline").write_bytes("\0".join(words or (name,)).encode() + b"\0")
    (folder / "ns" / "net").symlink_to(network)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc in which this process is `self`."""
    root = tmp_path / "proc"
    (root / "self" / "ns").mkdir(parents=True)
    (root / "self" / "ns" / "net").symlink_to("net:[1]")
    return root


@pytest.mark.parametrize("name", ["kubelet", "kube-proxy", "containerd", "crio", "k3s-server"])
def test_another_node_is_noticed(proc: Path, name: str) -> None:
    """A kubelet, kube-proxy or container runtime that is not ours stands in the way."""
    fake_process(proc, 10, name)
    assert preflight.strangers(set(), proc) == {10: name}


def test_our_own_processes_do_not_stand_in_the_way(proc: Path) -> None:
    """A second `up` finds the first one's kubelet."""
    fake_process(proc, 10, "kubelet")
    assert preflight.strangers({10}, proc) == {}


def test_a_node_in_a_container_does_not_stand_in_the_way(proc: Path) -> None:
    """kind's kubelet runs in a network of its own."""
    fake_process(proc, 10, "kubelet", network="net:[2]")
    fake_process(proc, 11, "bash")
    assert preflight.strangers(set(), proc) == {}


def test_the_refusal_names_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which process and what to do."""
    monkeypatch.setattr(preflight, "strangers", lambda own: {4711: "kubelet"})
    monkeypatch.setattr(preflight.os, "geteuid", lambda: 0)
    with pytest.raises(ClusterError, match=r"kubelet \(process 4711\).*PINTLE_KUBECONFIG"):
        preflight.check(set())


def test_only_root_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root the message names the other ways."""
    monkeypatch.setattr(preflight.os, "geteuid", lambda: 1000)
    with pytest.raises(ClusterError, match="needs root"):
        preflight.check(set())


def test_mounts_are_found_below_our_folders_only() -> None:
    """The innermost first; a folder whose name merely begins alike is somebody else's."""
    table = "\n".join(
        f"1 2 0:1 / {point} rw - tmpfs tmpfs rw"
        for point in ("/run/pintle", "/run/pintle/a", "/run/pintle-other", r"/run/pintle/a/with\040space", "/home")
    )
    found = leftovers.mounts([Path("/run/pintle")], table)
    assert found == [Path("/run/pintle/a/with space"), Path("/run/pintle/a"), Path("/run/pintle")]


def test_shims_are_known_by_our_socket(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another containerd's shims are left alone."""
    seen: list[int] = []
    monkeypatch.setattr(leftovers.Identity, "of", staticmethod(seen.append))
    fake_process(proc, 10, "shim", words=("/usr/bin/containerd-shim-runc-v2", "-address", str(node.socket())))
    fake_process(
        proc, 11, "shim", words=("/usr/bin/containerd-shim-runc-v2", "-address", "/run/containerd/containerd.sock")
    )
    fake_process(proc, 12, "vi", words=("vi", str(node.socket())))
    leftovers.orphans(proc)
    assert seen == [10]


def test_shim_sockets_are_read_from_our_state() -> None:
    """Sockets in the shared folder are removed only where our own state names them."""
    bundle = paths.run_dir() / "containerd/io.containerd.runtime.v2.task/k8s.io/abc"
    bundle.mkdir(parents=True)
    (bundle / "address").write_text("unix:///run/containerd/s/123")
    other = bundle.parent / "def"
    other.mkdir()
    (other / "address").write_text("unix:///etc/passwd")
    assert leftovers.shim_sockets() == [Path("/run/containerd/s/123")]


def test_sysctls_go_back_to_what_they_were(tmp_path: Path) -> None:
    """Also when the cluster was started twice: the first start's values count."""
    root, record = tmp_path / "sys", tmp_path / "record.json"
    forward = root / "net/ipv4/ip_forward"
    forward.parent.mkdir(parents=True)
    forward.write_text("0\n")
    for _ in range(2):
        sysctl.remember(["net.ipv4.ip_forward", "not.there"], record, root)
        assert sysctl.write({"net.ipv4.ip_forward": "1"}, root) == []
        assert forward.read_text() == "1"
    sysctl.restore(record, root)
    assert forward.read_text() == "0"
    assert not record.exists()


def test_what_a_setting_sets_besides_goes_back_too(tmp_path: Path) -> None:
    """As the kernel does it: forwarding for all sets each interface's, and switches redirects on when it ends."""
    root, record = tmp_path / "sys", tmp_path / "record.json"
    before = {"ip_forward": "0", "conf/all/forwarding": "0", "conf/all/accept_redirects": "0"}
    before |= {"conf/eth0.5/forwarding": "1", "conf/lo/forwarding": "0"}
    for name, value in before.items():
        file = root / "net/ipv4" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value)
    sysctl.remember(settings.SYSCTLS_TOUCHED, record, root)
    for name in before:
        (root / "net/ipv4" / name).write_text("1")
    sysctl.restore(record, root)
    assert {name: (root / "net/ipv4" / name).read_text() for name in before} == before


def test_a_socket_is_only_taken_away_when_nobody_listens(tmp_path: Path) -> None:
    """Another kubelet of this machine keeps its own."""
    file = tmp_path / "kubelet.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(file))
        server.listen(1)
        assert leftovers.listens(file)
    assert file.exists()
    assert not leftovers.listens(file)


def test_a_setting_that_the_kernel_lacks_is_named(tmp_path: Path) -> None:
    """`up` can say what is missing."""
    assert sysctl.write({"net.bridge.bridge-nf-call-iptables": "1"}, tmp_path) == ["net.bridge.bridge-nf-call-iptables"]


def test_cgroup_hierarchies_of_both_versions() -> None:
    """Mounts of other kinds, and of cgroups elsewhere, do not count."""
    table = (
        "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n"
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\ncgroup /chroot/sys/fs/cgroup/cpu cgroup rw 0 0\n"
    )
    assert cgroups.roots(table) == [Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup/unified")]
