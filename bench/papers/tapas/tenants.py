"""Who rents the servers: opaque customers and endpoints, in the order they come, with their load day by day."""

from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

OCCUPIED = 0.92
"""Share of the servers that are rented [assumption]."""
SMOOTH_HOURS = 2.0
"""How long what is not of the hour of day stays alike [assumption]."""


@dataclass(frozen=True)
class Group:
    """Servers of one customer, or of one endpoint."""

    endpoint: bool
    size: int
    full_gpu_watts: float
    """Of a GPU that is busy all the time at full clock."""
    level: float
    """Mean load."""
    swing: float
    """Of the load between day and night."""
    peak_hour: float
    least_quality: float


@dataclass(frozen=True)
class Tenants:
    """All groups with their load."""

    groups: tuple[Group, ...]
    group_of: NDArray[np.int64]
    """By server rented, in the order they come."""
    loads: Floats
    """By step and server: what is asked of each, 1 being all it can at full clock; of an endpoint's servers, an equal part
    of the endpoint's demand. A day of the past comes first."""
    past_steps: int

    @property
    def correlation(self) -> float:
        """Mean correlation between the loads of two groups."""
        firsts = [int(np.argmax(self.group_of == index)) for index in range(len(self.groups))]
        found = np.corrcoef(self.loads[self.past_steps :, firsts].T)
        count = len(firsts)
        return float((found.sum() - count) / (count * (count - 1)))


def drawn(seed: int, servers: int, *, common: float, days: int, step_seconds: float) -> Tenants:
    """Return tenants for a hall of so many servers, so much of whose swing between day and night is ``common``.

    More servers bring more tenants; those who were there stay.
    """
    rng = Random(f"tenants {seed}")
    groups: list[Group] = []
    rented = round(OCCUPIED * servers)
    while (room := rented - sum(group.size for group in groups)) > 0:
        endpoint = _servers(groups, endpoint=True) <= _servers(groups, endpoint=False)
        groups.append(_group(rng, endpoint=endpoint, room=room))
    per_day = round(86_400 / step_seconds)
    hours = np.arange((days + 1) * per_day) * 24.0 / per_day
    columns = []
    for index, group in enumerate(groups):
        noise = np.random.default_rng([seed, index])
        daily = common * np.cos((hours - 15.0) * np.pi / 12.0) + (1.0 - common) * np.cos(
            (hours - group.peak_hour) * np.pi / 12.0
        )
        shared = group.level + group.swing * daily + 0.06 * _wander(noise, hours)
        if group.endpoint:
            shared = shared + _bursts(noise, len(hours), per_day)
        for _ in range(group.size):
            own = 0.0 if group.endpoint else 0.04 * _wander(noise, hours)
            columns.append(np.clip(shared + own, 0.02, 1.0 if not group.endpoint else 0.86))
    of = np.repeat(np.arange(len(groups)), [group.size for group in groups])
    return Tenants(tuple(groups), of, np.column_stack(columns), per_day)


def _servers(groups: list[Group], *, endpoint: bool) -> int:
    return sum(group.size for group in groups if group.endpoint is endpoint)


def _group(rng: Random, *, endpoint: bool, room: int) -> Group:
    size = rng.randint(5, 10) if endpoint else rng.randint(1, 8)
    watts = 616.0 if endpoint else rng.uniform(0.6, 1.0) * 700.0
    level = rng.uniform(0.45, 0.6) if endpoint else rng.uniform(0.4, 0.75)
    swing, hour = rng.uniform(0.12, 0.3), rng.uniform(0.0, 24.0)
    quality = rng.choice((0.85, 0.97))
    return Group(endpoint, min(size, room), watts, level, swing, hour, quality)


def _wander(noise: np.random.Generator, hours: Floats) -> Floats:
    """Return a path that forgets itself within hours, of unit variance."""
    kept = float(np.exp(-(hours[1] - hours[0]) / SMOOTH_HOURS))
    steps = noise.standard_normal(len(hours)) * np.sqrt(1.0 - kept * kept)
    path = np.empty(len(hours))
    value = noise.standard_normal()
    for index, step in enumerate(steps):
        value = kept * value + step
        path[index] = value
    return path


def _bursts(noise: np.random.Generator, count: int, per_day: int) -> Floats:
    """Return a quarter of an hour of more demand, about once a day."""
    more = np.zeros(count)
    long = max(1, round(per_day / 96))
    for start in np.flatnonzero(noise.random(count) < 1.0 / per_day):
        more[start : start + long] += 0.2
    return more
