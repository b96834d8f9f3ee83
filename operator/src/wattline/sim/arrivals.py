"""When runs start: seeded Poisson, the moments of a public trace, or a trace's own, scaled to a rate."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random

from wattline.model.runs import Arrival
from wattline.model.sums import in_order
from wattline.sim import tables
from wattline.sim.moments import moment
from wattline.sim.notes import Notes
from wattline.sim.recording import Calls, Part, Recording, TraceError
from wattline.sim.schedule import Dealt, Schedule
from wattline.sim.traces import gatewaylog, load

Profile = Sequence[tuple[float, float]]
"""Rate as steps: start in seconds and relative height, the first at 0."""

UNORDERED = "moments earlier than the one before them, put in order"


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


def recorded(
    path: Path, rate_per_second: float | None, hours: float, rng: Random, notes: Notes | None = None
) -> list[float]:
    """Return the moments of an Azure CSV, a Mooncake trace, a gateway's record or ServeGen rate windows.

    A rate scales: moments are stretched in time, so that the file has it on average, and repeated until the
    hours are full; rate windows keep their time and are scaled in height, so that the hours have it on
    average. Without a rate, moments stand as recorded. What was noticed is counted in ``notes``.
    """
    notes = Notes() if notes is None else notes
    if ".jsonl" in path.suffixes:
        moments = _gateway(path) if _is_record(path) else _mooncake(path)
        return stretched(_ordered(moments, path, notes), rate_per_second, hours)
    columns = frozenset(tables.columns(path))
    if "TIMESTAMP" in columns:
        return stretched(_ordered(_azure(path), path, notes), rate_per_second, hours)
    if {"start_s", "rate_rps"} <= columns:
        return stepped(_windows(path, rate_per_second, hours, notes), hours, rng)
    raise TraceError(
        f"{path}: not a known arrival trace: expected TIMESTAMP (Azure), timestamp in JSON lines (Mooncake), a "
        "gateway's record, or start_s and rate_rps (ServeGen)"
    )


def stretched(moments: Sequence[float], rate_per_second: float | None, hours: float) -> list[float]:
    """Return ascending moments from the first on, at this rate on average, repeated until the hours are full.

    Without a rate they stand as they are, once.
    """
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
    """Return all that `dealt` deals."""
    return list(dealt(recording, moments, rng))


def dealt(recording: Recording, moments: Sequence[float], rng: Random, part: Part | None = None) -> Schedule:
    """Deal the recorded sessions onto the moments, every one once before any twice, in a seeded order.

    A session of n runs takes the place of n moments, so that the rate is one of runs.
    """
    state = rng.getstate()
    single = isinstance(recording.sessions, Calls)

    def deal() -> Dealt:
        fresh = Random()
        fresh.setstate(state)
        sessions = _shuffled(len(recording.sessions), fresh)
        owed = 0
        for at in moments:
            if owed > 0:
                owed -= 1
                continue
            index, play = next(sessions)
            owed = 0 if single else len(recording.sessions[index].runs) - 1
            yield at, index, play

    return Schedule(recording.sessions, deal, moments[-1] if moments else 0.0, part)


def own(
    recording: Recording,
    rate_per_second: float | None,
    hours: float,
    *,
    load: float = 1.0,
    part: Part | None = None,
) -> Schedule:
    """Return the sessions at the moments at which they were recorded, each at its own.

    A rate (of runs) stretches time, and the whole is repeated until the hours are full. Without one the recording is
    played once, ``load`` times as fast.
    """
    if not recording.starts:
        raise TraceError(
            f"{recording.source}: does not say when its sessions began; take arrivals of another"
        )
    if recording.drawn:
        rate_per_second = None
    elif rate_per_second is not None:
        rate_per_second /= recording.run_count / len(recording.sessions)
    moments = faster(stretched(recording.starts, rate_per_second, hours * load), load)

    def deal() -> Dealt:
        for number, at in enumerate(moments):
            play, index = divmod(number, len(recording.sessions))
            yield at, index, play

    return Schedule(recording.sessions, deal, hours * 3600, part)


def faster(moments: list[float], load: float) -> list[float]:
    """Return moments that pass ``load`` times as fast."""
    return moments if load == 1.0 else [at / load for at in moments]


def _shuffled(sessions: int, rng: Random) -> Iterator[tuple[int, int]]:
    order = list(range(sessions))
    play = 0
    while True:
        rng.shuffle(order)
        for index in order:
            yield index, play
        play += 1


def _ordered(moments: Iterable[tuple[int, float]], path: Path, notes: Notes) -> list[float]:
    """Return moments, given with their lines, in order; at least one."""
    out: list[float] = []
    for line, at in moments:
        if out and at < out[-1]:
            notes.count(UNORDERED, f"{path}:{line}")
        out.append(at)
    if not out:
        raise TraceError(f"{path}: no arrivals in it")
    return sorted(out)


def _is_record(path: Path) -> bool:
    first = next(tables.objects(path), (0, {}))
    return first[1].keys() >= gatewaylog.NEEDED


def _gateway(path: Path) -> Iterator[tuple[int, float]]:
    yield from enumerate(load(path).starts, start=1)


def _mooncake(path: Path) -> Iterator[tuple[int, float]]:
    for number, value in tables.objects(path):
        stamp = value.get("timestamp")
        if isinstance(stamp, bool) or not isinstance(stamp, int | float) or not 0 <= stamp <= tables.LARGEST:
            raise TraceError(f"{path}:{number}: expected a timestamp in milliseconds")
        yield number, stamp / 1000


def _azure(path: Path) -> Iterator[tuple[int, float]]:
    for line, row in tables.numbered(path):
        at = moment(row["TIMESTAMP"])
        if at is None:
            raise TraceError(
                f"{path}:{line}: expected a TIMESTAMP like 2023-11-16 18:15:46.68, not {row['TIMESTAMP']!r}"
            )
        yield line, at


def _windows(path: Path, rate_per_second: float | None, hours: float, notes: Notes) -> Profile:
    """Return the summed rates of the file's first workload, from its first window on."""
    rates: dict[float, float] = {}
    workload = None
    for line, row in tables.numbered(path):
        workload = workload or row.get("workload")
        if row.get("workload") == workload:
            start = tables.least(path, row, "start_s", line=line)
            rates[start] = rates.get(start, 0.0) + tables.least(path, row, "rate_rps", line=line)
        else:
            notes.count(f"windows of other workloads than {workload}, left out", f"{path}:{line}")
    if not rates:
        raise TraceError(f"{path}: no rate windows in it")
    steps = [(start, rates[start]) for start in sorted(rates) if start < hours * 3600]
    if rate_per_second is None:
        return steps
    ends = [start for start, _ in steps[1:]] + [hours * 3600]
    calls = in_order(rate * (end - start) for (start, rate), end in zip(steps, ends, strict=True))
    mean = calls / (hours * 3600)
    if not mean > 0:
        raise TraceError(f"{path}: nobody calls in its first {hours:g} h, so that no rate can be scaled")
    return [(start, rate / mean * rate_per_second) for start, rate in steps]
