"""Our own metrics, as a Prometheus has kept them: windows in which a replica served evenly are operating points.

Two forms: the text format with a timestamp behind each value (what ``/federate`` answers, scrape after scrape), or a range
CSV with the columns ``time`` (seconds), ``name``, a column for each label that counts (``pool``, ``replica``, ``node``,
``gpu_uuid``, ``kind``, ``mode``), and ``value``.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, pstdev

from wattline.profiles.points import Point, ProfileError, Subject
from wattline.profiles.readers.table import Given, Reading, csv_rows, number, text_of

WINDOW_SECONDS = 60.0
"""Length of one operating point: many times the sensors' second and the gateway's."""
UNEVEN = 0.25
"""A window in which running turns vary by more than this share of their mean is no operating point."""
LABELS = ("pool", "replica", "node", "gpu_uuid", "kind", "mode", "outcome")
SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+(-?\d+))?\s*$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Labels = frozenset[tuple[str, str]]
Samples = tuple[list[float], list[float]]
"""Times in seconds, and values."""


class _Series:
    """Samples by name and labels."""

    def __init__(self) -> None:
        self._of: dict[str, dict[Labels, Samples]] = {}

    def add(self, name: str, labels: Labels, seconds: float, value: float) -> None:
        times, values = self._of.setdefault(name, {}).setdefault(labels, ([], []))
        times.append(seconds)
        values.append(value)

    def matching(self, name: str, **labels: str) -> Iterator[tuple[dict[str, str], Samples]]:
        """Yield the series of a name whose labels are these."""
        wanted = set(labels.items())
        for found, samples in self._of.get(name, {}).items():
            if wanted <= found:
                yield dict(found), samples

    def mean(self, name: str, start: float, **labels: str) -> float | None:
        """Return the mean of all samples of a window; none where there are none."""
        inside = [each for _, samples in self.matching(name, **labels) for each in _inside(samples, start)]
        return fmean(inside) if inside else None

    def advance(self, name: str, start: float, **labels: str) -> float | None:
        """Return by how much counters advanced in a window a second, all matching ones together."""
        total, seen = 0.0, False
        for _, (times, values) in self.matching(name, **labels):
            low, high = _bounds(times, start)
            if high - low >= 2 and times[high - 1] - times[low] >= 0.5 * WINDOW_SECONDS:
                gone = values[high - 1] - values[low]
                if gone >= 0:  # a counter that fell began anew
                    total += gone / (times[high - 1] - times[low])
                    seen = True
        return total if seen else None


def knows(columns: frozenset[str]) -> bool:
    """Whether a header is of the range CSV."""
    return {"time", "name", "value"} <= columns


def is_exposition(text: str) -> bool:
    """Whether a text is of the Prometheus text format."""
    first = text.splitlines()[0]
    return first.startswith(("# HELP", "# TYPE")) or SAMPLE.match(first) is not None


def read(path: Path, given: Given, reading: Reading) -> None:
    """Add the points of a file."""
    text = text_of(path).lstrip()
    series = _exposition(path, text) if is_exposition(text) else _ranges(path, reading)
    if reading.problems:
        return
    replicas = [found for found, _ in series.matching("wattline_replica_running_turns")]
    if not replicas:
        raise ProfileError(
            f"{path}: no wattline_replica_running_turns; export the gateway's metrics beside the agents'"
        )
    model, product = given.model, given.product
    if model is None or product is None:
        raise ProfileError(f"{path}: metrics name neither model nor GPU product; give --model and --product")
    for replica in replicas:
        pool, name = replica.get("pool", ""), replica.get("replica", "")
        gpus = {
            found["gpu_uuid"]
            for found, _ in series.matching("wattline_replica_gpu_info", pool=pool, replica=name)
        }
        if not gpus:
            reading.problems.append(
                f"{path}: replica {name} of pool {pool} has no wattline_replica_gpu_info; export the operator's "
                "metrics as well, they say which GPUs it runs on"
            )
            continue
        _points(path, series, Subject(model, product, given.gpus or len(gpus)), (pool, name), gpus, reading)


def _points(
    path: Path, series: _Series, subject: Subject, who: tuple[str, str], gpus: set[str], reading: Reading
) -> None:
    pool, replica = who
    for _, (times, values) in series.matching("wattline_replica_running_turns", pool=pool, replica=replica):
        start = times[0]
        while start + WINDOW_SECONDS <= times[-1] + 1.0:
            running = _inside((times, values), start)
            point, reason = _window(path, series, subject, who, gpus, start, running)
            if point is None:
                reading.leave_out(reason)
            else:
                reading.points.append(point)
            start += WINDOW_SECONDS


def _window(
    path: Path,
    series: _Series,
    subject: Subject,
    who: tuple[str, str],
    gpus: set[str],
    start: float,
    running: list[float],
) -> tuple[Point | None, str]:
    pool, replica = who
    if len(running) < 3 or fmean(running) < 0.5:
        return None, "minutes in which a replica hardly ran anything"
    sequences = fmean(running)
    if pstdev(running) > UNEVEN * sequences:
        return None, "minutes in which running turns varied by more than a quarter"
    of_pool = {
        found["replica"]: fmean(inside)
        for found, samples in series.matching("wattline_replica_running_turns", pool=pool)
        if (inside := _inside(samples, start))
    }
    share = sequences / sum(of_pool.values())
    turns = series.advance("wattline_gateway_requests_total", start, pool=pool, outcome="answered")
    tokens = {
        kind: series.advance("wattline_gateway_tokens_total", start, pool=pool, kind=kind)
        for kind in ("prompt", "cached", "completion")
    }
    watts = [
        series.advance("wattline_agent_gpu_energy_joules_total", start, gpu_uuid=gpu) for gpu in sorted(gpus)
    ]
    if not turns or not tokens["completion"] or tokens["prompt"] is None:
        return None, "minutes without answered turns, or without the gateway's token counters"
    if any(each is None for each in watts):
        return None, "minutes without the energy counter of every GPU of the replica"
    cached = tokens["cached"] or 0.0
    clocks = [
        hertz / 1e6
        for gpu in gpus
        if (hertz := series.mean("wattline_agent_gpu_clock_hertz", start, gpu_uuid=gpu, kind="current"))
    ]
    return Point(
        subject=subject,
        place=f"{path}: pool {pool}, replica {replica}, minute from {start:.0f}",
        sequences=sequences,
        prompt_tokens=max(tokens["prompt"] - cached, 0.0) / turns,
        output_tokens=tokens["completion"] / turns,
        cached_tokens=cached / turns,
        clock_mhz=round(fmean(clocks)) if clocks else None,
        watts=fmean(each for each in watts if each is not None),
        itl_seconds=sequences / (tokens["completion"] * share),
        tokens_per_second=tokens["completion"] * share,
        fold=f"{sequences:.1g}",
    ), ""


def _exposition(path: Path, text: str) -> _Series:
    series = _Series()
    for line, raw in enumerate(text.splitlines(), start=1):
        if not raw.strip() or raw.startswith("#"):
            continue
        found = SAMPLE.match(raw)
        if found is None:
            raise ProfileError(
                f"{path}:{line}: not a sample of the Prometheus text format; is the file truncated?"
            )
        name, labels, value, stamp = found.groups()
        if not name.startswith("wattline_"):
            continue
        if stamp is None:
            raise ProfileError(
                f"{path}:{line}: {name} has no timestamp; take the text from Prometheus' /federate, scrape after scrape, "
                "or give a range CSV (time,name,...,value)"
            )
        seconds = int(stamp) / 1e3
        series.add(name, frozenset(LABEL.findall(labels or "")), seconds, number(f"{path}:{line}", value))
    return series


def _ranges(path: Path, reading: Reading) -> _Series:
    series = _Series()
    for row in csv_rows(path, reading):
        labels = frozenset((label, row.text(label)) for label in LABELS if row.text(label))
        seconds = number(f"{row.place}: column time", row.text("time"))
        series.add(row.text("name"), labels, seconds, number(f"{row.place}: column value", row.text("value")))
    return series


def _bounds(times: list[float], start: float) -> tuple[int, int]:
    return bisect_left(times, start), bisect_right(times, start + WINDOW_SECONDS)


def _inside(samples: Samples, start: float) -> list[float]:
    low, high = _bounds(samples[0], start)
    return samples[1][low:high]
