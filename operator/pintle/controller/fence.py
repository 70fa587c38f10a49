"""The right to write, which ends by itself: a leader that cannot renew its Lease stops before another may start."""

from __future__ import annotations

from pintle.ports.clock import Clock


class NotLeader(Exception):
    """The Lease was not renewed in time; nothing may be written any more."""


class Fence:
    """Open from each renewal for `renew_deadline` seconds; a call in flight must end within `lease_duration`."""

    def __init__(self, clock: Clock, *, renew_deadline: float, lease_duration: float) -> None:
        self._clock = clock
        self._renew_deadline = renew_deadline
        self._lease_duration = lease_duration
        self._renewed: float | None = None

    def renewed(self, since: float) -> None:
        """The Lease was written by a request that was sent at `since` (monotonic)."""
        self._renewed = since

    def shut(self) -> None:
        """No more writes from here on."""
        self._renewed = None

    def open(self) -> bool:
        """Whether a write may begin now."""
        return self._renewed is not None and self._clock.monotonic() < self._renewed + self._renew_deadline

    def time_out(self, longest: float) -> float:
        """How long a write that begins now may take, in seconds; raises NotLeader when none may begin."""
        if self._renewed is None or not self.open():
            raise NotLeader
        return min(longest, self._renewed + self._lease_duration - self._clock.monotonic())
