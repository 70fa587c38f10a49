"""References of the images that the installation uses; built where their content is not there yet."""

from __future__ import annotations

from functools import cache

from e2e.cluster import images

OURS = ("operator", "server", "runner")


@cache
def references() -> dict[str, str]:
    """Image name -> reference, for the three images of Pintle."""
    return images.build_all(OURS)


def runner_image() -> str:
    """The image of the run pod's own containers, which has pandas and scikit-learn."""
    return references()["runner"]


def server_image() -> str:
    """The model server's image."""
    return references()["server"]
