"""The lease that keeps an order in force, and the fence that keeps old orders out. Pure."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as one agent has followed it; ``deadline_seconds`` is world time of this boot."""

    name: str = ""
    renewals: int | None = None
    """Last counter seen by this process; none before its first sight."""
    deadline_seconds: float | None = None
    """When the order ends; none while no renewal was ever witnessed."""

    def sighted(self, name: str, renewals: int, duration_seconds: float, now_seconds: float) -> "Lease":
        """Return the lease after one look at it: only a *changed* counter extends, a first sight does not."""
        if name != self.name or self.renewals is None:
            return replace(self, name=name, renewals=renewals)
        if renewals == self.renewals:
            return self
        return Lease(name, renewals, now_seconds + duration_seconds)

    def at_most(self, duration_seconds: float, now_seconds: float) -> "Lease":
        """Return the lease with no more left than it can last: what was read from a disk may say anything."""
        longest = now_seconds + duration_seconds
        if self.deadline_seconds is None or self.deadline_seconds <= longest:
            return self
        return replace(self, deadline_seconds=longest)

    def valid(self, now_seconds: float) -> bool:
        """Whether the order is in force."""
        return self.deadline_seconds is not None and now_seconds < self.deadline_seconds

    def remaining_seconds(self, now_seconds: float) -> float:
        """Return how long the order stays in force without another renewal."""
        return 0.0 if self.deadline_seconds is None else max(0.0, self.deadline_seconds - now_seconds)


@dataclass(frozen=True, slots=True)
class Fence:
    """The newest order seen; anything older is ignored."""

    uid: str = ""
    epoch: int = -1
    generation: int = -1

    def admits(self, uid: str, epoch: int, generation: int) -> bool:
        """Whether an order is at least as new as the newest one seen."""
        if epoch != self.epoch or uid != self.uid:
            return epoch > self.epoch or (epoch == self.epoch and uid != self.uid)
        return generation >= self.generation
