"""What the fake devices themselves say after a pass: their journals, and whether they are as they were."""

from collections.abc import Sequence
from pathlib import Path

from wattline.fake.nvml.journal import limits
from wattline.fake.nvml.mapping import Mapping
from wattline.model.bounds import bound_watts


def changed(paths: Sequence[Path], uniform_watts: float | None) -> list[str]:
    """Return a line for every GPU whose clock is locked or whose limit is not what it was before Wattline came."""
    found = []
    for path in paths:
        mapping = Mapping.open(path)
        for index, uuid in enumerate(mapping.uuids):
            before = (
                mapping.node.gpus[index].identity.default_mw / 1000
                if uniform_watts is None
                else uniform_watts
            )
            settings = mapping.settings(index)
            if settings.locked_mhz is not None:
                found.append(f"{uuid}: the clock is locked at {settings.locked_mhz[1]} MHz")
            if abs(settings.asked_watts - before) > 0.5:
                found.append(f"{uuid}: the limit is {settings.asked_watts:.1f} W, it was {before:.1f} W")
    return found


def highest_bound_watts(
    paths: Sequence[Path], since_seconds: float, until_seconds: float, speed: float
) -> float | None:
    """Return the most that all limits in force together allowed at any moment of a stretch of world time.

    None where no limit was written. The moments are those of the device journals.
    """
    moments: list[tuple[float, int, float]] = []
    written = False
    for number, path in enumerate(paths):
        mapping = Mapping.open(path)
        journal = mapping.journal()
        identities = [mapping.node.gpus[index].identity for index in range(len(mapping.uuids))]
        for boot_seconds, watts in limits(journal):
            allowed = sum(
                bound_watts(identity.name.decode(), watts.get(index), identity.max_mw / 1000)
                for index, identity in enumerate(identities)
            )
            moments.append((boot_seconds * speed, number, allowed))
        written = written or len(journal) > len(identities)
    if not written:
        return None
    now = [0.0] * len(paths)
    highest = 0.0
    for at, number, allowed in sorted(moments):
        if at > until_seconds:
            break
        if at > since_seconds:
            highest = max(highest, sum(now))
        now[number] = allowed
    return max(highest, sum(now))
