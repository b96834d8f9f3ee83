"""When runs start: seeded Poisson, or the moments of a public trace, scaled to a rate."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from wattline.model.runs import Arrival
from wattline.sim import tables
from wattline.sim.recording import Recording, Session, TraceError, again

Profile = Sequence[tuple[float, float]]
"""Rate as steps: start in seconds and relative height, the first at 0."""

_STAMP = re.compile(r"(\d+)-(\d+)-(\d+)[ T](\d+):(\d+):(\d+(?:\.\d+)?)")


def poisson(rate_per_second: float, hours: float, rng: Random) -> list[float]:
    """Return the moments of a Poisson process."""
    return stepped([(0.0, rate_per_second)], hours, rng)


def stepped(profile: Profile, hours: float, rng: Random) -> list[float]:
    """Return the moments of a Poisson process whose rate moves in steps."""
    out: list[float] = []
    for index, (start, rate) in enumerate(profile):
        end = min(profile[index + 1][0] if index + 1 < len(profile) else hours * 3600, hours * 3600)
        at = start
        while rate > 0:
            at += rng.expovariate(rate)
            if at >= end:
                break
            out.append(at)
    return out


def recorded(path: Path, rate_per_second: float | None, hours: float, rng: Random) -> list[float]:
    """Return the moments of an Azure conv CSV, a Mooncake trace or ServeGen rate windows.

    A rate scales: moments are stretched in time, so that the file has it on average, and repeated until the
    hours are full; rate windows keep their time and are scaled in height, so that the hours have it on
    average. Without a rate, moments stand as recorded.
    """
    if path.name.removesuffix(".gz").endswith(".jsonl"):
        return _stretched(sorted(_mooncake(path)), path, rate_per_second, hours)
    columns = frozenset(tables.columns(path))
    if "TIMESTAMP" in columns:
        return _stretched(sorted(_azure(path)), path, rate_per_second, hours)
    if {"start_s", "rate_rps"} <= columns:
        return stepped(_windows(path, rate_per_second, hours), hours, rng)
    raise TraceError(
        f"{path}: not a known arrival trace: expected TIMESTAMP (Azure), timestamp in JSON lines (Mooncake) "
        "or start_s and rate_rps (ServeGen)"
    )


def _stretched(moments: list[float], path: Path, rate_per_second: float | None, hours: float) -> list[float]:
    if not moments:
        raise TraceError(f"{path}: no arrivals in it")
    span = max(moments[-1] - moments[0], 1e-9) * len(moments) / max(1, len(moments) - 1)
    scale = 1.0 if rate_per_second is None else len(moments) / span / rate_per_second
    horizon = hours * 3600
    once = [(moment - moments[0]) * scale for moment in moments]
    if rate_per_second is None:
        return [at for at in once if at < horizon]
    out: list[float] = []
    while len(out) == 0 or out[-1] < horizon:
        done = len(out) // len(once) * span * scale
        out.extend(at + done for at in once)
    return [at for at in out if at < horizon]


def schedule(recording: Recording, moments: Sequence[float], rng: Random) -> list[Arrival]:
    """Deal the recorded sessions onto the moments, every one once before any twice, in a seeded order.

    A later run of a session starts no sooner than the tools and the human alone would have let it; the player
    also lets it wait for the end of the one before.
    """
    deal = _deal(recording, rng)
    out: list[Arrival] = []
    owed = 0
    for at in moments:
        if owed > 0:
            owed -= 1  # a session of n runs takes the place of n arrivals, so that the rate is one of runs
            continue
        session = next(deal)
        owed = len(session.runs) - 1
        start = at
        for run, think in zip(session.runs, session.think_seconds, strict=True):
            start += think
            out.append(Arrival(start, run))
            start += sum(turn.gap_seconds for turn in run.turns)
    horizon = moments[-1] if moments else 0.0
    return sorted((arrival for arrival in out if arrival.at_seconds <= horizon), key=lambda a: a.at_seconds)


def _deal(recording: Recording, rng: Random) -> Iterator[Session]:
    order = list(range(len(recording.sessions)))
    play = 0
    while True:
        rng.shuffle(order)
        for index in order:
            yield again(recording.sessions[index], play)
        play += 1


def _mooncake(path: Path) -> Iterator[float]:
    for number, value in tables.objects(path):
        stamp = value.get("timestamp")
        if not isinstance(stamp, int | float):
            raise TraceError(f"{path}:{number}: expected a timestamp in milliseconds")
        yield stamp / 1000


def _azure(path: Path) -> Iterator[float]:
    for row in tables.rows(path):
        match = _STAMP.match(row["TIMESTAMP"])
        if match is None:
            raise TraceError(
                f"{path}: expected a TIMESTAMP like 2023-11-16 18:15:46.68, not {row['TIMESTAMP']!r}"
            )
        year, month, day, hour, minute, second = (float(part) for part in match.groups())
        yield _days(int(year), int(month), int(day)) * 86400 + hour * 3600 + minute * 60 + second


def _days(year: int, month: int, day: int) -> int:
    """Return days since an epoch in the proleptic Gregorian calendar."""
    shifted = year - (month <= 2)
    return (
        365 * shifted
        + shifted // 4
        - shifted // 100
        + shifted // 400
        + (153 * ((month + 9) % 12) + 2) // 5
        + day
    )


def _windows(path: Path, rate_per_second: float | None, hours: float) -> Profile:
    """Return the summed rates of the file's first workload, from its first window on."""
    rates: dict[float, float] = {}
    workload = None
    for row in tables.rows(path):
        workload = workload or row.get("workload")
        if row.get("workload") == workload:
            start = tables.number(path, row, "start_s")
            rates[start] = rates.get(start, 0.0) + tables.number(path, row, "rate_rps")
    if not rates:
        raise TraceError(f"{path}: no rate windows in it")
    steps = [(start, rates[start]) for start in sorted(rates) if start < hours * 3600]
    if rate_per_second is None:
        return steps
    ends = [start for start, _ in steps[1:]] + [hours * 3600]
    mean = sum(rate * (end - start) for (start, rate), end in zip(steps, ends, strict=True)) / (hours * 3600)
    return [(start, rate / mean * rate_per_second) for start, rate in steps]
