"""Images: tags by content, archives without a container tool, the right builder's commands."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from e2e.cluster import builders, dockerfile, images, oci, paths, prune
from e2e.cluster.errors import ClusterError

TEXT = """# A comment
ARG BASE_IMAGE=python:3.12-slim
FROM ${BASE_IMAGE} AS build
COPY requirements/x.txt /tmp/
COPY --chown=1:1 code/a \\
     code/b /opt/
FROM ${BASE_IMAGE}
COPY --from=build /opt /opt
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A repository with one image."""
    root = tmp_path / "repository"
    for name in ("images/x", "requirements", "code/a", "code/b", "docs", "code/a/__pycache__"):
        (root / name).mkdir(parents=True)
    (root / "images/x/Dockerfile").write_text(TEXT)
    for name in ("requirements/x.txt", "code/a/one.py", "code/b/two.py", "docs/page.md"):
        (root / name).write_text(name)
    return root


def content(context: Path, base: str = "base:1") -> str:
    """The image's tag."""
    return dockerfile.content(context / "images/x/Dockerfile", context, base)


@pytest.mark.parametrize(
    "name", ["requirements/x.txt", "code/a/one.py", "code/b/two.py", "code/b/new.py", "images/x/Dockerfile"]
)
def test_the_tag_changes_with_what_is_copied(context: Path, name: str) -> None:
    """Dockerfile, requirements and code count, files that are new included."""
    before = content(context)
    (context / name).write_text(TEXT + "# changed\n")
    assert content(context) != before


@pytest.mark.parametrize("name", ["docs/page.md", "code/a/__pycache__/one.cpython-311.pyc"])
def test_the_tag_stays_when_something_else_changes(context: Path, name: str) -> None:
    """What is not copied builds nothing anew."""
    before = content(context)
    (context / name).write_text("changed")
    assert content(context) == before


def test_the_tag_changes_with_the_base(context: Path) -> None:
    """A new base image means new images."""
    assert content(context) != content(context, "base:2")


def test_a_missing_source_is_named(context: Path) -> None:
    """Before anything is built."""
    (context / "requirements/x.txt").unlink()
    with pytest.raises(ClusterError, match=r"requirements/x\.txt"):
        content(context)


class Recorder(builders.Docker):
    """An engine that has what it built."""

    built: list[str] = []  # noqa: RUF012

    def has(self, reference: str) -> bool:
        return reference in self.built

    def build(self, dockerfile: Path, context: Path, reference: str) -> None:
        self.built.append(reference)


def test_an_unchanged_image_is_built_once(context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And under the user's registry where one is given."""
    monkeypatch.setattr(paths, "REPOSITORY", context)
    monkeypatch.setattr(paths, "IMAGES", context / "images")
    monkeypatch.setenv("PINTLE_IMAGE_PREFIX", "registry.example/team/")
    monkeypatch.setattr(Recorder, "built", [])
    first = images.build("x", Recorder())
    assert images.build("x", Recorder()) == first
    assert Recorder.built == [first]
    assert first.startswith("registry.example/team/x:")
    assert images.names() == ["x"]


def test_docker_builds_on_the_official_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command that would be executed."""
    watched: list[list[str]] = []
    monkeypatch.setattr(builders, "_watch", lambda command: watched.append(list(command)))
    builders.Docker().build(Path("/r/images/x/Dockerfile"), Path("/r"), "pintle.local/x:1")
    assert " ".join(watched[0]) == (
        "docker build --build-arg BASE_IMAGE=python:3.12-slim -f /r/images/x/Dockerfile -t pintle.local/x:1 /r"
    )


def test_buildah_mounts_the_machines_certificates_and_copies_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are seen while building and are no part of the image."""
    watched: list[list[str]] = []
    monkeypatch.setattr(builders, "_watch", lambda command: watched.append(list(command)))
    monkeypatch.setattr(builders.Buildah, "has", lambda self, reference: True)
    monkeypatch.setattr(builders, "_CERTIFICATES", Path(__file__))
    builders.Buildah().build(Path("/r/images/x/Dockerfile"), Path("/r"), "pintle.local/x:1")
    assert f"-v {__file__}:{__file__}:ro" in " ".join(watched[0])


def test_an_archive_of_one_program_is_a_valid_image(tmp_path: Path) -> None:
    """Every blob has the digest it is named by, and the layer holds the program as executable."""
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    archive = oci.write(tmp_path / "image.tar", "pintle.local/program:v1", {"/program": program}, ["/program"])
    with tarfile.open(archive) as tar:
        blobs = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    for name, blob in blobs.items():
        if name.startswith("blobs/"):
            assert hashlib.sha256(blob).hexdigest() == name.rpartition("/")[2]
    listed = json.loads(blobs["index.json"])["manifests"][0]
    assert listed["annotations"]["io.containerd.image.name"] == "pintle.local/program:v1"
    manifest = json.loads(blobs["blobs/sha256/" + listed["digest"][7:]])
    config = json.loads(blobs["blobs/sha256/" + manifest["config"]["digest"][7:]])
    layer = blobs["blobs/sha256/" + manifest["layers"][0]["digest"][7:]]
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    assert config["config"]["Entrypoint"] == ["/program"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert tar.getmember("program").mode & 0o111


def test_the_same_program_gives_the_same_archive(tmp_path: Path) -> None:
    """No clock and no user in it."""
    program = tmp_path / "program"
    program.write_bytes(b"x")
    one = oci.write(tmp_path / "1.tar", "a/b:1", {"/program": program}, ["/program"]).read_bytes()
    program.touch()
    assert oci.write(tmp_path / "2.tar", "a/b:1", {"/program": program}, ["/program"]).read_bytes() == one


def test_the_newest_images_and_those_in_use_stay() -> None:
    """Of each name by itself; base and images of others are never removed."""
    built = [(float(day), f"pintle.local/{name}:{day}") for day in range(1, 10) for name in ("operator", "server")]
    strangers = [(0.0, "pintle.local/base:0"), (0.0, "pintle.local/prometheus:0"), (0.0, "registry.example/operator:0")]
    used = '{"image": "pintle.local/operator:3", "env": [{"value": "pintle.local/server:1"}]}'
    assert prune.superseded([*built, *strangers], used, kept=6) == [
        "pintle.local/operator:1",
        "pintle.local/operator:2",
        "pintle.local/server:2",
        "pintle.local/server:3",
    ]


def test_few_images_are_all_kept() -> None:
    """Nothing is removed before there are more than are kept."""
    built = [(float(day), f"pintle.local/runner:{day}") for day in range(prune.KEPT)]
    assert prune.superseded(built, "") == []
