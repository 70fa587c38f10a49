"""What can go wrong, in words for the person at the terminal."""

from __future__ import annotations


class ClusterError(Exception):
    """The cluster cannot do what was asked; the message says why and what to do about it."""
